"""What results ask for is the same, however their columns are laid out in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from compliance_frames.corpus.answers import Answers, by_reason
from compliance_frames.corpus.policy import Policy
from compliance_frames.errors import IdError, PlanError

ROWS = [
    ("tweets", 5, "delete", "deleted"),
    ("users", 7, "delete", "suspended"),
    ("tweets", 6, "delete", "scrub_geo"),
    ("tweets", 9, "delete", "bounced"),
    ("users", 8, "delete", "suspended"),
]


def results(rows: list[tuple[Any, ...]] = ROWS) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(("type", "id", "action", "reason"), row, strict=True)) for row in rows])


def with_text(change: Callable[[Any], Any]) -> pa.Table:
    table = results()
    return pa.table(
        {name: table.column(name) if name == "id" else change(table.column(name)) for name in table.schema.names}
    )


def in_parts(table: pa.Table) -> pa.Table:
    """Each row with dictionaries of its own, in which the same words have other places."""
    return pa.concat_tables([coded(table.slice(row, 1)) for row in range(len(table))])


def coded(table: pa.Table) -> pa.Table:
    return pa.table(
        {
            name: table.column(name) if name == "id" else table.column(name).dictionary_encode()
            for name in table.schema.names
        }
    )


def of_views(column: Any) -> Any:
    words = column.combine_chunks().dictionary_encode()
    return pa.DictionaryArray.from_arrays(words.indices.cast(pa.uint8()), words.dictionary.cast(pa.string_view()))


LAYOUTS = {
    "text": results(),
    "large text": with_text(lambda column: column.cast(pa.large_string())),
    "views": with_text(lambda column: column.cast(pa.string_view())),
    "dictionaries": coded(results()),
    "dictionaries of views": with_text(of_views),
    "another dictionary in each part": in_parts(results()),
    "views in parts": pa.concat_tables([with_text(of_views).slice(0, 2), with_text(of_views).slice(2)]),
}


@pytest.mark.parametrize("table", LAYOUTS.values(), ids=LAYOUTS)
def test_results_of_every_layout_say_the_same(table: pa.Table) -> None:
    """Each ID has the reason of its own row."""
    found = {
        (each.type, each.reason): (each.treatment, each.ids.tolist()) for each in by_reason(table, Policy.default())
    }
    assert found == {
        ("tweets", "deleted"): ("drop", [5]),
        ("tweets", "scrub_geo"): ("scrub_geo", [6]),
        ("tweets", "bounced"): ("drop", [9]),
        ("users", "suspended"): ("drop", [7, 8]),
    }


def test_many_results_are_looked_at_a_piece_at_a_time_and_told_of_as_one() -> None:
    """An ID that cannot be one is named by its row in all of them."""
    few = [results([("tweets", number, "delete", "deleted")]) for number in range(3)]
    many = pa.concat_tables(few * 500).combine_chunks()
    many = pa.concat_tables([many] * 100)
    answers = Answers(Policy.default())
    answers.take(many)
    assert answers.sets()["drop_tweets"][:].tolist() == [0, 1, 2]
    assert [each.ids for each in answers.flagged()] == [3]
    bad = pa.concat_tables([many, results([("tweets", -1, "delete", "deleted")])])
    with pytest.raises(IdError) as refused:
        Answers(Policy.default()).take(bad)
    assert refused.value.row == 150_000


def test_values_that_a_dictionary_lists_and_no_row_has_mean_nothing() -> None:
    """Results that were filtered list reasons that are no longer theirs, be they ones that no policy knows."""
    reasons = pa.DictionaryArray.from_arrays(pa.array([1, 1, 1, 1, 1]), pa.array(["not known", "deleted"]))
    table = results().set_column(3, "reason", reasons)
    assert {each.reason for each in by_reason(table, Policy.default())} == {"deleted"}


@pytest.mark.parametrize("row", [(None, 1, "delete", "deleted"), ("lists", 1, "delete", "deleted")])
def test_a_row_without_a_known_type_is_refused(row: tuple[Any, ...]) -> None:
    """It would be erased from nowhere, and nobody would notice."""
    with pytest.raises(PlanError, match="neither tweets nor users"):
        Answers(Policy.default()).take(results([*ROWS, row]))


def test_no_results_ask_for_nothing() -> None:
    """An empty table, of no chunk at all, is one of results."""
    answers = Answers(Policy.default())
    answers.take(results().schema.empty_table())
    assert answers.flagged() == ()
    assert {name: len(ids) for name, ids in answers.sets().items()} == dict.fromkeys(answers.sets(), 0)
