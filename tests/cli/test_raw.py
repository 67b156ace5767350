"""A folder of raw files goes through the whole of it as a Parquet dataset does: asked, cleaned, proven."""

from __future__ import annotations

import bz2
import gzip
import json
from pathlib import Path
from typing import Any

import compliance_frames as cf
from compliance_frames.emulator import Emulator
from tests.corpora import flat, nested
from tests.corpora.tweets import Tweet, made

QUICK = ["--poll", "0.02s"]


def written(folder: Path, tweets: list[Tweet]) -> Path:
    """The same tweets as several tools have them, and a file that holds none."""
    folder.mkdir()
    rows = [json.dumps(nested.v2(tweet)) + "\n" for tweet in tweets[:60]]
    (folder / "v2.jsonl.gz").write_bytes(gzip.compress("".join(rows).encode()))
    page = {"data": [nested.v2(tweet) for tweet in tweets[60:90]], "meta": {"result_count": 30}}
    (folder / "page.json").write_text(json.dumps(page, indent=1))
    v1 = [json.dumps(nested.v1(tweet)) for tweet in tweets[90:120]]
    (folder / "sub").mkdir()
    (folder / "sub" / "v1.json.bz2").write_bytes(bz2.compress(f"[{','.join(v1)}]".encode()))
    table = [flat.twarc_csv(tweet) for tweet in tweets[120:]]
    lines = [",".join(table[0]), *(",".join(f'"{value or ""}"' for value in row.values()) for row in table)]
    (folder / "twarc.csv").write_text("\n".join(line.replace('"["', '"[""').replace('"]"', '""]"') for line in lines))
    (folder / "notes.csv").write_text("topic,count\nharbour,3\n")
    return folder


def test_a_raw_folder_runs_from_question_to_certificate(run: Any, online: Emulator, tmp_path: Path) -> None:
    """Every tweet and every author is asked about, no row is unchecked, and the proof holds against the source."""
    tweets = made(150, seed=11)
    written(tmp_path / "raw", tweets)
    ran = run("run", "raw", "clean", "--json", *QUICK)
    assert ran.code == 0, ran.err
    told = ran.json
    assert told["asked"] == {"tweets": 150, "users": len({tweet.author for tweet in tweets})}
    assert (told["rows_in"], told["rows_unchecked"], told["files_other"]) == (150, 0, 1)
    assert 0 < told["rows_dropped"] == 150 - told["rows_kept"] < 150
    assert told["verified"]
    assert sorted(path.name for path in Path("clean").rglob("*.*")) == [
        "notes.csv",
        "page.json",
        "twarc.csv",
        "v1.json.bz2",
        "v2.jsonl.gz",
    ]
    assert run("check", "raw", "--ledger", "clean.ledger", "--json", *QUICK).json["columns"] == {
        "tweets": None,
        "users": "author_id",
    }


def test_the_same_calls_in_python(online: Emulator, tmp_path: Path) -> None:
    """``check`` of a folder, and of one file; a tweet that was never asked about stops a plan, or goes."""
    tweets = made(40, seed=12)
    lines = [json.dumps(nested.v1(tweet)) + "\n" for tweet in tweets]
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.jsonl").write_text("".join(lines[:-1]))
    cf.check(str(tmp_path / "raw"), "both", ledger=tmp_path / "ledger")
    assert set(cf.Ledger.read(tmp_path / "ledger").asked("tweets").tolist()) == {tweet.id for tweet in tweets[:-1]}
    assert cf.plan(tmp_path / "raw", ledger=tmp_path / "ledger").rows_unchecked == 0
    (tmp_path / "raw" / "b.jsonl").write_text(lines[-1] + '{"data": [{"id": "7", "text": "", "author_id": "8"}]}\n')
    unasked = cf.plan(tmp_path / "raw", ledger=tmp_path / "ledger", unchecked="keep")
    dropped = cf.plan(tmp_path / "raw", ledger=tmp_path / "ledger", unchecked="drop")
    assert unasked.rows_unchecked == dropped.rows_unchecked >= 1
    assert dropped.rows_dropped == unasked.rows_dropped + unasked.rows_unchecked
    report = cf.clean(dropped, tmp_path / "clean")
    assert report.rows_unchecked == dropped.rows_unchecked
    assert '"data": []' in (tmp_path / "clean" / "b.jsonl").read_text()
    assert cf.verify(tmp_path / "clean", ledger=tmp_path / "ledger", source=tmp_path / "raw").verified


def test_bad_lines_can_be_told(run: Any, online: Emulator, tmp_path: Path) -> None:
    """The command line names the option, and takes it."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.jsonl").write_text('{"id": 20, "text": "x"}\n{"id": 21, \n')
    ran = run("run", "raw", "clean", *QUICK)
    assert ran.code == 5
    assert "a.jsonl, line 2 is not JSON" in ran.error
    assert "--bad-lines keep" in ran.error
    assert run("run", "raw", "clean", "--bad-lines", "keep", *QUICK).code == 0
    assert (tmp_path / "clean" / "a.jsonl").read_text().endswith('{"id": 21, \n')


def test_keys_of_raw_files_can_be_named(run: Any, online: Emulator, tmp_path: Path) -> None:
    """Of a folder and of one file, whose other keys are found: what the keys hold is asked about."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.jsonl").write_text('{"id": 20, "text": "x", "of": 21}\n')
    for number, source in enumerate(("raw", "raw/a.jsonl")):
        ran = run("check", source, "--reference", "of", "--ledger", f"{number}.ledger", "--json", *QUICK)
        assert ran.code == 0, ran.err
        assert cf.Ledger.read(tmp_path / f"{number}.ledger").asked("tweets").tolist() == [20, 21]
