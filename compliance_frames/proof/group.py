"""Look into one row group: each ID that its rows have, and each thing that lies beside the rows, held against them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from compliance_frames.corpus.manifest import FileRecord
from compliance_frames.proof.bloom import BloomError, bloom_span, foreign_bits
from compliance_frames.proof.cells import Ids, by_look, ids_in, leaves, look_columns, place_columns, stored_columns
from compliance_frames.proof.chunk import ChunkFacts, look_at_chunks
from compliance_frames.proof.erased import Erased, IdArray
from compliance_frames.proof.findings import Cells, Findings, Spot, number
from compliance_frames.proof.footer import Chunk, Footer
from compliance_frames.proof.idpages import IdPages
from compliance_frames.proof.pages import PageError
from compliance_frames.proof.rescan import ids_of
from compliance_frames.proof.roles import Layout, Path, Role, whose
from compliance_frames.proof.search import Likely, Needles
from compliance_frames.proof.short import ShortIds
from compliance_frames.proof.texts import held_in_json, ids_inside, is_text, placed_in_json, whole_ids
from compliance_frames.proof.values import IdValues, LeafValues, bound_texts

#: Rows that are held in memory at once.
_ROWS: Final = 1 << 16
_HELD: Final = {
    "embedded tweet": "hold a tweet that had to go",
    "embedded author": "hold a tweet of an author who had to go",
    "account": "hold the account of a user who had to go",
    "retweet": "repeat a tweet that had to go",
}


@dataclass(frozen=True, eq=False)
class Sought:
    """What is looked for.

    Attributes:
        erased: what must be gone, by what it is.
        needles: the same, to be found in bytes.
        likely: the same and what had to lose its places, to leave most of the others aside.
        asked: the tweets that were asked about, sorted; None where nobody knows.
        must_erase: whether anything had to go.
        bare: what had to lose its places, to be found in texts that hold tweets.
        short: what had to go and has few digits, to be found in texts under keys.
        short_bare: the same of what had to lose its places.
    """

    erased: Erased
    needles: Needles
    likely: Likely
    asked: IdArray | None
    must_erase: bool
    bare: Needles
    short: ShortIds
    short_bare: ShortIds


@dataclass(frozen=True, eq=False)
class OpenedFile:
    """A file that is looked into, row group by row group.

    Attributes:
        record: what the manifest says of it.
        layout: where its IDs are.
        footer: its footer, as the proof reads it.
        metadata: the same, as pyarrow needs it to read rows.
        schema: of all its columns.
    """

    record: FileRecord
    layout: Layout
    footer: Footer
    metadata: Any
    schema: pa.Schema


class GroupLook:
    """One look at a row group.

    Args:
        file: the open file.
        opened: what is known of it.
        group: the row group's number.
        sought: what is looked for.
    """

    def __init__(self, file: BinaryIO, opened: OpenedFile, group: int, sought: Sought) -> None:
        self._file, self._opened, self._group, self._sought = file, opened, group, sought
        self._name = opened.record.path
        self._columns = stored_columns(opened.schema, opened.layout)
        self._told_apart = len(set(opened.schema.names)) == len(opened.schema.names)
        self.findings = Findings()

    def look(self) -> Findings:
        """Look at all of it."""
        group = self._opened.footer.groups[self._group]
        if len(self._columns) != len(group.chunks):
            self._tell("its columns are not those that its schema says; its pages were not looked at")
            return self.findings
        ids = [self._id_pages(at, chunk) for at, chunk in enumerate(group.chunks)]
        facts = look_at_chunks(self._file, group.chunks, self._sought.needles, self._sought.short, ids)
        for (path, _), fact in zip(self._columns, facts, strict=True):
            self.findings.counted["bytes"] += fact.searched
            for problem in fact.problems:
                self._tell(problem.format(column=repr(".".join(path))))
        if not any(fact.problems for fact in facts):  # what is not in order is not given to a library to decode
            self._rows(facts)
        return self.findings

    def _id_pages(self, at: int, chunk: Chunk) -> IdPages | None:
        """What reads the IDs of a column from its pages: of flat ones of text, beside which no hashes lie."""
        (name, *deeper), role = self._columns[at]
        stored = self._opened.metadata.schema.column(at)
        if not self._told_apart or deeper or role is None or chunk.bloom is not None or chunk.physical != "BYTE_ARRAY":
            return None
        flat = stored.max_repetition_level == 0 and stored.max_definition_level <= 1
        if not flat or not is_text(self._opened.schema.field(name).type):
            return None
        return IdPages(optional=stored.max_definition_level == 1)

    def _tell(self, sentence: str) -> None:
        self.findings.problems.append(f"{self._name}: {sentence}")

    def _rows(self, facts: list[ChunkFacts]) -> None:
        """Read the rows, once, and hold what was seen in pages against them."""
        wanted = self._wanted(facts)
        columns = {at: self._compared(facts[at]) for at in wanted}
        before = sum(group.rows for group in self._opened.footer.groups[: self._group])
        rows = 0
        placed = self._texts_with_tweets(facts)
        for batch in self._batches(wanted, facts):
            self._ids(batch, before + rows)
            look = by_look(batch, self._opened.layout)
            stored = [leaf for column in batch.columns for leaf in leaves(column)]
            for (at, values), leaf in zip(columns.items(), stored, strict=True):
                values.add(leaf)
                if at in placed:
                    self._placed(at, leaf)
                if len(facts[at].hits) or facts[at].shared or facts[at].named:
                    self._inside(at, leaf, facts[at], look)
            rows += batch.num_rows
        if wanted and rows != self._opened.footer.groups[self._group].rows:
            self._tell(f"a row group has {rows:,} rows, and says {self._opened.footer.groups[self._group].rows:,}")
        for at, values in columns.items():
            self._beside(at, values)

    def _compared(self, facts: ChunkFacts) -> LeafValues:
        needed = facts.dictionary is not None or facts.chunk.bloom is not None or bool(facts.bounds)
        compare = needed and self._sought.must_erase
        return LeafValues(facts, compare=compare) if facts.ids is None else IdValues(facts, facts.ids, compare=compare)

    def _wanted(self, facts: list[ChunkFacts]) -> list[int]:
        """The stored columns whose values have to be decoded: long texts of nobody, all seen in their pages, do not."""
        places = {path[0] for path in place_columns(self._opened.schema, self._opened.layout)}
        seen = [
            len(path) == 1
            and len(fact.chunk.path) == 1
            and role is None
            and path[0] not in places
            and fact.plain
            and fact.chunk.physical == "BYTE_ARRAY"
            and fact.chunk.bloom is None
            and not len(fact.hits)
            and not fact.named
            and not (fact.sought and self._sought.must_erase)
            for (path, role), fact in zip(self._columns, facts, strict=True)
        ]
        names = [path[0] for path, _ in self._columns]
        looks = look_columns(self._opened.schema, self._opened.layout)
        held = {self._columns[at][0][0] for at in self._texts_with_tweets(facts)}
        looked = {*held, *looks, *(name.partition(".")[0] for name in looks)}
        whole = {
            name for name, each in zip(names, seen, strict=True) if not each or name in looked
        }  # a name may stand twice
        return [at for at, name in enumerate(names) if name in whole]

    def _batches(self, wanted: list[int], facts: list[ChunkFacts]) -> Iterator[pa.RecordBatch]:
        """The columns that are wanted: IDs that are known from their pages, others as a library decodes them."""
        wanted_names = dict.fromkeys(self._columns[at][0][0] for at in wanted)
        known = {self._columns[at][0][0]: ids for at in wanted if (ids := facts[at].ids) is not None}
        others = [name for name in wanted_names if name not in known]
        if not known:
            yield from self._decoded(others, facts) if others else ()
            return
        names, first = [name for name in self._opened.schema.names if name in wanted_names], 0
        for count, decoded in self._pieces(known, others, facts):
            columns = [known[name].column(first, count) if name in known else decoded.column(name) for name in names]
            yield pa.record_batch(columns, names)
            first += count

    def _pieces(
        self, known: dict[str, IdPages], others: list[str], facts: list[ChunkFacts]
    ) -> Iterator[tuple[int, Any]]:
        """How many rows come together, and what a library decodes of them."""
        if others:
            yield from ((batch.num_rows, batch) for batch in self._decoded(others, facts))
            return
        rows = len(next(iter(known.values())).rows())
        yield from ((min(_ROWS, rows - at), None) for at in range(0, rows, _ROWS))

    def _decoded(self, names: list[str], facts: list[ChunkFacts]) -> Iterator[pa.RecordBatch]:
        texts = [".".join(each.chunk.path) for each in facts if each.chunk.physical == "BYTE_ARRAY" and each.indexed]
        everything = set(names) == set(self._opened.schema.names)
        with pq.ParquetFile(
            self._file, metadata=self._opened.metadata, read_dictionary=texts, pre_buffer=False
        ) as parquet:
            yield from parquet.iter_batches(
                _ROWS, row_groups=[self._group], columns=None if everything else names, use_threads=False
            )

    def _ids(self, batch: pa.RecordBatch, first_row: int) -> None:
        layout = self._opened.layout
        places = tuple(".".join(path) for path in place_columns(batch.schema, layout))
        for ids in ids_in(batch, layout, first_row):
            self._cells(ids, places)

    def _cells(self, ids: Ids, places: tuple[str, ...]) -> None:
        own = ids.role in ("tweet", "author")
        spot = Spot(self._name, None, ".".join(ids.path), ids.role, places if own else (), ids.primary, ids.unsaid)
        self.findings.counted[ids.role] += 0 if ids.unsaid else len(ids.values) - ids.values.null_count
        numbers = np.asarray(pc.fill_null(ids_of(ids.values), -1))
        if ids.primary and self._sought.asked is not None:
            self.findings.unasked[self._name] += int(np.sum(~_are_in(numbers, self._sought.asked)))
        at = np.flatnonzero(self._sought.likely.mask(numbers))
        if len(at):
            self._add(Cells(spot, whose(ids.role, ids.path), pa.array(numbers[at]), ids.rows[at], ids.places[at]))

    def _add(self, cells: Cells) -> None:
        self.findings.cells.append(cells)

    def _inside(self, at: int, leaf: Any, facts: ChunkFacts, look: NDArray[np.bool_]) -> None:
        """Explain erased IDs that were seen in pages by the values that they stand in."""
        path, role = self._columns[at]
        whole = None if role is None else whole_ids(leaf, self._sought.needles)
        if whole is not None:  # nothing stands in texts of which there are none
            facts.hits = np.setdiff1d(facts.hits, whole)
            return
        found, places = ids_inside(leaf, self._sought.needles)
        facts.hits = np.setdiff1d(facts.hits, found)
        if role is not None and role != "mention":
            return
        name = ".".join(path)
        if path[:-1] not in ((), self._opened.layout.inside):
            look = look[:0]  # what it says is said of another tweet
        short = self._sought.short.where(leaf) if facts.named or facts.shared else places
        held = self._held(leaf, np.union1d(places, short), path[-1], look)
        if "unsaid" in held:
            self.findings.counted["unsaid"] += held.pop("unsaid")
            self.findings.unsaid.add(name)
        for what, count in held.items():
            self._tell(f"{number(count, 'text')} of JSON in column {name!r} {_HELD[what]}")
        if len(found) and role is None:
            self.findings.counted["texts"] += len(np.unique(places))
            self.findings.mentioned.add(name)

    def _texts_with_tweets(self, facts: list[ChunkFacts]) -> set[int]:
        """The stored columns of text that hold tweets, where some of those had to lose their places."""
        layout = self._opened.layout
        texts = (at for at, fact in enumerate(facts) if fact.chunk.physical == "BYTE_ARRAY")
        sought = len(self._sought.bare) or len(self._sought.short_bare)
        return {at for at in texts if layout.holds_tweets(self._columns[at][0])} if sought else set()

    def _placed(self, at: int, leaf: Any) -> None:
        """Look for places in JSON."""
        name = ".".join(self._columns[at][0])
        _, places = ids_inside(leaf, self._sought.bare)
        places = np.union1d(places, self._sought.short_bare.where(leaf))
        leaf = leaf.dictionary.take(leaf.indices) if pa.types.is_dictionary(leaf.type) else leaf
        texts = leaf.take(pa.array(places)).to_pylist() if is_text(leaf.type) else []
        plain = (text.decode(errors="replace") if isinstance(text, bytes) else text for text in texts)
        found = sum(placed_in_json(text, self._sought.erased, name.rpartition(".")[2]) for text in plain)
        self.findings.counted["places in texts"] += len(leaf) - leaf.null_count
        if found:
            self._tell(f"{number(found, 'text')} of JSON in column {name!r} hold a place that had to go")

    def _held(self, leaf: Any, places: Any, name: str, look: NDArray[np.bool_]) -> dict[str, int]:
        if pa.types.is_dictionary(leaf.type):
            leaf = leaf.dictionary.take(leaf.indices)
        counted: dict[str, int] = {}
        texts = leaf.take(pa.array(places)).to_pylist() if is_text(leaf.type) else []
        looks = look[places] if len(look) == len(leaf) else np.zeros(len(places), bool)  # of lists it is another's
        for text, likely in zip(texts, looks.tolist(), strict=False):
            plain = text.decode(errors="replace") if isinstance(text, bytes) else text
            what = held_in_json(plain, self._sought.erased, name, look=likely)
            if what is not None:
                counted[what] = counted.get(what, 0) + 1
        return counted

    def _beside(self, at: int, values: LeafValues) -> None:
        """What a column chunk holds beside its values."""
        path, role = self._columns[at]
        name, facts = ".".join(path), values.facts
        if len(facts.hits):
            self._tell(
                f"{number(len(facts.hits), 'ID')} of what had to go in the pages of {name!r}, where no row has "
                f"{'it' if len(facts.hits) == 1 else 'them'}"
            )
        self._dictionary(name, path, role, values)
        self._bounds(name, path, role, values)
        self._bloom(name, values)

    def _dictionary(self, name: str, path: Path, role: Role | None, values: LeafValues) -> None:
        if values.facts.dictionary is None:
            return
        self.findings.counted["dictionaries"] += 1
        try:
            unused = values.unused()
        except PageError as error:
            self._tell(f"the dictionary of {name!r} cannot be read ({error})")
            return
        if unused:
            self._tell(
                f"a dictionary of {name!r} lists {number(unused, 'value')} that no row has: "
                "what was erased may stand there still"
            )
            entries = values.entries()
            if role is not None and role != "mention":
                spot = Spot(self._name, f"a dictionary of {name!r}", name, role)
                self._add(Cells(spot, whose(role, path), ids_of(entries)))

    def _bounds(self, name: str, path: Path, role: Role | None, values: LeafValues) -> None:
        told = values.bound_texts()
        self.findings.counted["statistics"] += len(told)
        self.findings.cells += _bounds(self._name, path, role, told)
        foreign = values.foreign_bounds()
        if foreign:
            self._tell(f"the statistics of {name!r} have {number(foreign, 'value')} that no row has")

    def _bloom(self, name: str, values: LeafValues) -> None:
        if values.facts.chunk.bloom is None:
            return
        self.findings.counted["blooms"] += 1
        try:
            span, bits = bloom_span(self._file, self._opened.footer, values.facts.chunk)
        except BloomError as error:
            self._tell(f"a Bloom filter of {name!r} cannot be looked into: {error}")
            return
        if not self._sought.must_erase:
            return
        hashes = values.hashes()
        if hashes is None:
            self.findings.unlooked.add(f"the Bloom filter of column {name!r}, whose values it holds as nobody says")
            return
        self._file.seek(bits)
        foreign = foreign_bits(self._file.read(span.end - bits), hashes)
        if foreign:
            self._tell(
                f"a Bloom filter of {name!r} has {number(foreign, 'bit')} that no row sets: "
                "it still answers for values that are gone"
            )


def _are_in(numbers: IdArray, sorted_ids: IdArray) -> NDArray[np.bool_]:
    at = np.minimum(np.searchsorted(sorted_ids, numbers), max(len(sorted_ids) - 1, 0))
    return sorted_ids[at] == numbers if len(sorted_ids) else np.zeros(len(numbers), np.bool_)


def bounds_cells(opened: OpenedFile, group: int) -> Iterator[Cells]:
    """The IDs in the footer's statistics of a row group that is not looked into."""
    columns = stored_columns(opened.schema, opened.layout)
    for (path, role), chunk in zip(columns, opened.footer.groups[group].chunks, strict=False):
        yield from _bounds(opened.record.path, path, role, bound_texts(list(chunk.bounds), chunk.physical))


def _bounds(file: str, path: Path, role: Role | None, told: pa.Array[Any]) -> Iterator[Cells]:
    if role is not None and role != "mention" and len(told):
        name = ".".join(path)
        yield Cells(Spot(file, f"the statistics of {name!r}", name, role), whose(role, path), ids_of(told))
