"""The notebooks run top to bottom, as they are."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    """The folder is found; an empty list would pass every test below."""
    assert "01_first_clean.ipynb" in [path.name for path in NOTEBOOKS]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_top_to_bottom(path: Path, tmp_path: Path) -> None:
    """Every cell runs in order in an empty folder, without an error and without a word on stderr."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=100, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    assert len(outputs) >= 8


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_holds_no_trace_of_a_machine(path: Path) -> None:
    """What is committed shows no folder of the one who ran it, no token and no address."""
    text = path.read_text()
    for trace in (
        str(Path.home()),
        tempfile.gettempdir() + "/",
        str(path.parents[1]),
        "/home/",
        "127.0.0.1:",
        "Traceback",
    ):
        assert trace not in text, trace
