"""A scan: the steps of CI of one tree, and the functions of the test files that they run."""

from __future__ import annotations

from pathlib import Path

from paretoken.garbage import no_collection
from paretoken.parity.functions import count
from paretoken.parity.modules import Modules
from paretoken.parity.policy import load_policy
from paretoken.parity.readers import reader_of
from paretoken.parity.release import release_of
from paretoken.parity.rows import VENDORS, Scan, ScanSnapshot
from paretoken.parity.tree import Tree


def scan(
    engine: str, path: Path | str, *, policy: Path | None = None, date: str | None = None, commit: str | None = None
) -> Scan:
    """Read the CI of an unpacked source tree; nothing in it is executed or imported.

    `policy` is a TOML file of rules added to the shipped ones, `date` (YYYY-MM-DD) the day that selects rules.
    """
    read = reader_of(engine)
    tree = Tree(path)
    release = release_of(tree, engine, date=date, commit=commit)
    rules = load_policy(engine, release.date, policy)
    definition = read(tree, release, rules)
    modules = Modules(tree)
    files = sorted({f for r in definition.rows if r.runs and r.vendor in VENDORS for f in r.files if tree.has(f)})
    snapshot = ScanSnapshot(
        engine=engine,
        version=release.version,
        commit=release.commit,
        date=release.date,
        layout=definition.layout,
        policy=tuple(map(str, rules.used)),
        notes=definition.notes,
    )
    with no_collection():  # syntax trees hold no cycles
        return Scan(snapshot, definition.rows, tuple(count(modules, f) for f in files))
