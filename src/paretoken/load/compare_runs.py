"""Two run folders held against each other."""

from __future__ import annotations

from pathlib import Path

from paretoken.load.figures import Level
from paretoken.load.metrics import sample
from paretoken.load.plan import Closed, Load, Open, Stop
from paretoken.load.runs import LevelOnDisk, RunFolder
from paretoken.load.significance import Comparison, compare
from paretoken.load.steady import find_window


def compare_runs(a: Path, b: Path, *, force: bool = False) -> Comparison:
    """Run B against run A, level by level, with significance. BadConfig if their settings differ, unless `force`."""
    runs = [RunFolder(p) for p in (a, b)]
    for run in runs:
        run.about()
    one, other = ([_level(level) for level in run.levels()] for run in runs)
    return compare(one, other, force=force)


def _level(level: LevelOnDisk) -> Level:
    samples, load = sample(level.requests()), _load(level)
    stop = level.summary.get("stop")
    return Level(samples, find_window(samples, load, Stop(**stop) if stop else None), load, level.summary)


def _load(level: LevelOnDisk) -> Load:
    asked = level.summary["load"]
    if asked["kind"] == "closed":
        return Closed(asked["users"], asked["think_s"])
    due_s = level.requests()["due_ns"].sort().to_numpy() / 1e9
    return Open(due_s, asked["rate"])
