"""What SECURITY.md promises is shown by tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_every_promise_names_a_test_that_is_there() -> None:
    """Each row of the table ends in a test, and all tests of this folder but a few are promises."""
    section = PAGE.partition("## What is promised")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 25
    for row in rows:
        (named,) = re.findall(r"`(tests/[a-z_/]+\.py)::(test_[a-z_0-9]+)` \|$", row)
        code = (ROOT / named[0]).read_text(encoding="utf-8")
        assert re.search(rf"^def {named[1]}\(", code, re.MULTILINE), row


def test_it_says_how_to_report_and_what_is_not_promised() -> None:
    """By private reporting, to no address that nobody reads; with the limits spelled out."""
    assert "private reporting" in PAGE
    assert "@" not in PAGE
    assert "## What is not promised" in PAGE
