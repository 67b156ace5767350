"""Raw files lose what has to go, and not a byte more: lines of JSON, lists, answers of the service, tables of CSV."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import compliance_frames as cf
from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.erasures import Erasures
from compliance_frames.corpus.manifest import Manifest, manifest_path
from compliance_frames.corpus.rawfiles import Pass
from compliance_frames.corpus.rawform import RawForm
from compliance_frames.errors import PlanError, RawFileError, StaleDatasetError
from compliance_frames.raw.units import Writer

Flag = Callable[..., pa.Table]
Write = Callable[..., Path]

GONE, BARE, AUTHOR = 1212161512043446272, 1300000000000000001, 1400000000000000001
OTHER = 1500000000000000001
UNPACK = {
    "": bytes,
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".zst": lambda content: pa.CompressedInputStream(pa.BufferReader(content), "zstd").read(),
}
PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": lambda content: pa.compress(content, "zstd", asbytes=True),
}


@pytest.fixture
def cleaned(write: Write, flag: Flag) -> Callable[..., bytes]:
    """``cleaned("a.jsonl", content)``: what is left of a file, which verifies."""

    def make(name: str, content: str | bytes, **options: Any) -> bytes:
        root = write({name: content if isinstance(content, bytes) else content.encode()})
        results = [flag("deleted", [GONE]), flag("scrub_geo", [BARE])]
        results += [flag("suspended", [AUTHOR], "users")] if str(AUTHOR) in str(content) else []
        report = cf.clean(cf.plan(root, *results, **options), root.with_name("clean"))
        assert report.rows_in == report.rows_kept + report.rows_dropped
        assert cf.verify(report.destination, *results, source=root).verified
        return (report.destination / name).read_bytes()

    return make


def test_lines_go_or_stay_to_the_byte(cleaned: Callable[..., bytes]) -> None:
    """Spelling, spaces, line ends, a mark at the beginning and a last line without an end: all as they were."""
    kept = b'\xef\xbb\xbf{"id":"7", "text" : "caf\\u00e9 \\/",  "n":1.50e3}\r\n\r\n'
    gone = f'{{"id": "{GONE}", "text": "x"}}\r\n'.encode()
    bare = f' {{"id":{BARE},"geo" :{{"a":[1, 2]}}, "text":"\u00fc"}}\n'.encode()
    last = b'{"text":"\xff","id":8}'
    bare_now = bare.replace(b'{"a":[1, 2]}', b"null")
    assert cleaned("a.jsonl", kept + gone + bare + last) == kept + bare_now + last


def test_the_last_line_may_go(cleaned: Callable[..., bytes]) -> None:
    """What was the line before it keeps its end."""
    assert cleaned("a.ndjson", f'{{"id":7,"text":""}}\n{{"id":{GONE},"text":""}}') == b'{"id":7,"text":""}\n'


@pytest.mark.parametrize(
    "gone",
    [
        f'{{"id": "\\u0031{str(GONE)[1:]}", "text": "x"}}',
        f'{{"\\u0069d": "{GONE}", "text": "x"}}',
        '{"id": 7, "text": "x", "quoted_status_id": 8, "user": {"id": 14e17, "id_str": "1400000000000000001"}}',
        f'{{"id": 7, "text": "x", "user": {{"id_str": "{AUTHOR}"}}}}',
        f'{{"tweet": {{"id_str": "{GONE}", "full_text": "x"}}}}',
        f'{{"id": 7, "text": "x", "referenced_tweets": [{{"type": "retweeted", "id": "{GONE}"}}]}}',
        f'{{"id": 7, "user": {{"id": 5}}, "retweeted_status": {{"id": 8, "text": "", "user": {{"id": {AUTHOR}}}}}}}',
        f'{{"id": 7, "text": "x", "retweeted_id": "{GONE}"}}',
        f'{{"id": {{"$numberLong": "{GONE}"}}, "text": "x"}}',
    ],
)
def test_a_tweet_goes_however_it_is_spelled(cleaned: Callable[..., bytes], gone: str) -> None:
    """IDs in escapes, in numbers, wrapped, repeated: none slips through."""
    assert cleaned("a.jsonl", f'{{"id":5,"text":""}}\n{gone}\n{{"id":6,"text":""}}\n').count(b"\n") == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            f'{{"id":7,"text":"", "quoted_status" : {{"id":{GONE},"text":"x"}} ,"z":1}}',
            '{"id":7,"text":"", "quoted_status" : null ,"z":1}',
        ),
        (
            f'{{"id":7,"text":"","quoted_status":{{"id":{BARE},"text":"x","place":{{"id":"q"}} }}}}',
            f'{{"id":7,"text":"","quoted_status":{{"id":{BARE},"text":"x","place":null }}}}',
        ),
        (
            f'{{"id":7,"text":"","referenced_tweets":[ {{"type":"quoted","id":"{GONE}","text":"x"}} ]}}',
            '{"id":7,"text":"","referenced_tweets":[  ]}',
        ),
        (
            f'{{"id":7,"text":"","user_id":5,"in_reply_to_status_id":{GONE},"in_reply_to_user_id":{AUTHOR}}}',
            f'{{"id":7,"text":"","user_id":5,"in_reply_to_status_id":{GONE},"in_reply_to_user_id":{AUTHOR}}}',
        ),
        (
            f'{{"id":7,"text":"see {GONE}","user_id":5,"in_reply_to_user":{{"id":"{AUTHOR}","username":"u"}}}}',
            f'{{"id":7,"text":"see {GONE}","user_id":5,"in_reply_to_user":null}}',
        ),
        (
            f'{{"id":7,"text":"","quoted_id":{GONE},"quoted_text":"x"}}',
            f'{{"id":7,"text":"","quoted_id":{GONE},"quoted_text":null}}',
        ),
        (
            f'{{"id":7,"text":"","raw":"{{\\"id\\": {GONE}, \\"text\\": \\"x\\"}}"}}',
            '{"id":7,"text":"","raw":null}',
        ),
    ],
)
def test_of_a_line_that_stays_only_others_words_go(cleaned: Callable[..., bytes], before: str, after: str) -> None:
    """Embedded tweets and users are taken out, places of those that lose them; bare mentions stay."""
    assert cleaned("a.jsonl", f"{before}\n").decode() == f"{after}\n"


def test_answers_of_the_service_lose_what_belonged_to_what_went(cleaned: Callable[..., bytes]) -> None:
    """A page of tweets: those that go, users and included tweets, and media and polls of nobody who stays."""
    page = {
        "data": [
            {"id": "7", "author_id": "5", "text": "", "attachments": {"media_keys": ["m1"]}, "geo": {"place_id": "p1"}},
            {"id": str(GONE), "text": "", "attachments": {"media_keys": ["m1", "m2"], "poll_ids": ["q"]}},
            {"id": str(BARE), "text": "", "geo": {"place_id": "p2"}},
        ],
        "includes": {
            "users": [{"id": "9", "username": "a"}, {"id": str(AUTHOR), "username": "b"}],
            "tweets": [{"id": str(OTHER), "text": "", "author_id": str(AUTHOR)}, {"id": "11", "text": ""}],
            "media": [{"media_key": "m1"}, {"media_key": "m2"}],
            "polls": [{"id": "q"}],
            "places": [{"id": "p1"}, {"id": "p2"}],
        },
        "meta": {"result_count": 3},
    }
    left = json.loads(cleaned("a.jsonl", json.dumps(page) + "\n"))
    assert [(each["id"], "geo" in each and each["geo"]) for each in left["data"]] == [
        ("7", {"place_id": "p1"}),
        (str(BARE), None),
    ]
    assert left["includes"] == {
        "users": [{"id": "9", "username": "a"}],
        "tweets": [{"id": "11", "text": ""}],
        "media": [{"media_key": "m1"}],
        "polls": [],
        "places": [{"id": "p1"}],
    }


def test_lists_and_pretty_printed_objects(cleaned: Callable[..., bytes]) -> None:
    """Elements of a list go with one comma; an object over many lines is one record."""
    many = f'[\n  {{"id": {GONE}, "text": "x"}},\n  {{"id": 7, "text": "x"}} ,\n  {{"id": "{GONE}", "text": ""}}\n]\n'
    assert cleaned("a.json", many) == b'[\n  {"id": 7, "text": "x"}\n]\n'


def test_an_object_over_many_lines(cleaned: Callable[..., bytes]) -> None:
    """It goes whole, and what stands around it stays."""
    text = f'{{\n "id": {GONE},\n "text": "x"\n}}\n{{\n "id": 7,\n "text": "x"\n}}\n'
    assert cleaned("a.json", text) == b'\n{\n "id": 7,\n "text": "x"\n}\n'


@pytest.mark.parametrize("ending", PACK)
def test_packed_files_stay_packed_and_untouched_ones_stay_as_they_are(write: Write, flag: Flag, ending: str) -> None:
    """A file that loses nothing is copied byte for byte; one that does is packed with the same, several members too."""
    lines = [f'{{"id":{id},"text":"x"}}\n'.encode() for id in (7, GONE, 8)]
    whole = PACK[ending](lines[0]) + PACK[ending](b"".join(lines[1:]))
    root = write({f"a.jsonl{ending}": whole, f"sub/b.jsonl{ending}": PACK[ending](lines[0]) + PACK[ending](lines[2])})
    made = cf.plan(root, flag("deleted", [GONE]))
    assert [(file.decision, file.rows, file.rows_dropped) for file in made.files] == [("rewrite", 3, 1), ("copy", 2, 0)]
    clean = cf.clean(made, root.with_name("clean")).destination
    assert UNPACK[ending]((clean / f"a.jsonl{ending}").read_bytes()) == lines[0] + lines[2]
    assert (clean / f"a.jsonl{ending}").read_bytes()[:2] == whole[:2]
    assert (clean / f"sub/b.jsonl{ending}").read_bytes() == (root / f"sub/b.jsonl{ending}").read_bytes()
    assert cf.verify(clean, flag("deleted", [GONE]), source=root).rows == 4


BAD = f'{{"id":7,"text":"x"}}\n{{"id": 8, \n{{"text":"no id"}}\n{{"id":{GONE},"text":"x"}}\n{{"limit":{{"track":1}}}}\n'


def test_lines_that_cannot_be_read_stop_the_plan_unless_told(write: Write, flag: Flag) -> None:
    """The first is named with its file and line, and all are counted; they stay or go as told, and are told of."""
    root = write({"sub/a.jsonl": BAD.encode()})
    results = flag("deleted", [GONE])
    told = r"^sub/a\.jsonl, line 2 is not JSON .*\(2 lines in 1 file cannot be read\).*bad_lines=\"keep\""
    with pytest.raises(PlanError, match=told):
        cf.plan(root, results)
    lines = BAD.splitlines(keepends=True)
    kept = cf.clean(cf.plan(root, results, bad_lines="keep"), root.with_name("kept"))
    assert (kept.destination / "sub/a.jsonl").read_text() == "".join(lines[:3] + lines[4:])
    dropped = cf.clean(cf.plan(root, results, bad_lines="drop"), root.with_name("dropped"))
    assert (dropped.destination / "sub/a.jsonl").read_text() == lines[0] + lines[4]
    assert "1 file changed: 2 lines that could not be read left out, as told" in dropped.notes
    for report in (kept, dropped):
        assert (report.rows_in, report.rows_dropped) == (2, 1)
        assert cf.verify(report.destination, results, source=root).verified
    with pytest.raises(PlanError, match="bad_lines='skip': choose one of error, keep, drop"):
        cf.plan(root, results, bad_lines="skip")  # type: ignore[arg-type]


def test_a_bad_line_that_names_what_goes_is_not_kept(write: Write, flag: Flag) -> None:
    """What cannot be read cannot be cleaned: it may go, and not stay."""
    root = write({"a.jsonl": f'{{"id":7,"text":"x"}}\n{{"id":{GONE}, \n'.encode()})
    with pytest.raises(PlanError, match=r"^a\.jsonl, line 2 is not JSON .*was to be kept, and names a tweet"):
        cf.plan(root, flag("deleted", [GONE]), bad_lines="keep")
    cf.plan(root, flag("deleted", [GONE]), bad_lines="drop")


def test_a_key_that_stands_twice_is_no_way_around(write: Write, flag: Flag) -> None:
    """Readers differ in which of two values counts: where one is flagged, the line cannot be read."""
    root = write({"a.jsonl": f'{{"id":{GONE},"text":"x","id":7}}\n{{"id":5,"text":"x","id":7}}\n'.encode()})
    with pytest.raises(PlanError, match=r"a\.jsonl, line 1 has the key 'id' twice .*1 line in 1 file"):
        cf.plan(root, flag("deleted", [GONE]))


def test_tables_lose_records_and_fields(cleaned: Callable[..., bytes]) -> None:
    """Records of several lines, quotes and odd spacing stay; places and others' words are emptied."""
    text = (
        "id;author_id;text;retweeted_id;quoted_id;quoted_text;lat\r\n"
        f'7;5;"a ""b"";\r\nc";;;;1.5\r\n'
        f"{GONE};5;x;;;;\r\n"
        f"8;{AUTHOR};x;;;;\r\n"
        f"9;5;x;{GONE};;;\r\n"
        "\r\n"
        f'10;5; "x;;{GONE};"their;words";1.5\n'
        f'{BARE};5;"x";;;;"2.5"'
    )
    left = (
        "id;author_id;text;retweeted_id;quoted_id;quoted_text;lat\r\n"
        f'7;5;"a ""b"";\r\nc";;;;1.5\r\n'
        "\r\n"
        f'10;5; "x;;{GONE};;1.5\n'
        f'{BARE};5;"x";;;;'
    )
    assert cleaned("b.csv", text).decode() == left


def test_a_table_that_went_through_a_spreadsheet_is_refused(write: Write, flag: Flag) -> None:
    """With file, line and what happened to it; also where only the tweets that rows repeat were rounded."""
    root = write({"a.csv": b"id,text\n7,x\n1.23457E+18,x\n"})
    with pytest.raises(PlanError, match=r"a\.csv, line 3 has '1.23457E\+18' where its tweet ID is to be: a spread"):
        cf.plan(root, flag("deleted", [GONE]))
    root = write({"a.csv": b"id,text,retweeted_id\n7,x,\n8,x,1.2121615120434463e+18\n"})
    with pytest.raises(PlanError, match=r"a\.csv, line 3: '1.2121615120434463e\+18' in column 'retweeted_id'"):
        cf.plan(root, flag("deleted", [GONE]))


def test_raw_files_beside_parquet_are_cleaned_and_others_are_not_taken_for_tweets(write: Write, flag: Flag) -> None:
    """One dataset of all kinds: tweets of a flagged author in JSON are known where Parquet repeats them."""
    root = write(
        {
            "a.parquet": pa.table({"id": [1, 2], "retweeted_id": [None, OTHER]}),
            "b.jsonl": f'{{"id":{OTHER},"text":"x","author_id":"{AUTHOR}"}}\n'.encode(),
            "c.csv": b"name,score\nsomebody,7\n",
            "d.json": b'{"id": 5, "name": "settings"}',
        }
    )
    results = (flag("suspended", [AUTHOR], "users"),)
    with pytest.raises(PlanError, match=r"a\.parquet: users were flagged, and no column of author IDs was found"):
        cf.plan(root, *results)
    (root / "a.parquet").unlink()
    root = write({"a.parquet": pa.table({"id": [1, 2], "author_id": [3, 4], "retweeted_id": [None, OTHER]})})
    made = cf.plan(root, *results)
    assert [(file.path, file.decision, file.rows, file.rows_dropped) for file in made.files] == [
        ("a.parquet", "rewrite", 2, 1),
        ("b.jsonl", "rewrite", 1, 1),
        ("c.csv", "copy", None, 0),
        ("d.json", "copy", None, 0),
    ]
    report = cf.clean(made, root.with_name("clean"))
    assert (report.rows_in, report.rows_dropped, report.files_other) == (3, 2, 2)
    assert cf.verify(report.destination, *results, source=root).verified
    assert [record.raw for record in Manifest.read(manifest_path(report.destination)).files] == [
        None,
        "json lines",
        None,
        None,
    ]
    assert cf.plan(root, *results, others="leave").left == ("c.csv", "d.json")


def test_bytes_that_are_no_text_and_halves_of_letters_stay(cleaned: Callable[..., bytes]) -> None:
    """Latin-1, and escapes of half an emoji, as tools cut texts off: they are in the way of nothing."""
    table = f"id,author_id,text,caf\xe9\n7,5,caf\xe9,{GONE}\n{GONE},5,caf\xe9,\n".encode("latin-1")
    assert cleaned("a.csv", table).count(b"\n") == 2


def test_halves_of_letters_stay(cleaned: Callable[..., bytes]) -> None:
    """In keys, in texts, and in texts that hold other tweets."""
    kept = f'{{"id":7,"text":"\\ud83d {GONE}","raw":"{{\\"a\\ud83d\\": {GONE}","\\ud83d":{GONE}}}\n'
    assert cleaned("a.jsonl", kept) == kept.encode()


def test_lists_of_ids_lose_tweets_whose_authors_others_tell(write: Write, flag: Flag) -> None:
    """A file with nothing but IDs needs no authors: a row of Parquet says whose tweet one of them is."""
    table = pa.table({"id": [OTHER, 2], "author_id": [AUTHOR, 3]})
    root = write({"a.parquet": table, "ids.csv": f"id\n{OTHER}\n2\n".encode()})
    results = flag("suspended", [AUTHOR], "users")
    report = cf.clean(cf.plan(root, results), root.with_name("clean"))
    assert (report.destination / "ids.csv").read_bytes() == b"id\n2\n"
    assert cf.verify(report.destination, results, source=root).verified


@pytest.mark.parametrize("depth", [200, 300, 980, 5_000])
@pytest.mark.parametrize("opens", ["[", '{"quoted_status":', '{"id":9,"text":"","retweeted_status":'])
def test_what_is_nested_deeply_ends_nothing(write: Write, flag: Flag, depth: int, opens: str) -> None:
    """It is looked into as far as any tweet goes; a line that goes deeper cannot be read, and goes as told."""
    deep = f'{{"id":7,"text":"x","a":{opens * depth}{GONE}{("]" if opens == "[" else "}") * depth}}}\n'
    root, results = write({"a.jsonl": f'{{"id":5,"text":"x"}}\n{deep}'.encode()}), flag("deleted", [GONE])
    if depth > 200:
        with pytest.raises(PlanError, match=r"a\.jsonl, line 2 is nested too deeply"):
            cf.plan(root, results)
    report = cf.clean(cf.plan(root, results, bad_lines="drop"), root.with_name("clean"))
    assert report.rows_kept == (2 if depth == 200 else 1)
    assert cf.verify(report.destination, results, source=root).verified


def test_a_single_file_can_be_a_dataset(write: Write, flag: Flag) -> None:
    """As one of Parquet can."""
    root = write({"a.jsonl": f'{{"id":{GONE},"text":"x"}}\n'.encode(), "b.jsonl": b""})
    report = cf.clean(cf.plan(root / "a.jsonl", flag("deleted", [GONE])), root.with_name("clean"))
    assert [path.name for path in report.destination.iterdir()] == ["a.jsonl"]
    assert cf.verify(report.destination, flag("deleted", [GONE]), source=root / "a.jsonl").verified


def test_damage_and_changes_are_told(write: Write, flag: Flag) -> None:
    """A file that is cut off, and one that was written after the plan."""
    packed = gzip.compress(f'{{"id":{GONE},"text":"x"}}\n'.encode())
    root = write({"a.jsonl.gz": packed[:-9]})
    with pytest.raises(RawFileError, match=r"a\.jsonl\.gz: its gzip data"):
        cf.plan(root, flag("deleted", [GONE]))
    root = write({"a.jsonl.gz": packed})
    made = cf.plan(root, flag("deleted", [GONE]))
    (root / "a.jsonl.gz").write_bytes(packed + packed)
    with pytest.raises(StaleDatasetError, match=r"a\.jsonl\.gz was changed since the plan was made"):
        cf.clean(made, root.with_name("clean"))


def test_processes_clean_raw_files_as_threads_do(write: Write, flag: Flag) -> None:
    """A plan travels with what was told of the keys; the second run finds what the first has done."""
    content = f'{{"no":{GONE},"where":"x","text":"y"}}\n{{"no":{BARE},"where":"x","text":"y"}}\n'.encode()
    root = write({f"{name}.jsonl": content for name in "ab"})
    results = (flag("deleted", [GONE]), flag("scrub_geo", [BARE]))
    made = cf.plan(root, *results, columns=cf.Columns(id="no", geo=["where"]))
    with ProcessPoolExecutor(1) as executor:
        report = cf.clean(made, root.with_name("clean"), executor=executor)
    assert cf.clean(made, root.with_name("clean")).rows_dropped == report.rows_dropped == 2
    assert (report.destination / "b.jsonl").read_bytes() == f'{{"no":{BARE},"where":null,"text":"y"}}\n'.encode()
    assert cf.verify(report.destination, *results, source=root).verified


IDS = st.sampled_from([GONE, BARE, 7, 8, 9, OTHER])
AUTHORS = st.sampled_from([AUTHOR, 5, 6])
EMBEDDED = st.fixed_dictionaries(
    {"id": IDS, "text": st.text(max_size=3), "author_id": AUTHORS},
    optional={"place": st.sampled_from([None, {}, {"id": "p"}])},
)
TWEETS = st.fixed_dictionaries(
    {
        "id": st.one_of(IDS, IDS.map(str)),
        "text": st.text(max_size=4),
        "author_id": st.one_of(AUTHORS, AUTHORS.map(str)),
    },
    optional={
        "geo": st.sampled_from([None, {}, {"place_id": "p"}, [1, 2]]),
        "quoted_status": st.one_of(st.none(), EMBEDDED),
        "retweeted_status": st.one_of(st.none(), EMBEDDED),
        "referenced_tweets": st.lists(
            st.fixed_dictionaries({"type": st.sampled_from(["retweeted", "quoted", "replied_to"]), "id": IDS.map(str)}),
            max_size=2,
        ),
        "in_reply_to_status_id": IDS,
        "entities": st.just({"user_mentions": [{"id": AUTHOR, "screen_name": "x"}]}),
    },
)
SPELLED: list[Callable[[Any], str]] = [
    json.dumps,
    lambda value: json.dumps(value, ensure_ascii=False, separators=(" ,", " : ")),
    lambda value: json.dumps(value).replace("12", "\\u00312") if '"12' in json.dumps(value) else json.dumps(value),
]


def reference(tweet: dict[str, Any]) -> dict[str, Any] | None:
    """What a loop that knows these few keys leaves of a tweet."""

    def gone(each: dict[str, Any]) -> bool:
        return int(each["id"]) == GONE or int(each["author_id"]) == AUTHOR

    original, quoted = tweet.get("retweeted_status"), tweet.get("quoted_status")
    repeats = any(
        each["type"] == "retweeted" and int(each["id"]) == GONE for each in tweet.get("referenced_tweets", ())
    )
    if gone(tweet) or repeats or (original and gone(original)):
        return None
    left = dict(tweet)
    if int(tweet["id"]) == BARE and tweet.get("geo"):
        left["geo"] = None
    for key, other in (("quoted_status", quoted), ("retweeted_status", original)):
        if other and gone(other):
            left[key] = None
        elif other and int(other["id"]) == BARE and other.get("place"):
            left[key] = {**other, "place": None}
    return left


ERASURES = Erasures(np.array([GONE]), np.array([BARE]), np.array([AUTHOR]))


@given(
    st.lists(st.tuples(TWEETS, st.sampled_from(range(2)), st.sampled_from(["\n", "\r\n", " \n\n"])), max_size=8),
    st.booleans(),
    st.sampled_from(["lines", "list"]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_left_of_json_is_what_a_loop_leaves(
    tmp_path: Path, records: list[tuple[dict[str, Any], int, str]], marked: bool, layout: str
) -> None:
    """Generated tweets, spelled and laid out in several ways: values agree, and lines without a change are the same."""
    path = tmp_path / "a.jsonl"
    spelled = [SPELLED[how](tweet) for tweet, how, _ in records]
    body = (
        "".join(text + end for text, (_, _, end) in zip(spelled, records, strict=True))
        if layout == "lines"
        else f"[{' ,'.join(spelled)}]"
    )
    path.write_bytes(b"\xef\xbb\xbf" * marked + body.encode())
    form = RawForm("json lines" if layout == "lines" else "json")
    reading = Pass(path, form, Columns("id"), ERASURES)
    sink = io.BytesIO()
    writer = Writer(sink)
    for unit, text in reading.pieces():
        writer.put(unit, text)
    expected = [left for tweet, _, _ in records if (left := reference(tweet)) is not None]
    written = sink.getvalue().decode("utf-8-sig")
    lines = [line for line in written.split("\n") if line.strip()]
    found = json.loads(written) if layout == "list" else [json.loads(line) for line in lines]
    assert found == expected
    assert (reading.counts.rows_in, reading.counts.rows_kept) == (len(records), len(expected))
    unchanged = [text for text, (tweet, _, _) in zip(spelled, records, strict=True) if reference(tweet) == tweet]
    assert all(text in written for text in unchanged)
    assert (written == body) == (unchanged == spelled)


FIELDS = st.text(alphabet='ab",;\n\r \t\u00fc', max_size=5).filter(lambda text: "\r" not in text.replace("\r\n", ""))


@given(
    st.lists(st.tuples(IDS, AUTHORS, FIELDS, st.sampled_from(["", str(GONE), "7"]), FIELDS, FIELDS), max_size=8),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_left_of_tables_is_what_a_loop_leaves(
    tmp_path: Path, rows: list[tuple[Any, ...]], delimiter: str, end: str, quoting: Any
) -> None:
    """The same for CSV, read back by the standard library."""
    path = tmp_path / "a.csv"
    names = ["id", "author_id", "text", "quoted_id", "quoted_text", "geo"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting)
        writer.writerows([names, *rows])
    columns = Columns("id", "author_id", geo=("geo",), embedded=("quoted_text",))
    reading = Pass(path, RawForm("csv", delimiter), columns, ERASURES)
    sink = io.BytesIO()
    out = Writer(sink)
    for unit, text in reading.pieces():
        out.put(unit, text)
    found = list(csv.reader(io.StringIO(sink.getvalue().decode(), newline=""), delimiter=delimiter))

    def expected() -> Iterator[list[str]]:
        for id, author, text, quoted, words, geo in rows:
            if id != GONE and author != AUTHOR:
                left = "" if quoted == str(GONE) else words
                yield [str(id), str(author), text, quoted, left, "" if id == BARE else geo]

    assert found == [names, *expected()]
    assert reading.counts.rows_dropped == len(rows) - len(found) + 1


PAGES = st.fixed_dictionaries(
    {"data": st.lists(TWEETS, max_size=3)},
    optional={
        "includes": st.fixed_dictionaries(
            {},
            optional={
                "tweets": st.lists(EMBEDDED, max_size=2),
                "users": st.lists(
                    st.fixed_dictionaries({"id": AUTHORS.map(str), "username": st.just("u")}), max_size=2
                ),
                "places": st.just([{"id": "p"}]),
            },
        ),
        "meta": st.just({"newest_id": str(GONE)}),
    },
)
LINES = st.one_of(TWEETS, PAGES, TWEETS.map(lambda tweet: {"data": tweet}), st.lists(TWEETS, max_size=2))


@given(st.lists(LINES, min_size=1, max_size=6), st.sampled_from(["lines", "list"]))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_cleaned_is_never_refused(
    tmp_path_factory: pytest.TempPathFactory, flag: Flag, values: list[Any], layout: str
) -> None:
    """Tweets, wrapped ones, pages and lists of them: what the cleaning leaves, the proof takes."""
    root = tmp_path_factory.mktemp("any") / "raw"
    root.mkdir()
    values = [{"id": 1, "text": "", "author_id": 2}, *values]
    flat = [each for value in values for each in (value if isinstance(value, list) else [value])]
    text = json.dumps(flat, indent=1) if layout == "list" else "".join(json.dumps(value) + "\n" for value in values)
    (root / "a.json").write_text(text)
    results = (flag("deleted", [GONE]), flag("scrub_geo", [BARE]), flag("suspended", [AUTHOR], "users"))
    report = cf.clean(cf.plan(root, *results), root.with_name("clean"))
    assert cf.verify(report.destination, *results, source=root).rows == report.rows_kept


def test_what_goes_is_counted_by_kind(write: Write, flag: Flag) -> None:
    """Why records go, and what is taken out of others, in lines, pages and tables; the manifest says the same."""
    quote, own = {"id": GONE, "text": "x"}, {"text": "x", "author_id": 5}
    page = {
        "data": [{"id": 20, **own}, {"id": GONE, **own}],
        "includes": {"tweets": [quote], "users": [{"id": AUTHOR, "username": "u"}]},
    }
    lines = [
        {"id": GONE, **own},
        {"id": 11, "text": "x", "author_id": AUTHOR},
        {"id": 12, **own, "retweeted_id": GONE},
        {"id": 13, **own, "retweeted_status": quote},
        {"id": 14, **own, "quoted_status": quote, "tweet": quote},
        {"id": 15, **own, "quoted_status": {"id": BARE, "text": "x", "place": "y"}},
        {"id": 16, **own, "in_reply_to_user": {"id": AUTHOR, "username": "u"}},
        page,
    ]
    table = "id,author_id,text,retweeted_id,quoted_id,quoted_text,quoted_place\n"
    table += f"{GONE},5,x,,,,\n31,{AUTHOR},x,,,,\n32,5,x,{GONE},,,\n33,5,x,,{GONE},x,y\n34,5,x,,{BARE},x,y\n"
    content = "".join(json.dumps(line) + "\n" for line in lines)
    root = write({"a.jsonl": content.encode(), "b.csv": table.encode()})
    results = (flag("deleted", [GONE]), flag("suspended", [AUTHOR], "users"), flag("scrub_geo", [BARE]))
    plan = cf.plan(root, *results)
    told = [{name: count for name, count in vars(file.kinds).items() if count} for file in plan.files]
    dropped = {"dropped_by_author": 1, "dropped_own": 2, "dropped_retweets": 2}
    cells = {"quotes_nulled": 1, "accounts_nulled": 2, "embedded_nulled": 2, "embedded_places_nulled": 1}
    assert told[0] == dropped | cells
    assert told[1] == {
        **{"dropped_by_author": 1, "dropped_own": 1, "dropped_retweets": 1},
        **{"quotes_nulled": 1, "embedded_places_nulled": 2},
    }
    for file in plan.files:
        counts = vars(file.kinds)
        assert sum(count for name, count in counts.items() if name.startswith("dropped")) == file.rows_dropped
        assert sum(count for name, count in counts.items() if name.endswith("nulled")) == file.cells_nulled
    report = cf.clean(plan, root.with_name("clean"))
    assert report.kinds == vars(plan.kinds)
    assert [record.kinds for record in Manifest.read(manifest_path(report.destination)).files] == [
        vars(file.kinds) for file in plan.files
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_of_what_nobody_asked_about_and_goes_nothing_else_is_counted(tmp_path: Path, name: str) -> None:
    """A record that goes unasked loses no place and no quote besides."""
    if name.endswith("csv"):
        columns = Columns("id", None, geo=("lat",), embedded=("quoted_text",))
        content, form = f"id,lat,quoted_id,quoted_text\n{BARE},1.5,{GONE},x\n", RawForm("csv", ",")
    else:
        columns, form = Columns("id"), RawForm("json lines")
        content = f'{{"id":{BARE},"text":"","geo":{{"x":1}},"quoted_status":{{"id":{GONE},"text":""}}}}\n'
    (tmp_path / name).write_text(content)
    erasures = Erasures(
        drop_tweets=np.array([GONE]), scrub_tweets=np.array([BARE]), asked_tweets=np.array([7]), unchecked="drop"
    )
    reading = Pass(tmp_path / name, form, columns, erasures)
    assert [text for unit, text in reading.pieces() if str(BARE) in unit.text] == [None]
    counts = reading.counts
    assert (counts.rows_in, counts.rows_dropped, counts.rows_unchecked) == (1, 1, 1)
    assert (counts.rows_scrubbed, counts.cells_nulled, counts.kinds.dropped_unchecked) == (0, 0, 1)


def test_a_told_place_that_no_raw_file_has_is_refused(write: Write, flag: Flag) -> None:
    """A typo would keep the places; a key that few records have is none, nor one that Parquet files lack."""
    told = {"id": str(BARE), "text": "x", "h\u00f6me": {"cell": "u33d"}}
    content = "".join(
        json.dumps(each) + "\n" for each in [{"id": str(OTHER + at), "text": "x"} for at in range(500)] + [told]
    )
    root = write({"a.jsonl.gz": gzip.compress(content.encode())})
    with pytest.raises(PlanError, match=r"no file has the column 'höme\.cel' \(told by geo\)"):
        cf.plan(root, flag("scrub_geo", [BARE]), geo=["höme.cel"])
    assert cf.plan(root, flag("scrub_geo", [BARE]), geo=["höme.cell"]).rows_scrubbed == 1
    pq.write_table(pa.table({"id": [OTHER]}), root / "b.parquet")
    (root / "c.csv").write_text(f"id,text,spot\n{OTHER + 1},x,Rome\n")
    assert cf.plan(root, flag("scrub_geo", [BARE]), geo=["höme", "spot"]).rows_scrubbed == 1
    with pytest.raises(PlanError, match="no file has the column 'spots'"):
        cf.plan(root, flag("scrub_geo", [BARE]), geo=["spots"])
