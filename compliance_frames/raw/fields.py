"""A record of CSV without the content of some fields; the others keep their bytes, quotes and all."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from io import StringIO

from compliance_frames.errors import PlanError


def emptied(text: str, delimiter: str, which: Collection[int]) -> str:
    r"""A record with some fields emptied.

    Args:
        text: the record, with its end.
        delimiter: what stands between fields.
        which: the numbers of the fields, from 0.

    Raises:
        PlanError: the record is quoted in a way that this cannot follow; nothing is guessed.

    >>> emptied('7,"a ""b"", c", d \r\n', ",", {1})
    '7,, d \r\n'
    """
    made, at = [], 0
    for number, (start, end) in enumerate(_spans(text, delimiter)):
        if number in which:
            made.append(text[at:start])
            at = end
    made.append(text[at:])
    result = "".join(made)
    wanted = ["" if number in which else field for number, field in enumerate(_read(text, delimiter))]
    if _read(result, delimiter) != wanted:
        raise PlanError(f"the quotes of its record that begins with {text[:40]!r} make no sense: write them anew")
    return result


def quoted_soundly(text: str, delimiter: str) -> bool:
    r"""Whether nothing stands beside the quotes of a record's fields: or else one was never closed, or never opened.

    >>> quoted_soundly('7,"a ""b"" c"\n', ","), quoted_soundly('7,"a\n8,b\n9,"c"\n', ",")
    (True, False)
    """
    try:
        return len(list(csv.reader(StringIO(text, newline="\n"), delimiter=delimiter, strict=True))) <= 1
    except csv.Error:
        return False


def _spans(text: str, delimiter: str) -> Iterator[tuple[int, int]]:
    """Where each field begins and ends, its quotes among it."""
    at = 0
    while True:
        start = at
        if text[at : at + 1] == '"':
            at += 1
            while at < len(text):
                if text[at] != '"':
                    at += 1
                elif text[at : at + 2] == '""':
                    at += 2
                else:
                    break
            at += 1
        while at < len(text) and text[at] not in (delimiter, "\r", "\n"):
            at += 1
        yield start, at
        if text[at : at + 1] != delimiter:
            return
        at += 1


def _read(text: str, delimiter: str) -> list[str]:
    records = list(csv.reader(StringIO(text, newline="\n"), delimiter=delimiter))
    return records[0] if len(records) == 1 else []
