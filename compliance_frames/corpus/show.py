"""A plan as people read it: aligned text on a terminal, a table in a notebook."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from compliance_frames.schemas import KINDS

if TYPE_CHECKING:
    from compliance_frames.corpus.planned import CameBack, Plan

Row = tuple[str, ...]
#: Files listed one by one; of more, the rest is summed up in one line.
_LISTED = 10
_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")


def text(plan: Plan) -> str:
    """The plan as lines of text.

    >>> print(grid([("decision", "files"), ("copy", "12"), ("rewrite", "3")]))
    decision  files
    copy         12
    rewrite       3
    """
    parts = [_title(plan), *(grid(table) for table in _tables(plan)), *_notes(plan)]
    return "\n\n".join(parts)


def html(plan: Plan) -> str:
    """The plan as one HTML fragment; everything that comes from the dataset is escaped."""
    parts = [f"<p><b>{escape(_title(plan))}</b></p>", *(html_table(table) for table in _tables(plan))]
    return "<div>" + "".join([*parts, *(f"<p>{escape(note)}</p>" for note in _notes(plan))]) + "</div>"


def grid(rows: Sequence[Row]) -> str:
    """Rows as aligned text: the first column to the left, columns of numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = [all(_is_number(row[at]) for row in rows[1:]) for at in range(len(widths))]
    lines = (
        "  ".join(cell.rjust(width) if numbers else cell.ljust(width) for cell, width, numbers in cells)
        for cells in (zip(row, widths, right, strict=True) for row in rows)
    )
    return "\n".join(line.rstrip() for line in lines)


def size(number: float) -> str:
    """A number of bytes for people.

    >>> size(999), size(1_234_567)
    ('999 B', '1.2 MB')
    """
    unit = 0
    while number >= 999.95 and unit < len(_SIZES) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.1f} {_SIZES[unit]}" if unit else f"{number:.0f} {_SIZES[0]}"


def _title(plan: Plan) -> str:
    where = f"{plan.root / plan.files[0].path if plan.single_file else plan.root}"
    files = f"{len(plan.files):,} file{'s' * (len(plan.files) != 1)}"
    total = size(sum(file.bytes for file in plan.files))
    return f"Plan for {printable(where)}: {files}, {plan.rows_in:,} rows, {total}. Nothing is written yet."


def _tables(plan: Plan) -> Iterator[list[Row]]:
    yield [("decision", "files", "bytes", "rows", "dropped", "scrubbed", "unchecked"), *_decisions(plan)]
    kinds = [(words, f"{count:,}") for name, words in KINDS.items() if (count := getattr(plan.kinds, name))]
    if kinds:
        yield [("what goes", "count"), *kinds]
    if plan.flagged:
        yield [("flagged", "reason", "treatment", "IDs"), *_reasons(plan)]
    touched = [file for file in plan.files if file.decision != "copy"]
    if touched:
        yield [("file", "rows", "what"), *((printable(f.path), f"{f.rows or 0:,}", f.why) for f in touched[:_LISTED])]


def _decisions(plan: Plan) -> Iterator[Row]:
    kinds = {
        "copy": [file for file in plan.files if file.decision == "copy" and file.rows is not None],
        "splice": [file for file in plan.files if file.decision == "splice"],
        "rewrite": [file for file in plan.files if file.decision == "rewrite"],
        "copy (not Parquet)": [file for file in plan.files if file.rows is None],
        "all": list(plan.files),
    }
    known = plan.erasures.asked_tweets is not None
    for name, files in kinds.items():
        sums = [sum(getattr(file.counts, what) for file in files) for what in _COUNTED]
        numbers = [f"{number:,}" for number in sums]
        if files:
            told = numbers if known else [*numbers[:-1], "–"]
            yield name, f"{len(files):,}", size(sum(file.bytes for file in files)), *told


_COUNTED = ("rows_in", "rows_dropped", "rows_scrubbed", "rows_unchecked")


def _reasons(plan: Plan) -> Iterator[Row]:
    for each in plan.flagged:
        yield each.type, printable(each.reason), each.treatment, f"{each.ids:,}"


def _notes(plan: Plan) -> Iterator[str]:
    touched = sum(file.decision != "copy" for file in plan.files)
    if touched > _LISTED:
        yield f"… and {touched - _LISTED:,} more files; plan.to_arrow() has them all."
    if plan.came_back:
        yield returned(plan.came_back)
    if plan.unread:
        names = ", ".join(map(printable, plan.unread))
        yield f"Text, not looked into for tweets of others: {names}. Name it in columns=cf.Columns(embedded=[…])."
    if plan.erasures.asked_tweets is None:
        yield "Unchecked rows: not known without a ledger."
    elif plan.rows_unchecked:
        verb = "dropped" if plan.erasures.unchecked == "drop" else "kept"
        yield f"Rows that nobody asked about: {plan.rows_unchecked:,}, {verb} as told."
    if plan.left:
        yield f"Not Parquet, left out as told: {', '.join(map(printable, plan.left[:_LISTED]))}" + (
            f" and {len(plan.left) - _LISTED:,} more." if len(plan.left) > _LISTED else "."
        )
    if plan.ignored:
        yield f"Hidden or temporary, not taken over: {', '.join(map(printable, plan.ignored[:_LISTED]))}" + (
            f" and {len(plan.ignored) - _LISTED:,} more." if len(plan.ignored) > _LISTED else "."
        )


def returned(came_back: Sequence[CameBack]) -> str:
    """What came back, and what that means, in words.

    >>> from compliance_frames.corpus.planned import CameBack
    >>> print(returned([CameBack("users", "suspended", 2)]))
    Flagged before, and clear now: 2 users (suspended). The originals decide: a cleaned copy made from them has what is
    theirs again; cleaning a copy that was cleaned before cannot bring it back.
    """
    told = ", ".join(
        f"{each.ids:,} {each.type if each.ids != 1 else each.type.removesuffix('s')} ({printable(each.reason)})"
        for each in came_back
    )
    return (
        f"Flagged before, and clear now: {told}. The originals decide: a cleaned copy made from them has what is "
        "theirs again; cleaning a copy that was cleaned before cannot bring it back."
    )


def html_table(rows: Sequence[Row]) -> str:
    """Rows as a table in HTML, the first as its head; every cell is escaped.

    >>> html_table([("column",), ("a<b",)])
    '<table><thead><tr><th>column</th></tr></thead><tbody><tr><td>a&lt;b</td></tr></tbody></table>'
    """
    head, *body = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
    lines = "".join(f"<tr>{row}</tr>" for row in body)
    return f"<table><thead><tr>{head.replace('td>', 'th>')}</tr></thead><tbody>{lines}</tbody></table>"


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"[\d,.]+( [kMGTP]?B)?|–", cell) is not None


def printable(name: str) -> str:
    """A name of somebody's file in one line, without letters that would steer a terminal.

    >>> printable("part-0.parquet"), printable("two\\nlines")
    ('part-0.parquet', "'two\\\\nlines'")
    """
    return name if name.isprintable() else repr(name)
