"""The server's own counters beside the run: before, after, and about once a second in a thread.

Nothing here raises into the run: a server without `/metrics`, or one too busy to answer, leaves gaps that
are counted, and figures that are None.
"""

from __future__ import annotations

import http.client
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np

from paretoken.bench.stats.prometheus import COUNTERS, FIGURES, Snapshot, merge, parse
from paretoken.catalog.engine_files import metrics_paths

MAX_BYTES = 8_000_000
GAUGES = tuple(name for name in FIGURES if name not in COUNTERS)

Fetch = Callable[[str, float], str]


def fetch(url: str, timeout_s: float) -> str:
    """The text at an http(s) URL; OSError or HTTPException if there is none."""
    request = urllib.request.Request(url, headers={"Accept": "text/plain"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
        return answer.read(MAX_BYTES).decode("utf-8", errors="replace")


def metrics_urls(base_url: str) -> tuple[str, ...]:
    """Where a server's Prometheus text may be: `/metrics`, and TensorRT-LLM's path, whose `/metrics` is JSON."""
    parts = urlsplit(base_url)
    return tuple(f"{parts.scheme}://{parts.netloc}{path}" for path in metrics_paths())


@dataclass(frozen=True, slots=True)
class Scraped:
    """What the servers said over one load level. `missed` readings failed or timed out."""

    engine: str | None
    delta: dict[str, float | None]
    gauges: dict[str, dict[str, float] | None]
    samples: tuple[Snapshot, ...]
    missed: int

    def as_dict(self) -> dict[str, Any]:
        """For `summary.json`: rates of the deltas, mean and maximum of the gauges, and the series of each gauge."""
        series = {name: [getattr(s, name) for s in self.samples] for name in GAUGES}
        return {
            "engine": self.engine,
            "delta": self.delta,
            "gauges": self.gauges,
            "at_s": [s.at_s for s in self.samples],
            "series": {name: values for name, values in series.items() if any(v is not None for v in values)},
            "missed": self.missed,
        }


def delta(before: Snapshot | None, after: Snapshot | None) -> dict[str, float | None]:
    """How far each counter rose, and the hit rate and tokens per step in between; None where it is not known.

    A counter that fell was reset by a restart: what it rose since is not known.
    """
    found: dict[str, float | None] = dict.fromkeys((*COUNTERS, "cache_hit_rate", "tokens_per_iteration"))
    if before is None or after is None:
        return found
    for name in COUNTERS:
        a, b = getattr(before, name), getattr(after, name)
        found[name] = b - a if a is not None and b is not None and b >= a else None
    found["cache_hit_rate"] = _ratio(found["prefix_cache_hits"], found["prefix_cache_queries"])
    found["tokens_per_iteration"] = _ratio(found["iteration_tokens"], found["iterations"])
    return found


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def summed(samples: Sequence[Snapshot], missed: int = 0) -> Scraped:
    """The readings of a level in order of time: deltas from first to last, statistics of the gauges."""
    engine = next((s.engine for s in samples if s.engine), None)
    read = [s for s in samples if s.engine]
    gauges: dict[str, dict[str, float] | None] = {}
    for name in GAUGES:
        values = np.array([v for s in read if (v := getattr(s, name)) is not None])
        gauges[name] = {"mean": float(values.mean()), "max": float(values.max())} if len(values) else None
    change = delta(read[0], read[-1]) if len(read) > 1 else delta(None, None)
    if change["cache_hit_rate"] is None and change["prefix_cache_queries"] is None and read:
        change["cache_hit_rate"] = read[-1].cache_hit_rate
    return Scraped(engine, change, gauges, tuple(samples), missed)


@dataclass(slots=True)
class Scraper:
    """Reads all servers before, beside and after a level: `with Scraper(urls) as scraper: …; scraper.result`.

    The thread sleeps on an event, so leaving takes at most one time-out. `clock` gives the `at_s` of a
    reading, `fetch` the text; both are injected for tests.
    """

    base_urls: Sequence[str]
    interval_s: float = 1.0
    timeout_s: float = 1.0
    clock: Callable[[], float] = time.monotonic
    fetch: Fetch = fetch
    samples: list[Snapshot] = field(default_factory=list)
    missed: int = 0
    _where: dict[str, str] = field(default_factory=dict)
    _done: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._keep(self.read())
        if self.samples:
            self._thread = threading.Thread(target=self._run, name="scrape", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join(timeout=(self.timeout_s + 0.5) * len(self.base_urls))
            self._keep(self.read())

    @property
    def result(self) -> Scraped | None:
        """What was read, or None where no server has counters."""
        return summed(tuple(self.samples), self.missed) if self.samples else None

    def read(self) -> Snapshot | None:
        """One reading of every server now; None if any of them cannot be read."""
        snapshots = [self._one(url) for url in self.base_urls]
        if not snapshots or any(s is None for s in snapshots):
            return None
        return merge((s for s in snapshots if s is not None), self.clock())

    def _run(self) -> None:
        while not self._done.wait(self.interval_s):
            self._keep(self.read())

    def _keep(self, snapshot: Snapshot | None) -> None:
        if snapshot is None:
            self.missed += 1
        else:
            self.samples.append(snapshot)

    def _one(self, base_url: str) -> Snapshot | None:
        known = self._where.get(base_url)
        for url in (known,) if known else metrics_urls(base_url):
            try:
                found = parse(self.fetch(url, self.timeout_s))
            except (OSError, http.client.HTTPException, ValueError):
                continue
            if found.engine is not None:
                self._where[base_url] = url
                return found
        return None
