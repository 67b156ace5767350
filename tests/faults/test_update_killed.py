"""Killed while it brings a copy up to date, a run leaves the old copy or the new one, and the next one ends it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import compliance_frames as cf
from compliance_frames import sample
from compliance_frames.emulator import Emulator

CLEAN = ["clean", "corpus", "clean", "--ledger", "a.ledger", "--update"]

Killed = Callable[[subprocess.CompletedProcess[str]], bool]
Below = Callable[[Path], dict[str, str]]


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus, its answers, a copy of before, and beside them what an undisturbed run makes of it.

    The copy of before is made by another policy: some files lose other rows now, and some do not.
    """
    folder = tmp_path_factory.mktemp("before")
    corpus, ledger = sample.corpus(folder / "corpus", rows=600, seed=3, days=4), folder / "a.ledger"
    with Emulator(seed=1, rate_limit=1_000_000, processing=timedelta(0)) as service:
        token, url = service.bearer_token, service.base_url
        cf.check(corpus, "both", ledger=ledger, poll=timedelta(milliseconds=20), bearer_token=token, base_url=url)
    lenient = cf.Policy.default().treat(suspended="keep")
    cf.clean(cf.plan(corpus, ledger=ledger, policy=lenient), folder / "clean")
    cf.clean(cf.plan(corpus, ledger=ledger), folder / "calm")
    shutil.move(folder / "calm", folder.with_name("calm"))
    (folder / "calm.manifest.json").unlink()
    return folder


#: A file that is done; the exchange, and before and after the manifest follows it; removals of what the old copy held.
POINTS = [
    *(("rename", 2), ("renameat2", 2), ("fsync", 4), ("fsync", 5), ("fsync", 6)),
    *(("unlinkat", 1), ("unlinkat", 6), ("unlinkat", 2), ("rmdir", 3)),
]


def test_an_update_killed_at_a_system_call_is_taken_up(
    when: float, runs: Any, before: Path, was_killed: Killed, files_below: Below, strace: str
) -> None:
    """The destination is the old copy or the new one; the next run ends it, and leaves nothing of the old one."""
    shutil.copytree(before, runs.folder, dirs_exist_ok=True)
    old, new = files_below(before / "clean"), files_below(before.with_name("calm"))
    assert old != new
    first = runs(*CLEAN, at=POINTS[int(when * len(POINTS))])
    assert was_killed(first), first.stderr
    assert files_below(runs.folder / "clean") in (old, new), "neither the old copy nor the new one"
    cf.clean(cf.plan(runs.folder / "corpus", ledger=runs.folder / "a.ledger"), runs.folder / "clean", update=True)
    assert files_below(runs.folder / "clean") == new
    assert files_below(runs.folder / "corpus") == files_below(before / "corpus")
    assert not [path for path in runs.folder.iterdir() if path.name.startswith(".clean")]
    assert cf.verify(runs.folder / "clean", ledger=runs.folder / "a.ledger").verified


test_an_update_killed_at_a_system_call_is_taken_up.share = 0.1  # type: ignore[attr-defined]
