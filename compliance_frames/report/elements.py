"""Pieces of a page that its sections share; whatever comes from outside is escaped in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[Any]], foot: Iterable[Sequence[Any]] = ()) -> str:
    """A table; a ``#`` before a name makes a column of numbers, a ``~`` one of paths."""
    kinds = [{"#": ' class="n"', "~": ' class="path"'}.get(name[0], "") for name in head]
    heads = "".join(
        f"<th scope=col{kind}>{escape(name.lstrip('#~'))}</th>" for name, kind in zip(head, kinds, strict=True)
    )
    body, end = (
        "".join(
            f"<tr>{''.join(f'<td{kind}>{_cell(value)}</td>' for value, kind in zip(row, kinds, strict=True))}</tr>\n"
            for row in part
        )
        for part in (rows, foot)
    )
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    ended = f"<tfoot>{end}</tfoot>" if end else ""
    return f'<div class="wide"><table>{said}<thead><tr>{heads}</tr></thead><tbody>{body}</tbody>{ended}</table></div>'


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else escape(str(value))


def checks(done: Iterable[Mapping[str, Any]]) -> str:
    """What a proof has looked at."""
    rows = [[check["name"], check["what"], check["counted"]] for check in done]
    return table("", ["Check", "What it did", "#Counted"], rows)


def items(sentences: Iterable[str]) -> str:
    """A list of sentences.

    >>> items(["a < b"])
    '<ul><li>a &lt; b</li></ul>'
    """
    return f"<ul>{''.join(f'<li>{escape(sentence)}</li>' for sentence in sentences)}</ul>"


def folded(summary: str, table: str, rows: int) -> str:
    """A long table behind its summary, a short one as it is."""
    return f"<details><summary>{escape(summary)}</summary>{table}</details>" if rows > 20 else table


def when(moment: datetime) -> str:
    """A moment, to the minute."""
    return f'<time datetime="{moment.isoformat()}">{moment:%Y-%m-%d %H:%M %Z}</time>'


def until(span: tuple[datetime, datetime]) -> str:
    """The end of a span, where it is not its beginning."""
    return "" if f"{span[0]:%F %H:%M}" == f"{span[1]:%F %H:%M}" else f" to {when(span[1])}"
