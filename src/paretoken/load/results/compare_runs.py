"""Two run folders held against each other."""

from __future__ import annotations

from pathlib import Path

from paretoken.load.results.figures import level
from paretoken.load.results.significance import Comparison, compare
from paretoken.load.runs import RunFolder


def compare_runs(a: Path, b: Path, *, force: bool = False) -> Comparison:
    """Run B against run A, level by level, with significance. BadConfig if their settings differ, unless `force`."""
    runs = [RunFolder(p) for p in (a, b)]
    for run in runs:
        run.about()
    one, other = ([level(found.requests(), found.summary) for found in run.levels()] for run in runs)
    return compare(one, other, force=force)
