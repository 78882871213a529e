"""Imports go one way, between rooms and between files; a name means one thing; public names are all there."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

import paretoken

ROOT = Path(paretoken.__file__).parent
TREE = Path(__file__).parents[1]
ANYTHING = {
    "access_rules",
    "day_curve",
    "emulated",
    "errors",
    "exposition",
    "foreign_http",
    "foreign_text",
    "plain_files",
    "garbage",
    "plural",
    "slo",
    "csv_cells",
    "secret_names",
    "significant",
    "trace_rows",
    "user_folders",
    "version",
    "__version__",
}
MAY_IMPORT = {
    "catalog": set(),
    "accuracy": {"catalog"},
    "parity": {"catalog"},
    "points": {"catalog", "accuracy"},
    "frontier": {"points"},
    "prices": {"catalog"},
    "engines": {"catalog"},
    "sessions": {"catalog"},
    "predict": {"catalog", "points", "frontier", "sessions"},
    "emulate": {"catalog", "predict", "sessions"},
    "bench": {"catalog", "points", "engines", "sessions"},
    "traffic": {"catalog", "bench", "sessions"},
    "plan": {"catalog", "points", "predict", "traffic", "sessions"},
    "history": {"catalog", "points", "bench", "frontier"},
    "answers": {
        "catalog",
        "accuracy",
        "parity",
        "points",
        "frontier",
        "prices",
        "predict",
        "history",
        "sessions",
        "traffic",
        "plan",
    },
    "campaign": {"catalog", "points", "bench", "engines", "predict", "accuracy"},
    "report": {
        "catalog",
        "points",
        "bench",
        "frontier",
        "prices",
        "answers",
        "accuracy",
        "parity",
        "sessions",
        "traffic",
    },
    "receipts": {"catalog", "points", "bench", "engines", "sessions"},
    "serve": {"catalog", "points", "bench", "campaign", "history", "answers", "report"},
    "start": {"catalog", "bench", "engines", "prices", "answers", "campaign"},
    "cli": None,
}
"""The rooms that a room may import; the commands may import all."""
ROOMS = sorted(p.name for p in ROOT.iterdir() if p.is_dir() and p.name != "__pycache__")
JOINS = {"answers", "report", "cli", "campaign"}
"""The rooms in which points may meet prices: answers joins them, the others show its answers."""


@cache
def modules() -> dict[str, Path]:
    """Every Python file that is held to the rules, by its dotted name."""
    files = {p: "paretoken." + dotted(p, ROOT) for p in ROOT.rglob("*.py")}
    for folder in ("benchmarks", "tests/support"):
        files |= {p: dotted(p, TREE) for p in (TREE / folder).rglob("*.py")}
    return {name.removesuffix(".__init__").removesuffix(".") or "paretoken": p for p, name in files.items()}


def dotted(file: Path, root: Path) -> str:
    return ".".join(file.relative_to(root).with_suffix("").parts)


@cache
def nodes_of(name: str) -> tuple[ast.Import | ast.ImportFrom | ast.ClassDef, ...]:
    """What a file imports and the classes that it defines."""
    tree = ast.parse(modules()[name].read_text(encoding="utf-8"))
    return tuple(n for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom, ast.ClassDef)))


@cache
def imports_of(name: str) -> frozenset[str]:
    """The files that a file imports: lazily, for type checking or not. A name of a package is its own file if it is
    one, else the package's `__init__`."""
    file, imported = modules()[name], set()
    package = name.rpartition(".")[0]
    # A script may import the files beside it by their bare names.
    siblings = (
        {p.stem: f"{package}.{p.stem}" for p in file.parent.glob("*.py")} if package.startswith("benchmarks") else {}
    )
    for node in nodes_of(name):
        if isinstance(node, ast.ImportFrom) and node.module in siblings:
            imported.add(siblings[node.module])
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import; write the whole path"
            imported |= {
                f"{node.module}.{a.name}" if f"{node.module}.{a.name}" in modules() else node.module for a in node.names
            }
        elif isinstance(node, ast.Import):
            imported |= {siblings.get(a.name, a.name) for a in node.names}
    return frozenset(m for m in imported if m in modules() and m != name)


def room_of(name: str) -> str:
    """`answers` of paretoken.answers.compare; a file of the root is a room of its own."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__version__"


def ours() -> list[str]:
    return sorted(
        n for n in modules() if n.split(".")[0] == "paretoken" and n not in ("paretoken", "paretoken.__main__")
    )


@pytest.mark.parametrize("room", [r for r in ROOMS if r != "cli"])
def test_imports_go_one_way(room):
    allowed = MAY_IMPORT[room] | {room} | ANYTHING
    for name in (n for n in ours() if room_of(n) == room):
        stray = {m for m in imports_of(name) if room_of(m) not in allowed}
        assert not stray, f"{name} imports {sorted(stray)}; {room} may import {sorted(MAY_IMPORT[room])}"


def test_every_room_is_in_the_table():
    assert set(ROOMS) == set(MAY_IMPORT)


def test_the_table_of_rooms_has_no_circle():
    depth: dict[str, int] = {}

    def deep(room: str, path: tuple[str, ...] = ()) -> int:
        assert room not in path, f"circle of rooms: {' → '.join((*path, room))}"
        if room not in depth:
            depth[room] = 1 + max((deep(r, (*path, room)) for r in MAY_IMPORT[room] or ()), default=0)
        return depth[room]

    for room in MAY_IMPORT:
        deep(room)


def test_nothing_imports_the_commands():
    for name in ours():
        if room_of(name) != "cli":
            assert not {m for m in imports_of(name) if room_of(m) == "cli"}, name


def test_no_file_is_in_a_circle():
    circles = [sorted(c) for c in strongly_connected({n: imports_of(n) for n in modules()}) if len(c) > 1]
    assert not circles, f"circles of imports: {circles}"


def strongly_connected(graph: dict[str, frozenset[str]]) -> list[set[str]]:
    """The groups of nodes that reach each other (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[set[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            cut = stack.index(node)
            groups.append(set(stack[cut:]))
            del stack[cut:]

    for node in graph:
        if node not in index:
            visit(node)
    return groups


def test_only_answers_joins_points_with_prices():
    for name in ours():
        rooms = {room_of(m) for m in imports_of(name)} | {room_of(name)}
        joins = "prices" in rooms and rooms & {"points", "frontier"}
        assert room_of(name) in JOINS or not joins, f"move to answers what joins points with prices in {name}"


def test_no_class_name_stands_for_two_things():
    homes = defaultdict(list)
    for name in (n for n in modules() if n.split(".")[0] == "paretoken"):
        for node in nodes_of(name):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(name)
    twice = {c: files for c, files in homes.items() if len(files) > 1}
    assert not twice


def test_public_names_are_all_there():
    assert paretoken.__all__ == ["__version__", *sorted(paretoken.__all__[1:])]
    assert sorted(paretoken.__all__[1:]) == sorted(paretoken._HOME)
    for name in paretoken.__all__:
        assert getattr(paretoken, name) is not None


def test_public_names_are_those_that_a_checker_sees():
    """The imports under TYPE_CHECKING and the table of modules are the same."""
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    block = next(n for n in tree.body if isinstance(n, ast.If))
    seen = {
        a.asname or a.name: n.module.removeprefix("paretoken.")
        for n in block.body
        if isinstance(n, ast.ImportFrom)
        for a in n.names
    }
    assert seen == paretoken._HOME


def test_no_public_name_is_also_a_module():
    """A module would take the name's place as soon as it is imported."""
    stems = {p.stem for p in ROOT.iterdir()}
    assert not stems & set(paretoken.__all__)


def test_help_loads_nothing_heavy():
    code = (
        "import sys, paretoken.cli.main as m\n"
        "try:\n    m.paretoken(['--help'], standalone_mode=False)\nexcept SystemExit:\n    pass\n"
        "print(sorted(set(sys.modules) & {'polars', 'numpy', 'scipy', 'pydantic', 'jinja2'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
