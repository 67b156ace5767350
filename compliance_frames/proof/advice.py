"""What really helps against a problem that was found: to plan again does not help against everything."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

#: How a problem is told, and the way out of it. The first that fits a sentence counts.
_WAYS: Final = (
    (
        re.compile(r"^(?P<file>.*): .* of what had to go in its bytes$|^.*: it is Parquet, and was not looked into"),
        "a file that is not Parquet goes over as it is: take it out of the source, or plan with "
        'others="leave" (--others leave); then clean to another destination',
    ),
    (
        re.compile(r"^.*: .* of JSON in column (?P<column>'.*') (hold|repeat)"),
        "plan again with the column named, columns=cf.Columns(id=…, embedded=[{column}, …]) in Python, so that its "
        "text is looked into; then clean to another destination",
    ),
    (
        re.compile(
            r"^(?P<file>.*): (a dictionary of .* lists|a Bloom filter of|the statistics of .* that no row has"
            r"|.* of what had to go in (the pages|a dictionary|the statistics|its footer|bytes))"
        ),
        "such residue is copied with a file of which nothing has to go: plan with rewrite=[{file}] (--rewrite), which "
        "makes the file anew; then clean to another destination",
    ),
    (
        re.compile(r"whose places? had to go (has|have) one in (?P<column>'[^']*')"),
        "plan again with {column} among the columns of places, geo=[{column}, …] (--geo); then clean to another "
        "destination",
    ),
    (
        re.compile(r"of what had to go in its key-value metadata"),
        "metadata are kept: write the file in the source again without them; then plan and clean again, to another "
        "destination",
    ),
    (
        re.compile(r"of what had to go in its name"),
        "names are kept: rename the file or the directory in the source; then plan and clean again, to another "
        "destination",
    ),
    (
        re.compile(r"that were never asked about"),
        "ask about them (check), or plan with unchecked=…; then clean again, to another destination",
    ),
    (
        re.compile(r"was left by a run"),
        "run the same clean again, which takes up what was left and leaves nothing; or remove it, if no run is at work",
    ),
    (
        re.compile(
            r"by the manifest|the manifest does not know|file is missing|was changed|symbolic link|neither a file"
            r"|stands twice in the manifest"
        ),
        "somebody changed files after they were written: clean again, to another destination",
    ),
)
#: More than so many ways at once nobody goes.
_MOST: Final = 3
_ELSE: Final = "plan and clean again, to another destination"


def ways_out(problems: Iterable[str]) -> str:
    """The ways out of some problems, each once, as the end of a sentence.

    >>> ways_out(["tweets.csv: 1 ID of what had to go in its bytes"])[:48]
    'a file that is not Parquet goes over as it is: t'
    >>> ways_out(["part-0.parquet: 1 row that had to go (column 'id', the first is row 0)"])
    'plan and clean again, to another destination'
    >>> ways_out(["a.jsonl: 1 row whose place had to go has one in 'geo' (by column 'id', the first is row 0)"])[:56]
    "plan again with 'geo' among the columns of places, geo=["
    """
    ways = list(dict.fromkeys(map(_way_out, problems)))
    return ". Also: ".join(ways[:_MOST])


def _way_out(problem: str) -> str:
    for told, way in _WAYS:
        found = told.search(problem)
        if found is not None:
            named = {name: value or "" for name, value in found.groupdict().items()}
            return way.format(file=repr(named.get("file", "")), column=named.get("column", ""))
    return _ELSE
