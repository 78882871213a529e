"""Two run folders held against each other."""

from __future__ import annotations

from pathlib import Path

from paretoken.bench.run_folder import RunFolder
from paretoken.bench.stats.figures import level
from paretoken.bench.stats.significance import Comparison, compare


def compare_runs(a: Path, b: Path, *, force: bool = False) -> Comparison:
    """Run B against run A, level by level, with significance. BadConfig if their settings differ, unless `force`."""
    runs = [RunFolder(p) for p in (a, b)]
    for run in runs:
        run.about()
    one, other = ([level(found.requests(), found.summary) for found in run.levels()] for run in runs)
    return compare(one, other, force=force)
