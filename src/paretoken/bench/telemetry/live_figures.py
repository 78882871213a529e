"""The figures of a running benchmark, for whoever asks: sums over its requests, and its state now.

Requests come from the journals of the level, read when someone asks, so nothing is done in between and nothing in the
processes of the load. At the end of a level they come from its records on disk, which hold every request. Values are
those of this process: levels that a continued run had before are not in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock

import polars as pl

from paretoken.bench.client.counters import Progress
from paretoken.bench.client.journal import SUFFIX, records_after
from paretoken.bench.plan import Load, LoadRecord, Stop, describe_load
from paretoken.bench.run_folder import REQUESTS, LevelOnDisk, RunFolder
from paretoken.bench.stats.metrics import sample
from paretoken.bench.telemetry.request_sums import RequestSums, head, single
from paretoken.errors import BadFile
from paretoken.exposition import labels_of

PREFIX = "paretoken_bench_"
MOST_AT_ONCE = 20_000
"""Requests read when someone asks; a busier level is read up by the next question, or at its end."""
RESULTS = ("measured", "failed", "client_limited")


class LiveFigures:
    """Watches a sweep into a folder. `about` are the labels that say what is measured."""

    def __init__(self, folder: RunFolder, about: Mapping[str, object]) -> None:
        self._folder, self._about = folder, about
        self._lock = Lock()
        self._before, self._level = RequestSums(), RequestSums()
        self._received_before = 0
        self._levels = dict.fromkeys(RESULTS, 0)
        self._number, self._of = 0, 0
        self._load: LoadRecord | None = None
        self._progress: Progress | None = None
        self._places: dict[Path, int] = {}

    def begins(self, number: int, load: Load, of: int | None, stop: Stop) -> None:
        with self._lock:
            self._number, self._of, self._load = number, of or 0, describe_load(load)
            self._level, self._progress, self._places = RequestSums(), None, {}

    def goes_on(self, progress: Progress) -> None:
        self._progress = progress

    def ends(self, level: LevelOnDisk) -> None:
        """Put the level's records into the place of what was read of its journals."""
        if self._load is None:
            return  # it was on disk when the run was continued
        records = _of_records(level.folder / REQUESTS)  # before the lock: a page is not to wait for it
        with self._lock:
            whole, arrived = records or (self._level, 0)
            self._received_before += max(arrived, self._progress.tokens if self._progress else 0)
            self._before, self._level = self._before.plus(whole), RequestSums()
            self._load = self._progress = None
            self._places = {}
        failed = level.summary.failed
        self._levels["failed" if failed else "client_limited" if level.summary.client_limited else "measured"] += 1

    def text(self) -> str:
        """All of them in Prometheus' text format."""
        with self._lock:
            if self._load is not None:
                self._read_on()
            return "\n".join(self._lines()) + "\n"

    def _read_on(self) -> None:
        """Count the requests that ended since the last time."""
        left = MOST_AT_ONCE
        for path in sorted(self._folder.level_folder(self._number).glob(f"*{SUFFIX}")):
            # The level may just have ended: then its journals are gone, and its records are counted instead.
            with suppress(BadFile):
                for part, place in records_after(path, self._places.get(path, 0)):
                    self._level.add(sample(part))
                    self._places[path] = place
                    left -= part.height
                    if left <= 0:
                        return

    def _lines(self) -> Iterator[str]:
        yield from head(f"{PREFIX}info", "gauge", "What is measured, and by which version.")
        yield f"{PREFIX}info{{{labels_of(**self._about)}}} 1"
        yield from self._before.plus(self._level).lines(PREFIX)
        now, load = self._progress, self._load
        received = self._received_before + (now.tokens if now else 0)
        what = "Output tokens that arrived, of running answers too, as the client counts them."
        yield from single(f"{PREFIX}received_tokens_total", "counter", what, received)
        yield from head(f"{PREFIX}levels_total", "counter", "Load levels that ended, by what came of them.")
        for result, count in self._levels.items():
            yield f"{PREFIX}levels_total{{{labels_of(result=result)}}} {count}"
        yield from single(f"{PREFIX}level", "gauge", "Number of the load level, from 1.", self._number)
        yield from single(
            f"{PREFIX}level_running", "gauge", "1 while a level runs, 0 between levels.", int(load is not None)
        )
        yield from single(f"{PREFIX}levels", "gauge", "Planned load levels, 0 in a search.", self._of)
        yield from self._of_load(load)
        yield from self._of_progress(now)

    def _of_load(self, load: LoadRecord | None) -> Iterator[str]:
        users = load.users if load else 0
        yield from single(f"{PREFIX}users", "gauge", "Concurrent users of a closed loop.", users)
        noun = "Sessions" if load and load.sessions else "Requests"
        rate = load.rate if load else None
        yield from single(f"{PREFIX}offered_per_second", "gauge", f"{noun} a second of an open loop.", rate)

    def _of_progress(self, now: Progress | None) -> Iterator[str]:
        in_flight = now.running if now else 0
        yield from single(f"{PREFIX}in_flight_requests", "gauge", "Requests sent and not ended.", in_flight)
        sessions = now.sessions_begun - now.sessions_ended if now else 0
        yield from single(f"{PREFIX}open_sessions", "gauge", "Sessions begun and not ended.", sessions)
        yield from single(
            f"{PREFIX}client_cpu_ratio",
            "gauge",
            "Share of its core that the busiest process of the load used, over the last seconds.",
            now.cpu_share if now else None,
        )


def _of_records(file: Path) -> tuple[RequestSums, int] | None:
    """The sums over the records of a level, and its tokens as the client counted them, read some at a time.

    None where they cannot be read.
    """
    sums, arrived = RequestSums(), 0
    try:
        rows = pl.scan_parquet(file, glob=False)
        for start in range(0, rows.select(pl.len()).collect().item(), MOST_AT_ONCE):
            part = rows.slice(start, MOST_AT_ONCE).collect()
            sums.add(sample(part))
            arrived += int(part["chunk_tokens"].list.sum().sum())
    except (OSError, pl.exceptions.PolarsError):
        return None
    return sums, arrived
