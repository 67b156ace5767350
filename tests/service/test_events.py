"""Recorded compliance streams: what holds after all events, in whatever order and spelling they lie in files."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance_frames.errors import ResultsError
from compliance_frames.schemas import BOUNDED
from compliance_frames.service.events import read_events
from compliance_frames.service.given import read_results

BEGIN = datetime(2024, 5, 1, tzinfo=UTC)

#: Each event's name in v2 and in v1.1, what it is about, the reason it gives or takes back.
EVENTS: dict[str, tuple[str, str, str, bool]] = {
    "delete": ("delete", "tweets", "deleted", True),
    "drop": ("drop", "tweets", "dropped", True),
    "undrop": ("undrop", "tweets", "dropped", False),
    "withheld": ("status_withheld", "tweets", "withheld", True),
    "user_delete": ("user_delete", "users", "deactivated", True),
    "user_undelete": ("user_undelete", "users", "deactivated", False),
    "user_protect": ("user_protect", "users", "protected", True),
    "user_unprotect": ("user_unprotect", "users", "protected", False),
    "user_suspend": ("user_suspend", "users", "suspended", True),
    "user_unsuspend": ("user_unsuspend", "users", "suspended", False),
    "user_withheld": ("user_withheld", "users", "withheld", True),
    "scrub_geo": ("scrub_geo", "users", "scrub_geo", True),
}


class Happened(NamedTuple):
    """An event, before it is spelt."""

    name: str
    id: int
    minute: int
    up_to: int = 0
    country: str = "DE"

    @property
    def at(self) -> datetime:
        return BEGIN + timedelta(minutes=self.minute)


def as_v2(event: Happened) -> dict[str, Any]:
    """As the streams of API v2 write it."""
    _, type, reason, _ = EVENTS[event.name]
    said: dict[str, Any] = {"event_at": f"{event.at:%Y-%m-%dT%H:%M:%S.000Z}"}
    said |= {"tweet": {"id": str(event.id), "author_id": "5"}} if type == "tweets" else {"user": {"id": str(event.id)}}
    said |= {"withheld_in_countries": [event.country]} if reason == "withheld" else {}
    said |= {"up_to_tweet_id": str(event.up_to)} if reason == "scrub_geo" else {}
    return {"data": {event.name: said}}


def as_v1(event: Happened) -> dict[str, Any]:
    """As the firehose of v1.1 writes it: numbers rounded, the texts beside them whole."""
    name, type, reason, _ = EVENTS[event.name]
    said: dict[str, Any] = {"timestamp_ms": str(int(event.at.timestamp() * 1000))}
    if type == "tweets":
        said["status"] = {"id": event.id // 100 * 100, "id_str": str(event.id), "user_id": 5, "user_id_str": "5"}
    elif reason == "scrub_geo":
        said |= {"user_id": event.id, "user_id_str": str(event.id), "up_to_status_id_str": str(event.up_to)}
        said["up_to_status_id"] = event.up_to // 100 * 100
    elif reason == "withheld":
        said["user"] = {"id": event.id, "id_str": str(event.id)}
    else:
        said["id"] = event.id
    return {name: {**said, **({"withheld_in_countries": [event.country]} if reason == "withheld" else {})}}


def write(path: Path, events: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(event)}\r\n" for event in events))
    return path


def said(table: pa.Table) -> set[tuple[Any, ...]]:
    rows = table.to_pylist()
    assert table.schema.equals(BOUNDED)
    keys = [(row["type"], row["id"], row["reason"]) for row in rows]
    assert keys == sorted(set(keys))
    return {
        (*key, row["redacted_at"], row["up_to"], tuple(row["withheld_in_countries"] or ()))
        for key, row in zip(keys, rows, strict=True)
    }


def held(events: Iterable[Happened]) -> set[tuple[Any, ...]]:
    """What holds in the end, by the plainest means: of each ID and reason, go through what happened."""
    every = list(events)
    found = set()
    for type, id, reason in {(*EVENTS[e.name][1:2], e.id, EVENTS[e.name][2]) for e in every}:
        mine = [e for e in every if EVENTS[e.name][1:3] == (type, reason) and e.id == id]
        state, when = False, None
        for event in sorted(mine, key=lambda e: (e.minute, EVENTS[e.name][3])):
            state = EVENTS[event.name][3]
            when = event.at
        if state:
            up_to = max(e.up_to for e in mine) if reason == "scrub_geo" else None
            countries = tuple(sorted({e.country for e in mine})) if reason == "withheld" else ()
            found.add((type, id, reason, when, up_to, countries))
    return found


HAPPENED = st.builds(
    Happened,
    st.sampled_from(sorted(EVENTS)),
    st.integers(1, 3),
    st.integers(0, 4),
    st.integers(1, 2**63 - 1),
    st.sampled_from(["DE", "TR"]),
)


@given(st.lists(HAPPENED, max_size=15), st.randoms(use_true_random=False))
def test_what_holds_is_what_a_plain_replay_finds(
    tmp_path_factory: pytest.TempPathFactory, events: list[Happened], shuffle: random.Random
) -> None:
    """Both spellings, two files, any order in them, some lines twice: what happened decides, not where it stands."""
    folder = tmp_path_factory.mktemp("events")
    lines = [as_v2(event) if shuffle.random() < 0.5 else as_v1(event) for event in (*events, *events[:3])]
    shuffle.shuffle(lines)
    write(folder / "a.jsonl", lines[::2])
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(write(folder / ".b", lines[1::2]).read_bytes()))
    table = read_events(folder)
    assert said(table) == held(events)
    if events and table.num_rows:
        assert set(table.column("checked_at").to_pylist()) == {max(event.at for event in events)}


def test_the_one_that_erases_wins_its_moment(tmp_path: Path) -> None:
    """Protected and open again within one millisecond: nobody can tell, and what is private stays so."""
    for events in (["user_protect", "user_unprotect"], ["user_unprotect", "user_protect"]):
        path = write(tmp_path / "a.jsonl", [as_v2(Happened(name, 7, 0)) for name in events])
        assert read_events(path).column("reason").to_pylist() == ["protected"]


def test_reversals_take_back_their_own_and_nothing_else(tmp_path: Path) -> None:
    """An account that is open again may be suspended still."""
    happened = [
        Happened("user_protect", 7, 0),
        Happened("user_suspend", 7, 1),
        Happened("user_unprotect", 7, 2),
        Happened("delete", 7, 0),
        Happened("undrop", 7, 5),
    ]
    table = read_events(write(tmp_path / "a.jsonl", map(as_v2, happened)))
    assert table.select(["type", "reason", "action"]).to_pylist() == [
        {"type": "tweets", "reason": "deleted", "action": "delete"},
        {"type": "users", "reason": "suspended", "action": "user_suspend"},
    ]


def test_places_go_as_far_as_any_event_says(tmp_path: Path) -> None:
    """A later event that reaches less far gives no place back."""
    happened = [Happened("scrub_geo", 7, minute, up_to=last) for minute, last in ((0, 10), (1, 30), (2, 20))]
    table = read_events(write(tmp_path / "a.jsonl", map(as_v2, happened)))
    assert table.select(["up_to", "redacted_at"]).to_pylist() == [{"up_to": 30, "redacted_at": happened[2].at}]


def test_older_versions_of_a_tweet_are_edited(tmp_path: Path) -> None:
    """Of a tweet that was edited, every version but the last is no longer what somebody says."""
    versions = ["1557433858676740098", "1557445923210514432"]
    v2 = {"tweet": {"id": versions[1]}, "initial_tweet_id": versions[0], "edit_tweet_ids": versions}
    v1 = {
        "id": versions[1],
        "initial_tweet_id": versions[0],
        "edit_tweet_ids": versions,
        "timestamp_ms": "1660155761384",
    }
    for event in ({"data": {"tweet_edit": {**v2, "event_at": "2022-09-06T19:31:16.801Z"}}}, {"tweet_edit": v1}):
        table = read_events(write(tmp_path / "a.jsonl", [event]))
        assert table.select(["id", "reason"]).to_pylist() == [{"id": int(versions[0]), "reason": "edited"}]


def test_a_quoted_tweet_that_went_does_not_take_the_quote_along(tmp_path: Path) -> None:
    """A deletion is told again for each quote of it: it is the quoted tweet that is deleted."""
    event = as_v2(Happened("delete", 7, 0))
    event["data"]["delete"]["quote_tweet_id"] = "8"
    assert read_events(write(tmp_path / "a.jsonl", [event])).column("id").to_pylist() == [7]


def test_what_no_result_can_express_is_counted_and_refused_until_told(tmp_path: Path) -> None:
    """Nothing is passed over in silence: each name, how often, and where first; then by name."""
    profile = {"data": {"user_profile_modification": {"user": {"id": "7"}, "event_at": "2024-05-01T00:00:00Z"}}}
    likes = {"delete": {"favorite": {"tweet_id": 1, "user_id": 2}, "timestamp_ms": "1"}}
    tweet = {"id_str": "9", "text": "hello", "user": {"id_str": "7"}}
    new = {"data": {"user_shadow": {"user": {"id": "7"}}}}
    lines = [as_v1(Happened("delete", 7, 0)), profile, likes, {"limit": {"track": 3}}, tweet, {"data": tweet}, new]
    path = write(tmp_path / "a.jsonl", lines)
    with pytest.raises(ResultsError) as caught:
        read_events(path)
    for words in (
        "1 'user_profile_modification'",
        "2 'tweet' (first in",
        "line 5",
        "'user_shadow'",
        "'favorite_delete'",
    ):
        assert words in str(caught.value)
    assert "hello" not in str(caught.value)
    names = ["user_profile_modification", "favorite_delete", "limit", "tweet", "user_shadow"]
    assert read_events(path, ignore=names).column("id").to_pylist() == [7]
    with pytest.raises(ResultsError, match="user_shadow"):
        read_events(path, ignore=names[:-1])


def test_what_people_chose_cannot_be_ignored(tmp_path: Path) -> None:
    """What becomes of it is the policy's word, which a manifest keeps; what policies do not know can be."""
    path = write(tmp_path / "a.jsonl", [as_v2(Happened("withheld", 7, 0))])
    for name in ("delete", "user_unprotect", "scrub_geo"):
        with pytest.raises(ResultsError, match=r"for the policy: Policy\.default\(\)\.treat"):
            read_events(path, ignore=[name])
    assert read_events(path, ignore=["withheld"]).num_rows == 0
    with pytest.raises(ResultsError, match="one name"):
        read_events(path, ignore="withheld")


MOMENT = '"event_at":"2024-05-01T00:00:00Z"'
BAD: dict[str, tuple[str, str]] = {
    "cut off": ('{"data":{"delete":{"tweet":{"id":"7"', "cut off"),
    "repeated": ('{"delete":{"status":{"id":7,"id":8}}}', "repeats the key 'id'"),
    "two events": ('{"delete":{"status":{"id":7}},"drop":{"status":{"id":7}}}', "is no event"),
    "no event": ('{"data":[]}', "data"),
    "no content": ('{"user_protect":7}', "without content"),
    "no ID": (f'{{"user_protect":{{{MOMENT}}}}}', "has no id"),
    "float ID": (f'{{"user_protect":{{"id":7.0,{MOMENT}}}}}', "no ID of"),
    "boolean ID": (f'{{"user_protect":{{"id":true,{MOMENT}}}}}', "no ID of"),
    "large ID": (f'{{"user_protect":{{"id":"9999999999999999999",{MOMENT}}}}}', "no ID of"),
    "no time": ('{"user_protect":{"id":7}}', "without a time"),
    "no such day": ('{"user_protect":{"id":7,"event_at":"2024-02-30T00:00:00Z"}}', "time that is none"),
    "no zone": ('{"user_protect":{"id":7,"event_at":"2024-02-03T00:00:00"}}', "time that is none"),
    "float time": ('{"user_protect":{"id":7,"timestamp_ms":1.5}}', "time that is none"),
    "far time": ('{"user_protect":{"id":7,"timestamp_ms":"999999999999999"}}', "time that is none"),
    "after the last year": (
        '{"user_protect":{"id":7,"event_at":"9999-12-31T23:59:59.999-12:00"}}',
        r"time that is none, or no year from 1 to 9999: '9999-12-31T23:59:59.999-12:00'",
    ),
    "before the first year": ('{"user_protect":{"id":7,"event_at":"0001-01-01T00:00:00+12:00"}}', "no year from 1 to"),
    "year 0": ('{"user_protect":{"id":7,"event_at":"0000-01-01T00:00:00Z"}}', "no year from 1 to"),
    "ID 0": (f'{{"user_protect":{{"id":0,{MOMENT}}}}}', "no ID of 1 to 19 digits above 0"),
    "ID 0 as text": (f'{{"data":{{"delete":{{"tweet":{{"id":"000"}},{MOMENT}}}}}}}', "no ID of 1 to 19 digits above 0"),
    "bound 0": (f'{{"scrub_geo":{{"user_id":7,"up_to_status_id":0,{MOMENT}}}}}', "no ID of 1 to 19 digits above 0"),
    "no bound": (f'{{"data":{{"scrub_geo":{{"user":{{"id":"7"}},{MOMENT}}}}}}}', "has no up_to_tweet_id"),
    "no countries": ('{"user_withheld":{"id":7}}', "in which countries"),
    "odd country": ('{"user_withheld":{"id":7,"withheld_in_countries":["Germany"]}}', "two letters"),
    "no versions": ('{"tweet_edit":{"id":7,"initial_tweet_id":6}}', "without the versions"),
    "both": (f'{{"data":{{"delete":{{"tweet":{{"id":"1"}},"user":{{"id":"2"}},{MOMENT}}}}}}}', "several things"),
    "list": ("[]", "not a JSON object"),
    "deep": ('{"a":' * 9000, "cut off"),
    "long": ('{"text":"' + "x" * (1 << 20), "longer than any event"),
    "odd name": ('{"a b":{}}', "not a plain word"),
}


@pytest.mark.parametrize(("line", "words"), BAD.values(), ids=BAD)
def test_a_line_that_is_no_event_refuses_all(line: str, words: str, tmp_path: Path) -> None:
    """File and line are named, and nothing is used."""
    path = tmp_path / "a.jsonl"
    path.write_text(f"{json.dumps(as_v1(Happened('delete', 7, 0)))}\n\n{line}\n")
    with pytest.raises(ResultsError, match=words) as caught:
        read_events(path)
    if words != "data":
        assert caught.value.line == 3
        assert str(caught.value).startswith(f"{path}: line 3 ")
    assert len(str(caught.value)) < 400


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_arbitrary_bytes_are_events_or_an_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Nothing but a clear error comes of a file that is something else."""
    path = tmp_path_factory.mktemp("bytes") / "a"
    path.write_bytes(data)
    try:
        assert read_events(path).num_rows == 0
    except ResultsError as error:
        assert str(path) in str(error)  # noqa: PT017


def test_a_state_that_was_kept_is_read_again(tmp_path: Path) -> None:
    """What ``read_events`` gave, written to Parquet, comes back by ``read_results`` with its bounds and countries."""
    happened = [Happened("scrub_geo", 7, 0, up_to=100), Happened("user_withheld", 7, 1), Happened("delete", 9, 2)]
    table = read_events(write(tmp_path / "a.jsonl", map(as_v2, happened)))
    pq.write_table(table, tmp_path / "state.parquet")
    assert read_results(tmp_path / "state.parquet").to_pylist() == table.to_pylist()
    whole = table.filter(pa.compute.equal(table["reason"], "scrub_geo")).drop_columns("up_to")
    pq.write_table(whole, tmp_path / "whole.parquet")
    both = read_results(tmp_path / "state.parquet", tmp_path / "whole.parquet")
    assert [row.get("up_to") for row in both.to_pylist() if row["reason"] == "scrub_geo"] == [None]


def test_nothing_happened(tmp_path: Path) -> None:
    """An empty recording is an empty state."""
    (tmp_path / "a.jsonl").touch()
    assert read_events(tmp_path / "a.jsonl").equals(BOUNDED.empty_table())
    assert read_events(tmp_path / "a.jsonl", checked_at=BEGIN).num_rows == 0
