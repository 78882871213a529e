"""The servers' Prometheus metrics: before and after a level, and about once a second during it, in a thread.

Nothing here raises into the run: a server without `/metrics`, or one too busy to answer, leaves gaps that
are counted, and figures that are None.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import urlsplit

import numpy as np

from paretoken.bench.documents import OMIT_NONE
from paretoken.bench.stats.prometheus import COUNTERS, DRAFTING, FIGURES, MetricsReading, merge, parse
from paretoken.catalog.engine_files import metrics_paths
from paretoken.foreign_http import FAILURES, SmallRequests

MAX_BYTES = 8_000_000
MOST_AT_ONCE = 16
GAUGES = tuple(name for name in FIGURES if name not in COUNTERS)
ACCEPTED_AT = "accepted_at_"

Fetch = Callable[[str, float], str]


def fetch(url: str, timeout_s: float, tls: ssl.SSLContext | None = None) -> str:
    """The text at an http(s) URL within `timeout_s` in all; one of FAILURES if there is none, or too much of it."""
    requests = SmallRequests(headers={"Accept": "text/plain"}, tls=tls, timeout_s=timeout_s, most_bytes=MAX_BYTES)
    answer = requests.get(url)
    if answer.status != 200 or len(answer.body) >= MAX_BYTES:
        raise ValueError(f"{url} returned {answer.status} and {len(answer.body)} bytes")
    return answer.body.decode("utf-8", errors="replace")


def metrics_urls(base_url: str) -> tuple[str, ...]:
    """Where a server's Prometheus text may be: `/metrics`, and TensorRT-LLM's path, whose `/metrics` is JSON."""
    parts = urlsplit(base_url)
    return tuple(f"{parts.scheme}://{parts.netloc}{path}" for path in metrics_paths())


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterDeltas:
    """How far each counter rose over a level, and the hit rate and tokens per step in between; None if unknown."""

    preemptions: float | None = None
    prefix_cache_queries: float | None = None
    prefix_cache_hits: float | None = None
    prompt_tokens: float | None = None
    generation_tokens: float | None = None
    iteration_tokens: float | None = None
    iterations: float | None = None
    requests: float | None = field(default=None, metadata=OMIT_NONE)
    offload_queries: float | None = field(default=None, metadata=OMIT_NONE)
    offload_hits: float | None = field(default=None, metadata=OMIT_NONE)
    evicted_tokens: float | None = field(default=None, metadata=OMIT_NONE)
    loaded_tokens: float | None = field(default=None, metadata=OMIT_NONE)
    loaded_bytes: float | None = field(default=None, metadata=OMIT_NONE)
    stored_bytes: float | None = field(default=None, metadata=OMIT_NONE)
    drafts: float | None = field(default=None, metadata=OMIT_NONE)
    drafted_tokens: float | None = field(default=None, metadata=OMIT_NONE)
    accepted_tokens: float | None = field(default=None, metadata=OMIT_NONE)
    cache_hit_rate: float | None = None
    tokens_per_iteration: float | None = None


@dataclass(frozen=True, slots=True)
class GaugeStatistics:
    """A gauge over a level."""

    mean: float
    max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    """Every gauge over a level; None where the engine does not export it."""

    running: GaugeStatistics | None = None
    waiting: GaugeStatistics | None = None
    kv_cache_usage: GaugeStatistics | None = None
    batch_size: GaugeStatistics | None = None
    retracted: GaugeStatistics | None = None
    cache_hit_rate: GaugeStatistics | None = None
    acceptance_length: GaugeStatistics | None = field(default=None, metadata=OMIT_NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMetrics:
    """The servers' Prometheus metrics over one load level. `missed` readings failed or timed out.

    `at_s` are the times of the readings on the scraper's clock, `series` the values at them of each gauge and of the
    counters of speculative decoding; `accepted_at_0` counts the accepted tokens at the first place of a draft.
    """

    engine: str | None = None
    delta: CounterDeltas = CounterDeltas()
    gauges: Gauges = Gauges()
    at_s: tuple[float, ...] = ()
    series: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    missed: int = 0


def delta(before: MetricsReading | None, after: MetricsReading | None) -> CounterDeltas:
    """The counters' rise between two readings.

    A counter that fell was reset by a restart: its rise since then is unknown.
    """
    if before is None or after is None:
        return CounterDeltas()
    rise: dict[str, float | None] = {}
    for name in COUNTERS:
        a, b = getattr(before, name), getattr(after, name)
        rise[name] = b - a if a is not None and b is not None and b >= a else None
    return CounterDeltas(
        **rise,
        cache_hit_rate=_ratio(rise["prefix_cache_hits"], rise["prefix_cache_queries"]),
        tokens_per_iteration=_ratio(rise["iteration_tokens"], rise["iterations"]),
    )


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def summed(samples: Sequence[MetricsReading], missed: int = 0) -> ServerMetrics:
    """The readings of a level in order of time: deltas from first to last, statistics of the gauges."""
    engine = next((s.engine for s in samples if s.engine), None)
    read = [s for s in samples if s.engine]
    change = delta(read[0], read[-1]) if len(read) > 1 else CounterDeltas()
    if change.cache_hit_rate is None and change.prefix_cache_queries is None and read:
        change = replace(change, cache_hit_rate=read[-1].cache_hit_rate)
    series = {name: tuple(getattr(s, name) for s in samples) for name in (*GAUGES, *DRAFTING)}
    positions = [s.accepted_by_position for s in samples]
    series |= {
        f"{ACCEPTED_AT}{place}": tuple(at[place] if place < len(at) else None for at in positions)
        for place in range(max(map(len, positions), default=0))
    }
    return ServerMetrics(
        engine=engine,
        delta=change,
        gauges=Gauges(**{name: gauge_statistics([getattr(s, name) for s in read]) for name in GAUGES}),
        at_s=tuple(s.at_s for s in samples),
        series={name: values for name, values in series.items() if any(v is not None for v in values)},
        missed=missed,
    )


def gauge_statistics(values: Sequence[float | None]) -> GaugeStatistics | None:
    """Mean and maximum of the readings of a gauge; None without any."""
    numbers = np.array([v for v in values if v is not None])
    return GaugeStatistics(float(numbers.mean()), float(numbers.max())) if len(numbers) else None


@dataclass(slots=True, kw_only=True)
class Scraper:
    """Reads all servers before, during and after a level: `with Scraper(urls) as scraper: …; scraper.result`.

    The thread sleeps on an event, so leaving takes at most one time-out. `clock` gives the `at_s` of a
    reading, `fetch` the text; both are injected for tests.
    """

    base_urls: Sequence[str] = field(kw_only=False)
    interval_s: float = 1.0
    timeout_s: float = 1.0
    clock: Callable[[], float] = time.monotonic
    fetch: Fetch = fetch
    samples: list[MetricsReading] = field(default_factory=list)
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
            self._thread.join(timeout=2 * self.timeout_s + 0.5)
            self._keep(self.read())

    @property
    def result(self) -> ServerMetrics | None:
        """The metrics over the level, or None where no server has any."""
        return summed(tuple(self.samples), self.missed) if self.samples else None

    @property
    def latest(self) -> MetricsReading | None:
        """The last reading so far, None before there is one."""
        return self.samples[-1] if self.samples else None

    def read(self) -> MetricsReading | None:
        """One reading of every server now; None if any of them cannot be read."""
        with ThreadPoolExecutor(max(1, min(len(self.base_urls), MOST_AT_ONCE))) as pool:
            readings = [r for r in pool.map(self._one, self.base_urls) if r is not None]
        if not readings or len(readings) < len(self.base_urls):
            return None
        return merge(readings, self.clock())

    def _run(self) -> None:
        while not self._done.wait(self.interval_s):
            self._keep(self.read())

    def _keep(self, reading: MetricsReading | None) -> None:
        if reading is None:
            self.missed += 1
        else:
            self.samples.append(reading)

    def _one(self, base_url: str) -> MetricsReading | None:
        last = self._where.get(base_url)
        for url in (last,) if last else metrics_urls(base_url):
            try:
                reading = parse(self.fetch(url, self.timeout_s))
            except TimeoutError:
                return None  # the other path would be as late
            except FAILURES:
                continue
            if reading.engine is not None:
                self._where[base_url] = url
                return reading
        return None
