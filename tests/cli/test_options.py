"""Words on the command line become values, or a usage error that says what to write."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
import rich_click as click
from hypothesis import given
from hypothesis import strategies as st

from compliance_frames.cli.options import Duration, Treat, duration, geo_of, policy_of


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("7d", timedelta(days=7)),
        ("36h", timedelta(hours=36)),
        ("90m", timedelta(minutes=90)),
        ("5s", timedelta(seconds=5)),
        ("0.5s", timedelta(milliseconds=500)),
        ("2w", timedelta(weeks=2)),
        ("1d12h", timedelta(hours=36)),
        (" 1d 12h ", timedelta(hours=36)),
        ("0s", timedelta()),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, length: timedelta) -> None:
    """Durations are written as people write them."""
    assert duration(text) == length


@pytest.mark.parametrize("text", ["", "7", "d", "7 days", "-3d", "7d!", "1e3s", "٧d", "7y", "99999999999w"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    """A duration that could be misread is not guessed at."""
    with pytest.raises(ValueError, match=r"7d|longer than any calendar"):
        duration(text)


@given(st.text(alphabet="0123456789wdhms. ", max_size=12))
def test_a_duration_is_understood_or_refused(text: str) -> None:
    """Whatever is typed, it becomes a span of time that is not negative, or a ValueError."""
    with contextlib.suppress(ValueError):
        assert duration(text) >= timedelta()


def test_a_timeout_of_nothing_is_refused() -> None:
    """Where a duration must be positive, zero is a usage error."""
    assert Duration().convert("0s", None, None) == timedelta()
    with pytest.raises(click.BadParameter, match="no time at all"):
        Duration(positive=True).convert("0s", None, None)


@pytest.mark.parametrize("text", ["protected", "protected=", "=drop", "protected=delete", "protected=DROP", "a=b=drop"])
def test_a_treatment_outside_of_the_three_is_refused(text: str) -> None:
    """--treat takes REASON=drop, scrub_geo or keep, and nothing that only looks like it."""
    with pytest.raises(click.BadParameter, match="drop, scrub_geo or keep"):
        Treat().convert(text, None, None)


def test_told_treatments_change_the_default_policy_only_there() -> None:
    """What was not told keeps its default; a new reason is learned."""
    policy = policy_of([("protected", "keep"), ("withheld", "drop")])
    assert policy.treatments["protected"] == "keep"
    assert policy.treatments["withheld"] == "drop"
    assert policy.treatments["deleted"] == "drop"


def test_one_reason_with_two_treatments_is_refused() -> None:
    """The last word does not silently win where rows are at stake."""
    assert policy_of([("deleted", "keep"), ("deleted", "keep")]).treatments["deleted"] == "keep"
    with pytest.raises(click.UsageError, match="both deleted=keep and deleted=drop"):
        policy_of([("deleted", "keep"), ("deleted", "drop")])


def test_geo_is_told_found_or_denied() -> None:
    """No word leaves it to be found, --no-geo says there is none, both at once make no sense."""
    assert geo_of([], no_geo=False) is None
    assert geo_of([], no_geo=True) == []
    assert geo_of(["a", "b"], no_geo=False) == ["a", "b"]
    with pytest.raises(click.UsageError, match="one of them"):
        geo_of(["a"], no_geo=True)
