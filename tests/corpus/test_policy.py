"""A reason becomes a treatment in one place, and nowhere by guess."""

from __future__ import annotations

import pickle
from typing import get_args

import pytest

from compliance_frames.corpus.policy import Policy
from compliance_frames.errors import PolicyError
from compliance_frames.schemas import Reason


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_documented_reason_has_a_treatment(reason: str) -> None:
    """All reasons drop the row, but ``scrub_geo``, which nulls its places."""
    expected = "scrub_geo" if reason == "scrub_geo" else "drop"
    assert Policy.default().treatment("tweets", "delete", reason) == expected


def test_the_reason_decides_and_not_the_action() -> None:
    """``scrub_geo`` under the action ``delete`` takes the place, never the row."""
    assert Policy.default().treatment("tweets", "delete", "scrub_geo") == "scrub_geo"
    assert Policy.default().treatment("tweets", "scrub_geo", "deleted") == "drop"


def test_an_unknown_reason_is_refused_with_the_line_that_settles_it() -> None:
    """The message can be pasted, in Python and on the command line."""
    with pytest.raises(PolicyError) as caught:
        Policy.default().treatment("users", "delete", "new_reason")
    assert 'Policy.default().treat(new_reason="drop")' in str(caught.value)
    assert "--treat new_reason=drop" in str(caught.value)


def test_the_line_that_settles_a_reason_runs_also_for_odd_names() -> None:
    """A reason that is no Python name is spelled so that the line still runs."""
    with pytest.raises(PolicyError) as caught:
        Policy.default().treatment("tweets", "delete", "geo-removed")
    line = str(caught.value).partition("policy=")[2].partition(" (command line")[0]
    assert eval(line).treatment("tweets", "delete", "geo-removed") == "drop"


def test_a_treatment_that_does_not_exist_is_refused() -> None:
    """A typo in a treatment is found when it is written, not when rows are lost or kept by it."""
    with pytest.raises(PolicyError, match="'remove'; choose one of drop, scrub_geo, keep"):
        Policy.default().treat(deleted="remove")  # type: ignore[arg-type]


def test_treating_gives_another_policy() -> None:
    """A policy is a value: the first one stays as it was, and its mapping cannot be written."""
    first = Policy.default()
    second = first.treat(protected="keep")
    assert first.treatments["protected"] == "drop"
    assert second.treatments["protected"] == "keep"
    with pytest.raises(TypeError):
        first.treatments["deleted"] = "keep"  # type: ignore[index]


def test_a_policy_travels_and_compares_by_what_it_says() -> None:
    """Workers get equal policies; equal policies hash alike."""
    policy = Policy.default().treat(withheld="drop")
    twin = pickle.loads(pickle.dumps(policy))
    assert twin == policy
    assert hash(twin) == hash(policy)
    assert twin != Policy.default()
