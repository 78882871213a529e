"""`live.json` of a run that is measuring: how far its level is, for whoever watches the folder.

The process that watches the workers writes it, beside its place and moved in, at most once a second, from counters in
shared memory. The workers write no file for it. It goes when the run ends. A run that was killed leaves it behind: its
lock says whether it still measures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from paretoken.bench.client.counters import Progress
from paretoken.bench.documents import RunFile, write_json
from paretoken.bench.plan import Load, LoadRecord, Stop, describe_load
from paretoken.bench.run_folder import LevelOnDisk
from paretoken.bench.watch import Watch

LIVE = "live.json"
EVERY_S = 1.0
MOST_SAMPLES = 240
"""Past moments that the file holds; once there are as many, every second one goes and later ones come half as often."""
COUNTED = ("elapsed_s", "running", "sent", "finished", "ok", "errors", "tokens", "cpu_share")
SCRAPED = ("waiting", "kv_cache_usage", "preemptions")
Series = Mapping[str, tuple[float | None, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRecord(RunFile):
    """The content of live.json: the level `number` of `of`, its load, and what was counted so far.

    `series` holds the fields COUNTED of `Progress` at past moments, and SCRAPED of the server's metrics. Before the
    first level, and while one is summed up, `measuring` is false.
    """

    SCHEMA: ClassVar[str] = "paretoken.live"
    CALLED: ClassVar[str] = "the state of a run that measures"

    measuring: bool = False
    at_unix_s: float
    number: int = 0
    of: int | None = None
    load: LoadRecord | None = None
    stop: Stop | None = None
    progress: Progress | None = None
    series: Series = field(default_factory=dict)


@contextmanager
def live_file(folder: Path, watch: Watch) -> Iterator[Watch]:
    """The observer, with live.json written beside it; the file goes at the end."""
    live = LiveFile(folder / LIVE, watch)
    live.write(None, measuring=False)
    try:
        yield live
    finally:
        live.remove()


class LiveFile:
    """Keeps the state of a run in a file, and passes everything on to another observer.

    A file that cannot be written stops no run: what the run itself writes has its own errors.
    """

    def __init__(self, path: Path, watch: Watch, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._watch, self._clock = path, watch, clock
        self._level = LiveRecord(at_unix_s=0.0)
        self._history = LevelHistory()
        self._next_s = 0.0

    def begins(self, number: int, load: Load, of: int | None, stop: Stop) -> None:
        self._history = LevelHistory()
        self._level = LiveRecord(
            measuring=True, at_unix_s=time.time(), number=number, of=of, load=describe_load(load), stop=stop
        )
        self.write(None, measuring=True)
        self._watch.begins(number, load, of, stop)

    def goes_on(self, progress: Progress) -> None:
        now = self._clock()
        if now >= self._next_s:
            self._next_s = now + EVERY_S
            self._history.add(progress)
            self.write(progress, measuring=True)
        self._watch.goes_on(progress)

    def ends(self, level: LevelOnDisk) -> None:
        self.write(None, measuring=False)
        self._watch.ends(level)

    def remove(self) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def write(self, progress: Progress | None, *, measuring: bool) -> None:
        """Write the state now."""
        level = self._level
        record = LiveRecord(
            measuring=measuring,
            at_unix_s=time.time(),
            number=level.number,
            of=level.of,
            load=level.load,
            stop=level.stop,
            progress=progress,
            series=self._history.columns(),
        )
        with suppress(OSError):
            write_json(self._path, record)


@dataclass(slots=True)
class LevelHistory:
    """Past moments of a level, a bounded number of them, spread over its whole time."""

    rows: list[tuple[float | None, ...]] = field(default_factory=list)
    every: int = 1
    passed: int = 0

    def add(self, progress: Progress) -> None:
        """Take a moment, or leave it out where they come more often than they are kept."""
        self.passed += 1
        if self.passed % self.every:
            return
        server = progress.server
        scraped = (None if server is None else getattr(server, name) for name in SCRAPED)
        self.rows.append((*(getattr(progress, name) for name in COUNTED), *scraped))
        if len(self.rows) >= MOST_SAMPLES:
            self.rows = self.rows[1::2]
            self.every *= 2

    def columns(self) -> dict[str, tuple[float | None, ...]]:
        """The moments as columns; a figure that the server does not export has none."""
        table = zip((*COUNTED, *SCRAPED), zip(*self.rows, strict=True), strict=True) if self.rows else ()
        return {name: values for name, values in table if any(v is not None for v in values)}
