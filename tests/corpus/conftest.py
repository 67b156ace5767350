"""Made answers of the service, and small made corpora, for the tests of this room."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames.corpus.footer import InMemory, read_footer, sealed
from compliance_frames.corpus.thrift import Struct
from compliance_frames.schemas import RESULTS

Flag = Callable[..., pa.Table]


@pytest.fixture(scope="session")
def flag() -> Flag:
    """``flag("deleted", [1, 2])``: a table of results in the package's own schema."""

    def make(
        reason: str, ids: Iterable[int], type: str = "tweets", *, action: str = "delete", job: int = 1
    ) -> pa.Table:
        rows = [
            {
                "type": type,
                "id": int(id),
                "action": action,
                "reason": reason,
                "created_at": None,
                "redacted_at": None,
                "job_id": job,
                "checked_at": datetime(2024, 5, 1, tzinfo=UTC),
            }
            for id in ids
        ]
        return pa.Table.from_pylist(rows, schema=RESULTS)

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """``write({"a.parquet": table})``: a dataset of these files; gives its directory."""

    def make(files: dict[str, pa.Table | bytes], **options: object) -> Path:
        root = tmp_path / "corpus"
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                with pa.OSFile(str(path), "wb") as target:
                    pq.write_table(content, target, **options)
        return root

    return make


@pytest.fixture(scope="session")
def edit_footer() -> Callable[[Path, Callable[[Struct], None]], Path]:
    """``edit_footer(path, edit)``: the file with ``FileMetaData`` put through ``edit``, as another writer's may be."""

    def make(path: Path, edit: Callable[[Struct], None]) -> Path:
        content = path.read_bytes()
        footer = read_footer(InMemory(content))
        edit(footer.file)
        path.write_bytes(content[: footer.start] + sealed(footer.file))
        return path

    return make
