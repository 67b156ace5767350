"""A made corpus, so that everything can be tried, tested and measured without touching anyone's tweets.

The shape is that of X's API v2; the IDs are true Snowflakes; the words are nobody's. The same seed gives the same
corpus.
"""

from __future__ import annotations

import os
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from compliance_frames.errors import DestinationError
from compliance_frames.ids.sets import unique
from compliance_frames.ids.snowflake import EPOCH_MS, times

_START = date(2023, 3, 1)
_DAYS = 30
_DAY_MS = 86_400_000
_ROW_GROUP = 50_000

#: For each language: how a tweet begins, goes on, and ends.
_PHRASES: dict[str, tuple[list[str], list[str], list[str]]] = {
    "en": (
        ["Today I saw", "Nobody told me about", "I keep thinking of", "Thread on", 'They said "no" to', "Found again:"],
        ["a very small lighthouse", "the last tram home", "three umbrellas", "an honest map", "someone's garden"],
        ["and it was fine.", "\nand then it rained", "— more tomorrow", "(do not ask)", "😀", "at last!"],
    ),
    "de": (
        ["Heute früh:", "Schon wieder", "Niemand fragt nach", "Über"],
        ["die grüne Brücke", "ein halbes Fahrrad", "der übliche Nebel", "zwei Möwen"],
        ["und das genügt.", "\nso ist es eben", "… später mehr", "🚲"],
    ),
    "ja": (["今日は", "また", "昨日の"], ["小さな灯台を", "青い傘を", "古い地図を"], ["見た。", "忘れた", "描いた🌊"]),
    "ar": (
        ["اليوم رأيت", "مرة أخرى", "لا أحد يسأل عن"],
        ["منارة صغيرة", "حديقة هادئة", "خريطة قديمة"],
        ["وهذا يكفي", "🌙"],
    ),
    "hi": (["आज मैंने", "फिर से", "कल की"], ["एक छोटा पुल", "नीली छतरी", "पुरानी घड़ी"], ["देखी।", "याद आई", "🪔"]),
}
_SHARES = {"en": 0.55, "de": 0.12, "ja": 0.15, "ar": 0.1, "hi": 0.08}
_SOURCES = ["Web App", "for iPhone", "for Android", "a small script"]
_KINDS = {"": 0.5, "retweeted": 0.22, "replied_to": 0.2, "quoted": 0.08}
_WITH_GEO, _WITH_POINT = 0.03, 0.4


def tweets(rows: int, *, seed: int = 0, start: date = _START, days: int = _DAYS) -> pa.Table:
    """Make tweets as API v2 delivers them.

    Args:
        rows: how many.
        seed: another seed, other tweets.
        start: the first day (UTC).
        days: over how many days they spread.

    Returns:
        A table sorted by ID: ``id, author_id, created_at, text, lang, conversation_id, in_reply_to_user_id,
        referenced_tweets, geo, public_metrics, possibly_sensitive, source, entities``. Half of the tweets are
        original; the others retweet, answer or quote earlier ones of the table. About 3 % have a place.

    >>> table = tweets(1000)
    >>> table.num_rows, table.column("id").combine_chunks().type
    (1000, DataType(string))
    >>> table.equals(tweets(1000)), table.equals(tweets(1000, seed=1))
    (True, False)
    """
    if rows < 1 or days < 1:
        raise ValueError(f"a corpus has at least 1 row on at least 1 day; got rows={rows}, days={days}")
    rng = np.random.default_rng(seed)
    ids = _snowflakes(rng, rows, datetime(start.year, start.month, start.day, tzinfo=UTC), days)
    author, author_ids = _authors(rng, rows)
    kind, target = _references(rng, rows)
    text, lang = _texts(rng, rows, author, kind, target)
    own = pa.array(ids).cast(pa.string())
    referred = own.take(pa.array(target))
    is_reply = pa.array(kind == 2)
    columns: dict[str, Any] = {
        "id": own,
        "author_id": author_ids,
        "created_at": times(ids),
        "text": text,
        "lang": lang,
        "conversation_id": pc.if_else(is_reply, referred, own),
        "in_reply_to_user_id": pc.if_else(is_reply, author_ids.take(pa.array(target)), pa.scalar(None, pa.string())),
        "referenced_tweets": _reference_lists(kind, referred),
        "geo": _places(rng, rows),
        "public_metrics": _metrics(rng, rows),
        "possibly_sensitive": pa.array(rng.random(rows) < 0.02),
        "source": pa.array(_SOURCES).take(pa.array(rng.integers(0, len(_SOURCES), rows))),
        "entities": _entities(rng, rows),
    }
    return pa.table(columns)


def corpus(path: str | os.PathLike[str], *, rows: int, seed: int = 0, start: date = _START, days: int = _DAYS) -> Path:
    """Write made tweets as a dataset partitioned by their UTC date.

    Args:
        path: a directory that is not there yet, or is empty.
        rows, seed, start, days: as for :func:`tweets`.

    Returns:
        The directory: ``date=YYYY-MM-DD/part-0.parquet``, compressed with zstd.

    Raises:
        DestinationError: the directory holds something, or cannot be made.

    >>> import tempfile
    >>> folder = corpus(Path(tempfile.mkdtemp()) / "corpus", rows=500, days=2)
    >>> sorted(str(file.relative_to(folder)) for file in folder.rglob("*.parquet"))
    ['date=2023-03-01/part-0.parquet', 'date=2023-03-02/part-0.parquet']
    """
    folder = Path(path)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DestinationError(f"{folder} is not empty. Name a new directory for the made corpus.")
    table = tweets(rows, seed=seed, start=start, days=days)
    staging = folder.with_name(f".{folder.name}.making")
    try:
        shutil.rmtree(staging, ignore_errors=True)
        _write_days(table, staging)
        staging.replace(folder)
    except OSError as error:
        raise DestinationError(f"The made corpus cannot be written to {folder}: {error.strerror}.") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def _write_days(table: pa.Table, folder: Path) -> None:
    """One file a day; the table is sorted by time, so that a day is a slice."""
    days = table.column("created_at").cast(pa.int64()).to_numpy() // _DAY_MS
    found, starts = np.unique(days, return_index=True)
    ends = [*starts[1:].tolist(), len(days)]
    for day, begin, end in zip(found.tolist(), starts.tolist(), ends, strict=True):
        part = folder / f"date={date(1970, 1, 1) + timedelta(days=day)}"
        part.mkdir(parents=True)
        with (part / "part-0.parquet").open("wb") as file:
            pq.write_table(table.slice(begin, end - begin), file, compression="zstd", row_group_size=_ROW_GROUP)


def _snowflakes(rng: np.random.Generator, rows: int, start: datetime, days: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Unique IDs, sorted, whose worker and sequence bits are spread as those of real ones are."""
    first = int(start.timestamp() * 1000) - EPOCH_MS
    ids = np.empty(0, np.int64)
    while len(ids) < rows:
        more = rows - len(ids)
        ms = first + rng.integers(0, days * _DAY_MS, more)
        worker = rng.integers(0, 1 << 10, more)
        sequence = np.minimum(rng.geometric(0.2, more) - 1, (1 << 12) - 1)
        ids = unique(ids, (ms << 22) | (worker << 12) | sequence)
    return ids


def _authors(rng: np.random.Generator, rows: int) -> tuple[np.ndarray[Any, Any], pa.StringArray]:
    """Who wrote each tweet: few write much, many write little; half of the accounts are older than Snowflakes."""
    count = max(rows // 8, 10)
    old = rng.choice(4_000_000_000, count // 2, replace=False) + 1000
    new = _snowflakes(rng, count - count // 2, datetime(2016, 3, 1, tzinfo=UTC), 6 * 365)
    accounts = rng.permutation(np.concatenate([old, new]))
    author = (count * rng.random(rows) ** 2.5).astype(np.int64)
    return author, pa.array(accounts[author]).cast(pa.string())


def _references(rng: np.random.Generator, rows: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """What kind each tweet is (its place in ``_KINDS``), and to which earlier one it refers; never to a retweet."""
    kind = rng.choice(len(_KINDS), rows, p=list(_KINDS.values()))
    kind[0] = 0
    at = np.arange(rows)
    earlier = np.maximum(at - 1 - rng.exponential(500, rows).astype(np.int64), 0)
    # The latest tweet up to there that is no retweet; the first one never is.
    return kind, np.maximum.accumulate(np.where(kind != 1, at, 0))[earlier]


def _texts(
    rng: np.random.Generator, rows: int, author: Any, kind: Any, target: Any
) -> tuple[pa.StringArray, pa.StringArray]:
    names = list(_SHARES)
    language = rng.choice(len(names), rows, p=list(_SHARES.values()))
    pieces = [_pick(rng, language, [_PHRASES[name][part] for name in names]) for part in range(3)]
    number = pa.array(rng.integers(0, 1_000_000, rows)).cast(pa.string())
    own = pc.binary_join_element_wise(*pieces, pc.binary_join_element_wise("#no", number, ""), " ")
    handle = pa.array(author[target]).cast(pa.string())
    reply = pc.binary_join_element_wise("@account_", handle, " ", own, "")
    own = pc.if_else(pa.array(kind == 2), reply, own)
    retweet = pc.binary_join_element_wise("RT @account_", handle, ": ", own.take(pa.array(target)), "")
    text = pc.if_else(pa.array(kind == 1), retweet, own)
    language = np.where(kind == 1, language[target], language)
    return text, pa.array(names).take(pa.array(language))


def _pick(rng: np.random.Generator, language: Any, choices: list[list[str]]) -> pa.StringArray:
    """For each tweet one of the phrases of its language."""
    sizes = np.array([len(phrases) for phrases in choices])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    chosen = starts[language] + (rng.random(len(language)) * sizes[language]).astype(np.int64)
    return pa.array([phrase for phrases in choices for phrase in phrases]).take(pa.array(chosen))


def _reference_lists(kind: Any, referred: pa.StringArray) -> pa.ListArray:
    has = kind > 0
    structs = pa.StructArray.from_arrays(
        [pa.array(list(_KINDS)).take(pa.array(kind[has])), referred.filter(pa.array(has))], ["type", "id"]
    )
    offsets = np.concatenate([[0], np.cumsum(has)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), structs, mask=pa.array(~has))


def _places(rng: np.random.Generator, rows: int) -> pa.StructArray:
    has = rng.random(rows) < _WITH_GEO
    point = has & (rng.random(rows) < _WITH_POINT)
    known = pa.array([f"{number:016x}" for number in rng.integers(0, 2**60, 500).tolist()])
    place = known.take(pa.array(rng.integers(0, len(known), rows)))
    lonlat = np.empty(2 * int(point.sum()))
    lonlat[0::2] = rng.uniform(-180, 180, len(lonlat) // 2).round(6)
    lonlat[1::2] = rng.uniform(-60, 70, len(lonlat) // 2).round(6)
    offsets = (2 * np.concatenate([[0], np.cumsum(point)])).astype(np.int32)
    coordinates = pa.StructArray.from_arrays(
        [
            pa.array(["Point"]).take(pa.array(np.zeros(rows, np.int64))),
            pa.ListArray.from_arrays(pa.array(offsets), pa.array(lonlat)),
        ],
        ["type", "coordinates"],
        mask=pa.array(~point),
    )
    return pa.StructArray.from_arrays([place, coordinates], ["place_id", "coordinates"], mask=pa.array(~has))


def _metrics(rng: np.random.Generator, rows: int) -> pa.StructArray:
    names = ["retweet_count", "reply_count", "like_count", "quote_count"]
    return pa.StructArray.from_arrays([pa.array(rng.geometric(0.2, rows) - 1) for _ in names], names)


def _entities(rng: np.random.Generator, rows: int) -> pa.StringArray:
    tags = pa.array([f'{{"hashtags":[{{"tag":"no{number}"}}]}}' for number in range(100)])
    chosen = pa.array(rng.integers(0, 100, rows))
    return pc.if_else(pa.array(rng.random(rows) < 0.3), tags.take(chosen), pa.scalar(None, pa.string()))
