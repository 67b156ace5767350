"""The house stands as it was drawn: imports point downward, and each tower keeps to itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "compliance_frames"

#: Each room, and the rooms whose modules it may import.
GROUND = {"errors", "names", "documents", "schemas", "progress", "durable", "lock"}
MAY_IMPORT = {
    "durable": set(),
    "lock": {"errors", "progress"},
    "errors": {"names"},
    "names": set(),
    "documents": set(),
    "schemas": set(),
    "progress": set(),
    "ids": GROUND,
    "raw": GROUND | {"ids"},
    "service": GROUND | {"ids"},
    "jobs": GROUND | {"ids", "raw", "service"},
    "corpus": GROUND | {"ids", "raw", "jobs.ledger"},
    "proof": GROUND | {"ids", "jobs.ledger", "corpus.manifest"},
    "report": GROUND | {"ids", "jobs.ledger", "corpus.manifest"},
    "emulator": GROUND | {"ids"},
    "sample": GROUND | {"ids"},
}
TOP = {"asking", "cli", "console", "demo", "__main__", "__init__"}


def imports_of(module: Path) -> set[str]:
    """The package's own modules that a module imports, dotted, without the package's name."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name.removeprefix("compliance_frames.") for name in names if name.startswith("compliance_frames.")}
    return found


def room_of(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_imports_point_downward(module: Path) -> None:
    """A module imports only from its own room and from those below it."""
    room = room_of(module)
    if room in TOP:
        return
    allowed = MAY_IMPORT[room] | {room}
    for name in imports_of(module):
        parts = name.split(".")
        rooms = {".".join(parts[:n]) for n in range(1, len(parts) + 1)}
        inside = any(other.startswith(f"{name}.") for other in allowed)  # `from package.jobs import ledger` names both
        assert rooms & allowed or inside, f"{room} imports {name}"


def test_no_relative_imports() -> None:
    """Imports are written whole, so that a search for a module's name finds its users."""
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            assert not (isinstance(node, ast.ImportFrom) and node.level), f"{module} has a relative import"


def test_only_the_service_room_names_httpx() -> None:
    """One room speaks HTTP; nobody else may hold a client."""
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(name.split(".")[0] in {"httpx", "httpcore"} for name in names):
                assert room_of(module) == "service", f"{module} imports httpx"


@pytest.mark.parametrize(
    "module", ["corpus.clean", "corpus.plan", "corpus.frames", "proof.verify", "service.given", "service.events"]
)
def test_the_corpus_tower_loads_no_http(module: str) -> None:
    """Planning, cleaning and verifying never load an HTTP client, not even by a detour; nor does reading of files."""
    code = f"import sys, compliance_frames.{module}; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "module", ["service.api", "service.storage", "service.results", "service.given", "service.events"]
)
def test_the_service_tower_loads_no_dataset(module: str) -> None:
    """The service tower knows no dataset: nothing of the corpus or proof rooms is loaded by it."""
    code = (
        f"import sys, compliance_frames.{module}; "
        "sys.exit(any(m.startswith(('compliance_frames.corpus.', 'compliance_frames.proof.')) for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_proof_shares_nothing_with_the_cleaning_but_the_manifest() -> None:
    """The check is independent: of the cleaning rooms it loads the manifest alone."""
    code = (
        "import sys, compliance_frames.proof.verify; "
        "print(sorted(m for m in sys.modules if m.startswith('compliance_frames.corpus.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "['compliance_frames.corpus.manifest']"


def test_the_door_opens_to_every_name_it_lists() -> None:
    """Everything in ``__all__`` can be had, and is documented."""
    import compliance_frames as cf

    for name in cf.__all__:
        assert getattr(cf, name).__doc__, name
    assert set(cf.__all__) <= set(dir(cf))


def test_the_door_suggests_a_name_for_a_misspelt_one() -> None:
    """A typo is answered with the name that was meant."""
    import compliance_frames as cf

    with pytest.raises(AttributeError, match="Did you mean 'check'"):
        cf.chekc  # noqa: B018


def test_a_light_import_loads_no_heavy_library() -> None:
    """``import compliance_frames`` and the command line's help start quickly: nothing heavy is loaded until used."""
    code = "import sys, compliance_frames; sys.exit(bool({'polars', 'duckdb', 'httpx', 'pyarrow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_error_stands_in_the_drawn_tree() -> None:
    """The tree in the docstring of ``errors`` is the tree of the classes."""
    from compliance_frames import errors

    drawn = errors.__doc__ or ""
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    named = [cls for cls in classes if issubclass(cls, errors.ComplianceFramesError)]
    for cls in named:
        line = next(line for line in drawn.splitlines() if cls.__name__ in line.split())
        depth = line.index(cls.__name__) // 2 - 2
        assert depth == [c for c in cls.__mro__ if c in named].index(errors.ComplianceFramesError), cls
    assert len(named) == sum("Error" in line for line in drawn.split("::")[1].split("A message")[0].splitlines())
