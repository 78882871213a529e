"""Imports go one way; the public names are the public names."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import paretoken

ROOT = Path(paretoken.__file__).parent
ANYTHING = {"errors", "__version__"}
MAY_IMPORT = {
    "catalog": set(),
    "accuracy": {"catalog"},
    "parity": {"catalog"},
    "points": {"catalog", "accuracy"},
    "frontier": {"points"},
    "prices": {"catalog", "frontier"},
    "engines": {"catalog"},
    "predict": {"catalog", "points", "frontier"},
    "emulate": {"catalog", "predict"},
    "bench": {"catalog", "points", "engines"},
    "history": {"catalog", "points", "bench", "frontier"},
    "answers": {"catalog", "accuracy", "parity", "points", "frontier", "prices", "predict", "history"},
    "campaign": {"catalog", "points", "bench", "engines", "predict", "accuracy"},
    "report": {"catalog", "points", "bench", "frontier", "prices", "answers", "accuracy", "parity"},
}
ROOMS = sorted(p.name for p in ROOT.iterdir() if p.is_dir() and p.name != "__pycache__")


def imports_of(file: Path) -> set[str]:
    """The rooms of paretoken that a file imports, lazily or not."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").split(".")[0] == "paretoken":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level > 0:
            pytest.fail(f"{file}: relative import; write the whole path")
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("paretoken.")}
    return found


@pytest.mark.parametrize("room", [r for r in ROOMS if r != "cli"])
def test_imports_go_one_way(room):
    allowed = MAY_IMPORT[room] | {room} | ANYTHING
    for file in (ROOT / room).rglob("*.py"):
        stray = imports_of(file) - allowed
        assert not stray, (
            f"{file.relative_to(ROOT)} imports {sorted(stray)}; {room} may import {sorted(MAY_IMPORT[room])}"
        )


def test_nothing_imports_the_commands():
    for file in ROOT.rglob("*.py"):
        if "cli" not in file.relative_to(ROOT).parts and file.name != "__main__.py":
            assert "cli" not in imports_of(file), file


def test_public_names_are_all_there():
    assert paretoken.__all__ == ["__version__", *sorted(paretoken.__all__[1:])]
    assert sorted(paretoken.__all__[1:]) == sorted(paretoken._HOME)
    for name in paretoken.__all__:
        assert getattr(paretoken, name) is not None


def test_no_public_name_is_also_a_module():
    """A module would take the name's place as soon as it is imported."""
    modules = {p.stem for p in ROOT.iterdir()}
    assert not modules & set(paretoken.__all__)


def test_help_loads_nothing_heavy():
    code = (
        "import sys, paretoken.cli.main as m\n"
        "try:\n    m.paretoken(['--help'], standalone_mode=False)\nexcept SystemExit:\n    pass\n"
        "print(sorted(set(sys.modules) & {'polars', 'numpy', 'scipy', 'pydantic', 'plotly', 'jinja2', 'rich'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
