"""Bring stored Twitter/X corpora back into line with what people chose.

Six verbs, in the order in which data goes through them::

    import polars as pl
    import compliance_frames as cf

    tweets  = pl.scan_parquet("corpus/**/*.parquet")
    flagged = cf.check(tweets, "tweets", id_column="id", ledger="corpus.ledger")
    authors = cf.check(tweets, "users", id_column="author_id", ledger="corpus.ledger")
    plan    = cf.plan("corpus/", flagged, authors)
    report  = cf.clean(plan, "clean/")
    cf.verify("clean/", flagged, authors)

``cf.ingest`` makes such a corpus of raw JSON and CSV. ``cf.columns`` shows which columns of a corpus hold what, and
why it thinks so. ``cf.match`` and ``cf.apply`` do the same for a frame in memory. ``cf.read_results`` reads answers
that you have in files already, ``cf.read_events`` recorded compliance streams. ``cf.submit`` and ``cf.collect`` are the
halves of ``cf.check``, for jobs that outlive a notebook. Every error is a ``cf.ComplianceFramesError``.
"""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compliance_frames.asking import check, submit
    from compliance_frames.corpus.clean import clean
    from compliance_frames.corpus.clean_report import CleanReport
    from compliance_frames.corpus.columns import Columns
    from compliance_frames.corpus.found import FoundColumns, columns
    from compliance_frames.corpus.frames import apply, match
    from compliance_frames.corpus.ingest import ingest
    from compliance_frames.corpus.ingest_report import IngestReport
    from compliance_frames.corpus.plan import Plan, plan
    from compliance_frames.corpus.policy import Policy
    from compliance_frames.errors import ComplianceFramesError
    from compliance_frames.jobs.ledger import Ledger
    from compliance_frames.jobs.run import Submission, collect
    from compliance_frames.proof.certificate import Certificate
    from compliance_frames.proof.verify import Proof, verify
    from compliance_frames.service.events import read_events
    from compliance_frames.service.given import read_results

__version__ = "0.1.0"

__all__ = [
    "Certificate",
    "CleanReport",
    "Columns",
    "ComplianceFramesError",
    "FoundColumns",
    "IngestReport",
    "Ledger",
    "Plan",
    "Policy",
    "Proof",
    "Submission",
    "apply",
    "check",
    "clean",
    "collect",
    "columns",
    "ingest",
    "match",
    "plan",
    "read_events",
    "read_results",
    "submit",
    "verify",
]

# A name is looked up when it is first used: reading an Arrow table needs no HTTP client, and the command
# line's help needs neither.
_ROOMS = {
    "Certificate": "proof.certificate",
    "CleanReport": "corpus.clean_report",
    "Columns": "corpus.columns",
    "ComplianceFramesError": "errors",
    "FoundColumns": "corpus.found",
    "IngestReport": "corpus.ingest_report",
    "Ledger": "jobs.ledger",
    "Plan": "corpus.plan",
    "Policy": "corpus.policy",
    "Proof": "proof.verify",
    "Submission": "jobs.run",
    "apply": "corpus.frames",
    "check": "asking",
    "clean": "corpus.clean",
    "collect": "jobs.run",
    "columns": "corpus.found",
    "ingest": "corpus.ingest",
    "match": "corpus.frames",
    "plan": "corpus.plan",
    "read_events": "service.events",
    "read_results": "service.given",
    "submit": "asking",
    "verify": "proof.verify",
}


_MODULES = {"emulator", "errors", "sample", "schemas"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _ROOMS:
        value = getattr(importlib.import_module(f"{__name__}.{_ROOMS[name]}"), name)
        globals()[name] = value
        return value
    close = difflib.get_close_matches(name, [*_ROOMS, *_MODULES], n=1)
    hint = f". Did you mean {close[0]!r}?" if close else ""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
