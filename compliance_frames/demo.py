"""All steps on a made corpus against the embedded emulator, so that anyone can see the whole before trusting it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import RenderableType
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from compliance_frames.console import Display, counted, plain, table
from compliance_frames.errors import ComplianceFramesError, DestinationError
from compliance_frames.progress import ProgressCallback

if TYPE_CHECKING:
    import pyarrow as pa

    from compliance_frames.emulator import Emulator

_Made = TypeVar("_Made")

#: The emulator answers at once; the real service takes minutes, and is asked less often.
_POLL = timedelta(milliseconds=50)


class Demo:
    """One run of all steps in a folder of its own.

    Args:
        folder: where everything is written; made, or taken when it is empty.
        rows: tweets to make up.
        seed: of the corpus and of the fates.
        display: what the steps are printed on.
    """

    def __init__(self, folder: Path, *, rows: int, seed: int, display: Display) -> None:
        self.folder = folder
        self.rows = rows
        self.seed = seed
        self._display = display
        self._steps = 0
        self.corpus, self.ledger, self.clean = (folder / name for name in ("corpus", "corpus.ledger", "clean"))
        self.manifest, self.page = folder / "clean.manifest.json", folder / "report.html"
        self.certificate = folder / "clean.certificate.json"

    def run(self) -> dict[str, Any]:
        """Take every step and say what came of them all.

        Raises:
            DestinationError: the folder holds something already.
            ComplianceFramesError: the emulator's libraries are not installed, or a step failed.
        """
        began = time.perf_counter()
        self._take_folder()
        with emulator(seed=self.seed) as service:
            self._make_corpus()
            results = self._check(service)
            report = self._apply()
            proof = self._prove()
        seconds = round(time.perf_counter() - began, 2)
        self._say_where(seconds)
        return {
            "rows_in": report.rows_in,
            "rows_kept": report.rows_kept,
            "rows_dropped": report.rows_dropped,
            "rows_scrubbed": report.rows_scrubbed,
            "flagged": results.num_rows,
            "verified": bool(proof.verified),
            "seconds": seconds,
            "paths": {name: str(path) for name, path in self._paths().items()},
        }

    def _take_folder(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise DestinationError(f"{self.folder} is a file: name a folder for the demo with --dir")
        if self.folder.is_dir() and any(self.folder.iterdir()):
            raise DestinationError(f"{self.folder} is not empty: remove it, or name another folder with --dir")
        self.folder.mkdir(parents=True, exist_ok=True)

    def _make_corpus(self) -> None:
        from compliance_frames import sample

        call = f"corpus = sample.corpus({_text(self.corpus)}, rows={self.rows:_}, seed={self.seed})"
        self._step(
            "Make up a corpus: tweets in Parquet files, one for each day",
            call,
            lambda _: sample.corpus(self.corpus, rows=self.rows, seed=self.seed),
            lambda _: f"{counted(len(list(self.corpus.rglob('*.parquet'))), 'file')}, {counted(self.rows, 'tweet')}",
        )

    def _check(self, service: Emulator) -> pa.Table:
        import compliance_frames as cf

        call = (
            f'flagged = cf.check({_text(self.corpus)}, "both", id_column="id", author_column="author_id",\n'
            f"                   ledger={_text(self.ledger)},\n"
            "                   bearer_token=service.bearer_token, base_url=service.base_url)"
        )
        flagged = self._step(
            "Ask what became of the tweets and of their authors",
            call,
            lambda told: cf.check(
                self.corpus,
                "both",
                id_column="id",
                author_column="author_id",
                ledger=self.ledger,
                poll=_POLL,
                bearer_token=service.bearer_token,
                base_url=service.base_url,
                progress=told,
            ),
            lambda results: f"{counted(results.num_rows, 'ID')} flagged",
        )
        self._show_reasons(flagged)
        return flagged

    def _show_reasons(self, flagged: pa.Table) -> None:
        from compliance_frames.cli.tables import results_table

        self._display.show(_inset(results_table(flagged)))

    def _apply(self) -> Any:
        import compliance_frames as cf

        plan = self._step(
            "Plan: which files are touched, and how; nothing is written",
            f"plan = cf.plan({_text(self.corpus)}, ledger={_text(self.ledger)})",
            lambda told: cf.plan(self.corpus, ledger=self.ledger, progress=told),
            lambda made: f"{counted(made.rows_dropped, 'row')} to drop, {made.rows_scrubbed:,} to lose their place",
        )
        return self._step(
            "Clean: a copy that is there whole or not at all",
            f"report = cf.clean(plan, {_text(self.clean)})",
            lambda told: cf.clean(plan, self.clean, progress=told),
            lambda done: f"{done.rows_in:,} rows in = {done.rows_kept:,} kept + {done.rows_dropped:,} dropped",
        )

    def _prove(self) -> Any:
        import compliance_frames as cf
        from compliance_frames.report.html import report as write_page

        proof = self._step(
            "Verify, by code that shares nothing with cleaning",
            f"proof = cf.verify({_text(self.clean)}, ledger={_text(self.ledger)}, source={_text(self.corpus)})",
            lambda told: cf.verify(self.clean, ledger=self.ledger, source=self.corpus, progress=told),
            lambda found: found.statement,
        )
        certificate = self._step(
            "Certify: one file that is held against the copy years later",
            f"proof.certify({_text(self.certificate)})",
            lambda _: proof.certify(self.certificate),
            lambda made: f"{counted(made.counts['files'], 'file')}; no tweet and no user in it",
        )
        self._step(
            "Report: one page for those who did not do it",
            f"compliance-frames report {self.clean} --ledger {self.ledger} -o {self.page}",
            lambda _: write_page(
                self.clean,
                ledger=self.ledger,
                proof=proof.to_dict(),
                certificate=certificate.to_dict(),
                output=self.page,
            ),
            lambda page: f"{page}",
            language="bash",
        )
        return proof

    def _step(
        self,
        title: str,
        call: str,
        work: Callable[[ProgressCallback], _Made],
        outcome: Callable[[_Made], str],
        *,
        language: str = "python",
    ) -> _Made:
        """Print what is done, do it, print what came of it."""
        self._steps += 1
        self._display.show(Text(f"\n{self._steps}  {title}", style="bold"))
        self._display.show(_code(call, language))
        began = time.perf_counter()
        with self._display.progress() as told:
            made = work(told)
        seconds = time.perf_counter() - began
        said = Text.assemble(("→ ", "green"), plain(outcome(made)), (f"  ({seconds:.1f} s)", "dim"))
        self._display.show(_inset(said))
        return made

    def _say_where(self, seconds: float) -> None:
        whole = f"{self.clean}/**/*.parquet"
        reading = (
            f'polars.scan_parquet("{whole}")\nduckdb.sql("FROM \'{whole}\'")\npandas.read_parquet({_text(self.clean)})'
        )
        self._display.show(
            Text(f"\nDone in {seconds:.1f} s. Where things lie:", style="bold"),
            table(["", ""], ([name, path] for name, path in self._paths().items())),
            Text("Open the cleaned copy with", style="bold"),
            _code(reading, "python"),
        )

    def _paths(self) -> dict[str, Path]:
        return {
            "corpus": self.corpus,
            "ledger": self.ledger,
            "clean": self.clean,
            "manifest": self.manifest,
            "certificate": self.certificate,
            "report": self.page,
        }


def emulator(**settings: Any) -> Emulator:
    """The emulator, or a sentence on how to have it.

    Raises:
        ComplianceFramesError: its libraries are not installed.
    """
    with needing_the_emulator():
        from compliance_frames.emulator import Emulator
    return Emulator(**settings)


@contextmanager
def needing_the_emulator() -> Iterator[None]:
    """Import what is the emulator's, or say how to have it.

    Raises:
        ComplianceFramesError: its libraries are not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("compliance_frames"):
            raise
        raise ComplianceFramesError(
            f"the emulator needs {error.name}, which is not installed: pip install 'compliance-frames[emulator]'"
        ) from None


def _text(path: Path) -> str:
    """A path as it is written in a call."""
    return f'"{path}"'


def _code(call: str, language: str) -> Padding:
    return _inset(Syntax(plain(call), language, theme="ansi_dark", background_color="default"))


def _inset(shown: RenderableType) -> Padding:
    return Padding(shown, (0, 0, 0, 3))
