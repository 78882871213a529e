"""Two run folders compared."""

from __future__ import annotations

from pathlib import Path

from paretoken.bench.run_folder import RunFolder
from paretoken.bench.stats.figures import compared_level
from paretoken.bench.stats.significance import RunComparison, compare


def compare_runs(a: Path, b: Path, *, force: bool = False) -> RunComparison:
    """Run B against run A, level by level, with significance. BadConfig if their settings differ, unless `force`."""
    runs = [RunFolder(p) for p in (a, b)]
    for run in runs:
        run.metadata()
    one, other = ([compared_level(level.requests(), level.summary) for level in run.levels()] for run in runs)
    return compare(one, other, force=force)
