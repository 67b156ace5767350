"""GeoParquet says of a file how far its places reach: where one went, the bounds may be its own, and come out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

_KEY: Final = b"geo"
_BOUNDS: Final = "bbox"


def without_bounds(said: Mapping[bytes, bytes]) -> Mapping[bytes, bytes]:
    """A file's key-value metadata without the bounds of its places; the very same where it tells of none.

    >>> without_bounds({b"geo": b'{"columns": {"point": {"encoding": "WKB", "bbox": [10.7, 59.9, 10.7, 59.9]}}}'})
    {b'geo': b'{"columns": {"point": {"encoding": "WKB"}}}'}
    """
    try:
        told = json.loads(said.get(_KEY, b"{}"))
    except ValueError:
        return said
    columns = told.get("columns") if isinstance(told, dict) else None
    described = columns if isinstance(columns, dict) else {}
    plain = {
        name: {key: value for key, value in each.items() if key != _BOUNDS} if isinstance(each, dict) else each
        for name, each in described.items()
    }
    return said if plain == described else {**said, _KEY: json.dumps({**told, "columns": plain}).encode()}
