"""Reads every source at a fixed interval, in a thread, and keeps the readings."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self

from paretoken.engines.telemetry import amd, host, nvml
from paretoken.engines.telemetry.source import COLUMNS, Reading, TelemetrySource

if TYPE_CHECKING:
    import polars as pl

OPENERS: tuple[Callable[[], TelemetrySource | None], ...] = (nvml.open_source, amd.open_source, host.open_source)


def open_sources() -> list[TelemetrySource]:
    """The sources that this machine has."""
    return [source for opened in OPENERS if (source := opened()) is not None]


class Sampler:
    """A context manager; the sources are closed at its end. A source that fails is left out of that reading."""

    def __init__(
        self, sources: Sequence[TelemetrySource], interval_s: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.sources, self.interval_s = sources, interval_s
        self.missed = 0
        self._clock = clock
        self._rows: list[tuple[float, str, Reading]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for source in self.sources:
            source.close()

    def about(self) -> dict[str, object]:
        """The constant facts of each source."""
        return {source.name: source.about() for source in self.sources}

    def look(self) -> None:
        """One reading of every source."""
        for source in self.sources:
            at = self._clock()
            try:
                readings = source.read()
            except Exception:  # a driver may do anything, and a measurement must not end for it
                self.missed += 1
                continue
            self._rows += [(at, device, reading) for device, reading in readings.items()]

    def between(self, start_s: float, end_s: float) -> pl.DataFrame:
        """Readings of a span of the clock, in long form: `at_s`, `device`, and the columns that some device reports."""
        return as_table([row for row in list(self._rows) if start_s <= row[0] <= end_s])

    def forget(self, before_s: float) -> None:
        """Drop readings before a time."""
        self._rows = [row for row in self._rows if row[0] >= before_s]

    def _run(self) -> None:
        """On absolute times, so that a slow reading moves no later one."""
        due = self._clock()
        while not self._over.is_set():
            self.look()
            due += self.interval_s
            now = self._clock()
            if due < now:
                due = now
            self._over.wait(due - now)


def as_table(rows: Sequence[tuple[float, str, Reading]]) -> pl.DataFrame:
    """Rows as a table; a column that no device reports is left out, rather than filled with zeros."""
    import polars as pl

    names = [name for name in COLUMNS if any(name in reading for _, _, reading in rows)]
    schema = {"at_s": pl.Float64, "device": pl.String}
    schema |= {name: pl.String if name == "throttle" else pl.Float64 for name in names}
    data = [{"at_s": at, "device": device, **{n: reading.get(n) for n in names}} for at, device, reading in rows]
    return pl.DataFrame(data, schema=schema)
