"""A scan: the steps of CI of one tree, and the functions of the test files that they run."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paretoken.parity.about import about
from paretoken.parity.functions import count
from paretoken.parity.modules import Modules
from paretoken.parity.policy import load_policy
from paretoken.parity.readers import reader_of
from paretoken.parity.rows import VENDORS, Scan, Snapshot
from paretoken.parity.tree import Tree


def scan(
    engine: str, path: Path | str, *, policy: Path | None = None, date: str | None = None, commit: str | None = None
) -> Scan:
    """Read the CI of an unpacked source tree; nothing in it is run or imported.

    `policy` is a TOML file of rules laid over the shipped ones, `date` (YYYY-MM-DD) the day whose rules hold.
    """
    read = reader_of(engine)
    tree = Tree(path)
    release = about(tree, engine, date=date, commit=commit)
    rules = load_policy(engine, release.date, policy)
    found = read(tree, release, rules)
    modules = Modules(tree)
    files = sorted({f for r in found.rows if r.live and r.vendor in VENDORS for f in r.files if tree.has(f)})
    snapshot = Snapshot(
        engine, release.version, release.commit, release.date, found.layout, tuple(map(str, rules.used)), found.notes
    )
    with _no_collection():
        return Scan(snapshot, found.rows, tuple(count(modules, f) for f in files))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Syntax trees hold no cycles; looking for some while thousands are built takes twice as long as all the rest."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
