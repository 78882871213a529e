"""Run folders compared at equal load."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from paretoken.bench.run_folder import RunFolder, run_folders
from paretoken.bench.stats.figures import ComparedLevel, compared_level
from paretoken.history.at_load import RunComparison, compare


def compare_runs(a: Sequence[Path], b: Sequence[Path], *, force: bool = False) -> RunComparison:
    """Runs B against runs A, level by level; several runs of a side count as repeats.

    BadConfig if their settings differ, unless `force`.
    """
    return compare(_levels(a), _levels(b), force=force)


def _levels(places: Sequence[Path]) -> list[ComparedLevel]:
    runs = [RunFolder(folder) for place in places for folder in run_folders(place)]
    return [compared_level(finished.requests(), finished.summary) for run in runs for finished in run.levels()]
