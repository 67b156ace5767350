"""One JSON for one content: the bytes that a digest and a signature are made over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def canonical(content: Mapping[str, Any]) -> bytes:
    r"""The bytes of RFC 8785 for a content of objects, lists, text, whole numbers, true, false and null.

    Names are sorted, nothing stands between, the text is UTF-8. A file name that is no UTF-8 has lone surrogates, of
    which RFC 8785 knows nothing: they are written as ``\udcff``, as JavaScript does.

    Raises:
        ValueError: a number is not whole, or of 2^53 and more: others would write it otherwise.

    >>> canonical({"b": 1, "a": ["é", None]})
    b'{"a":["\xc3\xa9",null],"b":1}'
    """
    plain = json.dumps(_sorted(content), ensure_ascii=False, separators=(",", ":"))
    return plain.encode("utf-8", "backslashreplace")


def _sorted(value: Any) -> Any:
    """The same with its names in order: by UTF-16, as the standard has it."""
    if isinstance(value, Mapping):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return {name: _sorted(value[name]) for name in names}
    if isinstance(value, list | tuple):
        return [_sorted(each) for each in value]
    if isinstance(value, float) or (isinstance(value, int) and abs(value) >= 2**53):
        raise ValueError(f"{value!r} is not written the same by everybody")
    return value
