"""The states of a chunk, and which may follow which: intent is written down before the effect that it announces."""

from __future__ import annotations

from typing import Final, Literal

State = Literal[
    "planned",
    "creating",
    "created",
    "uploading",
    "uploaded",
    "processing",
    "downloading",
    "done",
    "failed",
    "split",
]

#: What may follow each state. ``planned`` follows wherever a job is lost: the chunk gets a new one.
FOLLOWS: Final[dict[State, frozenset[State]]] = {
    "planned": frozenset({"creating"}),
    "creating": frozenset({"created"}),
    "created": frozenset({"uploading"}),
    "uploading": frozenset({"uploaded", "planned", "failed", "split"}),
    "uploaded": frozenset({"processing"}),
    "processing": frozenset({"downloading", "planned", "failed", "split"}),
    "downloading": frozenset({"done", "planned", "failed", "split"}),
    "done": frozenset(),
    "failed": frozenset(),
    "split": frozenset(),
}

#: Nothing follows: answered, given up at size 1, or replaced by its two halves.
FINAL: Final[frozenset[State]] = frozenset(state for state, after in FOLLOWS.items() if not after)

#: What happens next to a chunk in each state, for people.
NEXT: Final[dict[State, str]] = {
    "planned": "a job will be created",
    "creating": "its job is looked for by name, or created",
    "created": "its IDs will be uploaded",
    "uploading": "the upload goes on",
    "uploaded": "the service begins",
    "processing": "the service is asked until it has finished",
    "downloading": "its results are downloaded and read",
    "done": "nothing: answered",
    "failed": "nothing: the service could not answer for this ID",
    "split": "nothing: its two halves are asked in its place",
}
