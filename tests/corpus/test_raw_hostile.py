"""Raw files that are damaged, or made to deceive: nothing that has to go slips through, nothing ends in a traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import compliance_frames as cf
from compliance_frames.errors import PlanError, RawFileError, VerificationError

Flag = Callable[..., pa.Table]
Write = Callable[..., Path]

GONE = 1212161512043446272
NUMBER = b"9" * 5_000


def cleaned(write: Write, flag: Flag, name: str, content: bytes, **options: Any) -> bytes:
    """What is left of a file, which verifies against its source."""
    root = write({name: content})
    results = flag("deleted", [GONE])
    report = cf.clean(cf.plan(root, results, **options), root.with_name("clean"))
    assert cf.verify(report.destination, results, source=root).verified
    return (report.destination / name).read_bytes()


def test_a_quote_that_is_never_closed_hides_no_record(write: Write, flag: Flag) -> None:
    """What follows it would be one field to its reader: such a record is kept by nobody's guess."""
    table = f'id,text\n6,a\n7,"b\n{GONE},c\n8,d\n'.encode()
    root = write({"a.csv": table})
    for bad_lines in ("error", "keep"):
        with pytest.raises(PlanError, match=r"a\.csv, line 3 has a quote that is never closed"):
            cf.plan(root, flag("deleted", [GONE]), bad_lines=bad_lines)  # type: ignore[arg-type]
    assert cleaned(write, flag, "a.csv", table, bad_lines="drop") == b"id,text\n6,a\n"


def test_a_quote_that_the_next_one_closes_hides_no_record(write: Write, flag: Flag) -> None:
    """Fields as many as there have to be, and in one of them what was a record."""
    table = f'id,text\n6,a\n7,"b\n{GONE},c\n8,"d"\n9,e\n'.encode()
    root = write({"a.csv": table})
    with pytest.raises(PlanError, match=r"a\.csv, line 3 has quotes that make no sense"):
        cf.plan(root, flag("deleted", [GONE]))
    assert cleaned(write, flag, "a.csv", table, bad_lines="drop") == b"id,text\n6,a\n9,e\n"


def test_quotes_that_make_sense_hold_what_they_hold(write: Write, flag: Flag) -> None:
    """Lines within a text, doubled quotes and quotes inside of words: a mention in them is one."""
    table = f'id,text\r\n7,"see ""it""\n{GONE},c"\r\n8,a "b" {GONE}\r\n'.encode()
    assert cleaned(write, flag, "a.csv", table) == table


@pytest.mark.parametrize("raw", [b"huge.jsonl", b"huge.json"])
def test_numbers_of_thousands_of_digits_end_nothing(write: Write, flag: Flag, raw: bytes) -> None:
    """Python takes none: the line is told of."""
    name, record = raw.decode(), b'{"id":7,"text":"","n":' + NUMBER + b"}"
    content = b'{"id":6,"text":""}\n' + record if name.endswith("l") else b"[\n" + record + b"]"
    with pytest.raises((PlanError, RawFileError), match=r"huge\.jsonl?, line 2 holds a number of thousands of digits"):
        cf.plan(write({name: content}), flag("deleted", [GONE]))


def test_what_is_no_number_of_json_is_proven_unchanged(write: Write, flag: Flag) -> None:
    """Python writes NaN: it equals nothing, and is still the source's."""
    line = f'{{"id":7,"text":"","n":NaN,"m":-Infinity,"quoted_status":{{"id":{GONE},"text":""}}}}\n'.encode()
    assert cleaned(write, flag, "a.jsonl", line).endswith(b'"n":NaN,"m":-Infinity,"quoted_status":null}\n')


def test_a_line_with_a_key_twice_is_dropped_as_told_and_proven(write: Write, flag: Flag) -> None:
    """It was no record to whoever cleaned, and is none to whoever proves."""
    lines = f'{{"id":6,"text":""}}\n{{"id":{GONE},"id":7,"text":""}}\n{{"id":8,"text":"","text":"x"}}\n'.encode()
    left = cleaned(write, flag, "a.jsonl", lines, bad_lines="drop")
    assert left == b'{"id":6,"text":""}\n{"id":8,"text":"","text":"x"}\n'


@pytest.mark.parametrize(
    ("name", "planted"),
    [
        ("a.jsonl", f'{{"id":{GONE},"text":"","id":7}}\n'),
        ("a.csv", f'7,"b\n{GONE},c\n'),
        ("a.csv", f'7,"b\n{GONE},c\n8,"d"\n'),
    ],
)
def test_the_proof_finds_what_readers_differ_in(write: Write, flag: Flag, name: str, planted: str) -> None:
    """Keys that stand twice, and records within quotes that make no sense."""
    whole = "id,text\n6,a\n" if name.endswith("csv") else '{"id":6,"text":""}\n'
    results = flag("deleted", [GONE])
    clean = cf.clean(cf.plan(write({name: whole.encode()}), results), write({}).with_name("clean")).destination
    (clean / name).write_text(whole + planted)
    with pytest.raises(VerificationError) as caught:
        cf.verify(clean, results)
    assert f"{name}: an ID of what had to go stands in a line that cannot be read" in caught.value.problems


def test_other_files_are_searched_in_wide_letters(write: Write, flag: Flag) -> None:
    """Spreadsheets save "Unicode text" with two bytes for each letter: a plan refuses it, and the proof finds it."""
    results = flag("deleted", [GONE])
    root = write({"a.jsonl": b'{"id":6,"text":""}\n', "notes.txt": f"id\ttext\n{GONE}\tx\n".encode("utf-16")})
    with pytest.raises(PlanError, match=r"notes\.txt is not Parquet, would go over as it is, and names a tweet"):
        cf.plan(root, results)
    clean = cf.clean(cf.plan(root, results, others="leave"), root.with_name("clean")).destination
    (root / "notes.txt").write_text("nothing")
    other = cf.clean(cf.plan(root, results), root.with_name("other")).destination
    (other / "notes.txt").write_text(f"{GONE}", "utf-32")
    assert cf.verify(clean, results).verified
    with pytest.raises(VerificationError) as caught:
        cf.verify(other, results)
    assert "notes.txt: 1 ID of what had to go in its bytes" in caught.value.problems


def test_tables_with_bars_between_their_fields_are_understood(write: Write, flag: Flag) -> None:
    """As they are where they are taken in."""
    table = f"id|author_id|text\n7|5|a, b; c\n{GONE}|5|x\n".encode()
    assert cleaned(write, flag, "a.csv", table) == b"id|author_id|text\n7|5|a, b; c\n"
