"""Receipts, archives of published runs, and what the pages of runs read."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from paretoken.bench.live_file import LIVE, LiveFile
from paretoken.bench.plan import Closed, Stop
from paretoken.bench.stats.metrics_reading import MetricsReading
from paretoken.receipts.archive import publish
from paretoken.receipts.places import verified_at
from paretoken.receipts.recipes import recipes_at
from paretoken.receipts.verify import verify_run
from paretoken.serve.runs.files import run_places
from paretoken.serve.runs.live import level_picture, live_record
from paretoken.serve.runs.rows import row_of
from tests.fuzz.reader import Files, FuzzedReader
from tests.fuzz.registry.runs import files_below
from tests.support.live_levels import Silent, progress
from tests.support.sealed_runs import sealed_run

ARCHIVES = ("run.zip", "run.tar.gz")


@cache
def sealed_files() -> Files:
    """A run of two small levels with its receipts."""
    with tempfile.TemporaryDirectory() as place:
        return files_below(sealed_run(Path(place) / "run", (1, 2)))


@cache
def archives() -> Files:
    with tempfile.TemporaryDirectory() as place:
        run, out = sealed_run(Path(place) / "run", (1,)), Path(place) / "out"
        for name in ARCHIVES:
            publish(run, verify_run(run), out / name)
        return files_below(out)


def live_files() -> Files:
    with tempfile.TemporaryDirectory() as place:
        live = LiveFile(Path(place) / LIVE, Silent(), clock=iter(range(9)).__next__)
        live.begins(2, Closed(4), 3, Stop(seconds=30))
        for second in (1, 2, 3):
            live.goes_on(progress(second, server=MetricsReading(waiting=1.0, kv_cache_usage=0.25, preemptions=2.0)))
        return files_below(Path(place))


def opened(place: Path) -> None:
    for name in ARCHIVES:
        with verified_at(place / name):
            pass


def live(place: Path) -> None:
    record = live_record(place)
    if record:
        level_picture(record)


def rows(place: Path) -> None:
    for one in run_places(place):
        row_of(place, one)


READERS = (
    FuzzedReader("receipts", sealed_files, verify_run, (r"receipt\.json",), cost=6),
    FuzzedReader("run of receipts", sealed_files, verify_run, (r"\.json$",), cost=6),
    FuzzedReader("run, reproduced", sealed_files, recipes_at, (r"\.json$",), cost=6),
    FuzzedReader("archive of a run", archives, opened, cost=6),
    FuzzedReader("live.json", live_files, live),
    FuzzedReader("row of a run", sealed_files, rows, (r"\.json$",), cost=6),
)
