"""The Arrow schemas and closed vocabularies that every room of the house speaks."""

from __future__ import annotations

from typing import Final, Literal

import pyarrow as pa

#: What a compliance job asks about.
JobType = Literal["tweets", "users"]
#: Why the service flags an ID; ``dropped`` (out of public view) is a word of its streams alone. A reason outside this
#: list is kept as it came; the policy must settle it.
Reason = Literal["deleted", "deactivated", "suspended", "protected", "bounced", "dropped", "scrub_geo"]
#: What happens to the rows of a flagged ID.
Treatment = Literal["drop", "scrub_geo", "keep"]
#: What happens to the rows of an ID that was never asked.
Unchecked = Literal["error", "keep", "drop"]
#: What becomes of files that are neither Parquet nor raw tweets: they go over as they are, or are left out of the copy.
Others = Literal["copy", "leave"]
#: What becomes of lines of raw files that cannot be read, or hold no tweet: the plan refuses, or they stay, or go.
BadLines = Literal["error", "keep", "drop"]
#: How a raw file is read: a value of JSON in each line; values wherever they end, and lists of them; a table.
RawKind = Literal["json lines", "json", "csv"]

#: What each known reason asks for, unless the policy is told otherwise.
TREATMENTS: Final[dict[str, Treatment]] = {
    "deleted": "drop",
    "deactivated": "drop",
    "suspended": "drop",
    "protected": "drop",
    "bounced": "drop",
    "dropped": "drop",
    "scrub_geo": "scrub_geo",
}

#: Each kind of what goes, in words; those that begin with ``dropped_`` are all rows that go.
KINDS: Final = {
    "dropped_own": "rows whose tweet was flagged",
    "dropped_by_author": "rows whose author was flagged",
    "dropped_retweets": "retweets of what goes",
    "dropped_unchecked": "rows that nobody asked about",
    "quotes_nulled": "quoted tweets, in rows that stay",
    "accounts_nulled": "accounts of others, in rows that stay",
    "embedded_nulled": "other embedded tweets, in rows that stay",
    "embedded_places_nulled": "places of embedded tweets, in rows that stay",
}

_TIME: Final = pa.timestamp("ms", tz="UTC")
_WORD: Final = pa.dictionary(pa.int32(), pa.string())

#: One row per flagged ID; of one that was flagged for several reasons, one for each: which of them counts is for the
#: policy to say. Sorted by (type, id, reason), and unique in them. What came from files knows no job.
RESULTS: Final = pa.schema(
    [
        pa.field("type", _WORD, nullable=False),
        pa.field("id", pa.int64(), nullable=False),
        pa.field("action", _WORD, nullable=False),
        pa.field("reason", _WORD, nullable=False),
        pa.field("created_at", _TIME),
        pa.field("redacted_at", _TIME),
        pa.field("job_id", pa.int64()),
        pa.field("checked_at", _TIME, nullable=False),
    ]
)

#: Results that events tell: how far back a user's places go, and where something is withheld. Places of a user with
#: ``up_to`` go from tweets up to that ID, and from no others.
BOUNDED: Final = pa.schema(
    [*RESULTS, pa.field("up_to", pa.int64()), pa.field("withheld_in_countries", pa.list_(pa.string()))]
)

#: One row per ID that was flagged once and is clear now, for each reason that it was flagged for: as of when, and as of
#: when it is not any more.
CAME_BACK: Final = pa.schema(
    [
        pa.field("type", _WORD, nullable=False),
        pa.field("id", pa.int64(), nullable=False),
        pa.field("reason", _WORD, nullable=False),
        pa.field("flagged_at", _TIME, nullable=False),
        pa.field("cleared_at", _TIME, nullable=False),
    ]
)

#: One row per chunk of a ledger: what was asked, where it stands.
JOBS: Final = pa.schema(
    [
        pa.field("chunk", pa.int64(), nullable=False),
        pa.field("type", _WORD, nullable=False),
        pa.field("state", _WORD, nullable=False),
        pa.field("ids", pa.int64(), nullable=False),
        pa.field("first_id", pa.int64(), nullable=False),
        pa.field("last_id", pa.int64(), nullable=False),
        pa.field("flagged", pa.int64()),
        pa.field("job_id", pa.int64()),
        pa.field("job_name", pa.string()),
        pa.field("created_at", _TIME),
        pa.field("changed_at", _TIME, nullable=False),
        pa.field("attempts", pa.int64(), nullable=False),
        pa.field("error", pa.string()),
    ]
)

#: One row per file of a plan: what will be done to it, and why.
FILES: Final = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("decision", _WORD, nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("rows", pa.int64()),
        pa.field("rows_dropped", pa.int64(), nullable=False),
        pa.field("rows_scrubbed", pa.int64(), nullable=False),
        pa.field("rows_unchecked", pa.int64()),
        pa.field("why", pa.string(), nullable=False),
    ]
)
