"""What a power cut may find: no name ever stands for bytes that are not on the disk yet. Read off the system calls."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

#: ``PID CALL(…) = RESULT``, with paths behind file descriptors as ``strace -y`` writes them.
_CALL = re.compile(r"^(?P<pid>\d+) +(?P<call>\w+)\((?P<args>.*)\) += (?P<result>-?\d+)")
_UNFINISHED = re.compile(r"^(?P<pid>\d+) +(?P<call>\w+)\((?P<args>.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(?P<pid>\d+) +<\.\.\. (?P<call>\w+) resumed>(?P<args>.*)\) += (?P<result>-?\d+)")
_FILE = re.compile(r"^\d+<(?P<path>[^>]*)>")
_NAMES = re.compile(r'"((?:[^"\\]|\\.)*)"')

WRITES = {"write", "pwrite64", "ftruncate", "copy_file_range"}
SYNCS = {"fsync", "fdatasync"}
#: Part of the path of whatever is not published yet.
STAGING = "/.clean.compliance-frames/"
RENAMES = {"rename", "renameat", "renameat2"}


def calls_of(log: Path) -> Iterator[tuple[str, str]]:
    """Every call that went well, in the order in which they ended: its name and its arguments."""
    begun: dict[tuple[str, str], str] = {}
    for line in log.read_text(errors="replace").splitlines():
        if match := _UNFINISHED.match(line):
            begun[match["pid"], match["call"]] = match["args"]
        elif match := _RESUMED.match(line):
            if int(match["result"]) >= 0:
                yield match["call"], begun.pop((match["pid"], match["call"]), "") + match["args"]
        elif (match := _CALL.match(line)) and int(match["result"]) >= 0:
            yield match["call"], match["args"]


@dataclass
class Disk:
    """What is on the disk for sure, and what is not yet, as calls go by.

    Attributes:
        folder: paths below it are looked at.
        unsafe: files with bytes that were not synced.
        renamed: names that were given, in directories that were not synced since.
        published: every name that was given by a rename.
        problems: each name that was given to bytes that were not safe.
    """

    folder: Path
    unsafe: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    published: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def see(self, call: str, args: str) -> None:
        """One call goes by."""
        file = _FILE.match(args)
        if call in RENAMES:
            self._rename(*(self._absolute(name) for name in _NAMES.findall(args)[-2:]))
        elif call == "copy_file_range":
            self.unsafe.add(str(re.findall(r"\d+<([^>]*)>", args)[1]))
        elif file and call in WRITES:
            self.unsafe.add(file["path"])
        elif file and call in SYNCS:
            self.unsafe.discard(file["path"])
            self.renamed = {name: folder for name, folder in self.renamed.items() if folder != file["path"]}

    def _absolute(self, name: str) -> str:
        return str(self.folder / name)

    def _rename(self, old: str, new: str) -> None:
        below = {path for path in self.unsafe if path == old or path.startswith(f"{old}/")}
        if STAGING in new:  # out of sight; what is read there again is held against its digest
            self.unsafe = self.unsafe - below | {path.replace(old, new, 1) for path in below}
        else:
            self.problems += [f"{new} stands for {path}, which is not on the disk" for path in below]
        # Names below a directory that gets its own name have to be safe by then, too.
        self.problems += [
            f"{new} holds {name}, whose directory is not on the disk"
            for name, folder in self.renamed.items()
            if folder == old or folder.startswith(f"{old}/")
        ]
        self.renamed[new] = str(Path(new).parent)
        self.published.append(Path(new).relative_to(self.folder).as_posix())


def watched(runs: Any, *command: object) -> Disk:
    """A run of a command, and what it did to the disk."""
    log = runs.folder / "strace.log"
    done = runs(*command, log=log)
    assert done.returncode == 0, done.stderr
    disk = Disk(runs.folder.resolve())
    for call, args in calls_of(log):
        disk.see(call, args)
    return disk


def test_cleaning_syncs_data_before_names_and_directories_after(
    runs: Any, strace: str, corpus_of_faults: Path, files_below: Any
) -> None:
    """Each file and each directory before the dataset gets its name, and the parent after."""
    shutil.copytree(corpus_of_faults, runs.folder / "corpus")
    (runs.folder / "corpus" / "README.txt").write_text("goes over as it is")
    asked = runs("check", "corpus", "--ledger", "a.ledger", "--poll", "0.02s")
    assert asked.returncode == 0, asked.stderr
    disk = watched(runs, "clean", "corpus", "clean", "--ledger", "a.ledger", "--workers", 2)
    assert disk.problems == []
    assert disk.renamed == {}, "a name may be lost: its directory was not synced"
    assert disk.published[-2:] == ["clean.manifest.json", "clean"], "no dataset is ever seen without its manifest"
    staged = [name for name in disk.published if "/data/" in name]
    assert len(staged) == len(files_below(runs.folder / "clean")), "every file was renamed into its place"


def test_a_ledger_syncs_data_before_names_and_directories_after(runs: Any, strace: str, asked_table: pa.Table) -> None:
    """IDs before the ledger speaks of them, results before it calls them done."""
    pq.write_table(asked_table, runs.folder / "ids.parquet")
    disk = watched(
        runs, "check", "ids.parquet", "--type", "tweets", "--id-column", "id", "--ledger", "a.ledger", "--poll", "0.02s"
    )
    assert disk.problems == []
    assert disk.renamed == {}, "a name may be lost: its directory was not synced"
    assert {"a.ledger/chunks/1.parquet", "a.ledger/results/1.parquet"} <= set(disk.published)


def test_what_is_not_synced_is_seen(tmp_path: Path) -> None:
    """The reader of system calls sees a name for bytes that are not safe, and a directory that is not."""
    disk = Disk(tmp_path)
    disk.see("write", f'3<{tmp_path}/a.part>, "x", 1')
    disk.see("rename", '"a.part", "a"')
    assert disk.problems == [f"{tmp_path}/a stands for {tmp_path}/a.part, which is not on the disk"]
    assert set(disk.renamed) == {f"{tmp_path}/a"}
    disk.see("fsync", f"4<{tmp_path}>")
    assert disk.renamed == {}


def test_what_is_staged_must_be_synced_before_it_is_published(tmp_path: Path) -> None:
    """A file keeps its mark under every name that it has out of sight."""
    disk = Disk(tmp_path)
    part, data = f"{tmp_path}{STAGING}1/parts/a.part", f"{tmp_path}{STAGING}1/data"
    disk.see("write", f'3<{part}>, "x", 1')
    disk.see("rename", f'"{part}", "{data}/a"')
    assert disk.problems == []
    disk.see("renameat2", f'AT_FDCWD, "{data}", AT_FDCWD, "{tmp_path}/clean", RENAME_NOREPLACE')
    assert len(disk.problems) == 2, "neither the file nor the directory it is in"
