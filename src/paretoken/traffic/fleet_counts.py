"""What all servers together counted in each step: requests that ended, their lengths, and hits of the cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from paretoken.errors import NoData
from paretoken.plural import counted
from paretoken.significant import significant
from paretoken.traffic.increases import Increase, StepGrid, increase_of, scraped_once, total
from paretoken.traffic.length_buckets import LengthBuckets, buckets_of
from paretoken.traffic.metric_names import TrafficMetrics, traffic_metrics
from paretoken.traffic.range_series import RangeSeries
from paretoken.traffic.traffic import HOUR_S, Floats, Mask

LONGEST_GAP_S = 1800.0
"""A longer stretch without samples divides the period; a shorter one is taken to be as busy as its hour."""


@dataclass(frozen=True, slots=True)
class LengthCounts:
    """Lengths of one side in each step: `tokens` of `requests`, shape (steps,), and their buckets."""

    tokens: Floats
    requests: Floats
    buckets: LengthBuckets

    def part(self, steps: slice) -> LengthCounts:
        b = self.buckets
        return LengthCounts(self.tokens[steps], self.requests[steps], LengthBuckets(b.low, b.high, b.counts[steps]))


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetCounts:
    """Counts of all servers in each step of `step_s` from `start_s` on, Unix time; arrays have shape (steps,).

    `sampled` marks the steps of which all servers that were up have samples at both ends.
    """

    start_s: float
    step_s: float
    sampled: Mask
    requests: Floats
    inputs: LengthCounts
    outputs: LengthCounts
    looked_up: Floats
    hits: Floats
    hit_rate: float | None
    notes: tuple[str, ...] = ()

    @property
    def hit_share(self) -> float | None:
        """Share of input tokens that the servers' prefix caches had; None where they do not count it."""
        if self.looked_up.sum() > 0:
            return float(min(self.hits.sum() / self.looked_up.sum(), 1.0))
        return self.hit_rate

    def part(self, steps: slice, note: str = "") -> FleetCounts:
        return replace(
            self,
            start_s=self.start_s + steps.start * self.step_s,
            sampled=self.sampled[steps],
            requests=self.requests[steps],
            inputs=self.inputs.part(steps),
            outputs=self.outputs.part(steps),
            looked_up=self.looked_up[steps],
            hits=self.hits[steps],
            notes=(*self.notes, note) if note else self.notes,
        )


def counts_of(series: Sequence[RangeSeries], source: str) -> FleetCounts:
    """The counts of series of one served model, in the longest stretch without a gap above `LONGEST_GAP_S`."""
    kept, twice = scraped_once(series)
    rates = {name for metrics in traffic_metrics() for name in metrics.hit_rates}
    grid = StepGrid.of([s for s in kept if s.metric not in rates], source)
    rises: dict[str, list[Increase]] = {}
    for s in kept:
        if s.metric not in rates:
            rises.setdefault(s.metric, []).append(increase_of(s, grid))
    engines = [m for m in traffic_metrics() if _counting(m, rises)]
    if not engines:
        named = ", ".join(f"{m.requests[0]} or {m.inputs}_count" for m in traffic_metrics())
        raise NoData(f"{source} counts no requests: it has none of {named}; query them over the period")
    counting = [rise for m in engines for rise in _counting(m, rises)]
    missing, alive = (np.any([getattr(r, name) for r in counting], axis=0) for name in ("missing", "alive"))
    notes = [f"{counted(twice, 'series', 'series')} of a second scrape job counted once"] if twice else []
    instances = {r.series.labels["instance"] for r in counting if "instance" in r.series.labels}
    if len(instances) > 1:
        notes.append(
            f"the counts of {len(instances)} servers are added up; where prefill and decode have servers of their own, "
            "read those of one kind alone"
        )
    notes += [note for m in engines for note in _notes(m, rises)]
    counts = FleetCounts(
        start_s=grid.start_s,
        step_s=grid.step_s,
        sampled=alive & ~missing,
        requests=total(counting, grid.steps),
        inputs=_lengths([(m, m.inputs, m.input_totals) for m in engines], rises, grid.steps),
        outputs=_lengths([(m, m.outputs, m.output_totals) for m in engines], rises, grid.steps),
        looked_up=total((r for m in engines if _first(m.hits, rises) for r in _first(m.looked_up, rises)), grid.steps),
        hits=total((r for m in engines for r in _first(m.hits, rises)), grid.steps),
        hit_rate=_mean_rate([s for s in kept if s.metric in rates]),
        notes=tuple(notes),
    )
    return longest_stretch(counts, source)


def longest_stretch(counts: FleetCounts, source: str) -> FleetCounts:
    """The part with the most sampled steps between two gaps above `LONGEST_GAP_S`. NoData where no step is sampled."""
    sampled = np.flatnonzero(counts.sampled)
    if not len(sampled):
        raise NoData(f"{source} has no two samples in succession; query a longer range, or a longer step")
    breaks = np.flatnonzero((np.diff(sampled) - 1) * counts.step_s > LONGEST_GAP_S)
    pieces = np.split(sampled, breaks + 1)
    best = max(pieces, key=len)
    steps = slice(int(best[0]), int(best[-1]) + 1)
    rest = len(sampled) - len(best)
    note = ""
    if len(pieces) > 1:
        note = (
            f"{counted(len(pieces) - 1, 'gap')} of more than {LONGEST_GAP_S / 60:g} min without samples; the longest "
            f"stretch between them is used; {significant(rest * counts.step_s / HOUR_S, 3)} h of samples are left out"
        )
    part = counts.part(steps, note)
    filled = int((~part.sampled).sum())
    if filled:
        minutes = significant(filled * part.step_s / 60, 3)
        note = f"{minutes} min without samples are assumed to be as busy as the rest of their hour"
        part = replace(part, notes=(*part.notes, note))
    return part


def _first(names: Sequence[str], rises: dict[str, list[Increase]]) -> list[Increase]:
    """The series of the first of the names that has any."""
    return next((rises[name] for name in names if name in rises), [])


def _counting(metrics: TrafficMetrics, rises: dict[str, list[Increase]]) -> list[Increase]:
    """The series that count an engine's requests."""
    infinite = [r for r in rises.get(f"{metrics.inputs}_bucket", []) if r.series.labels.get("le") == "+Inf"]
    return _first((*metrics.requests, f"{metrics.inputs}_count"), rises) or infinite


def _lengths(
    sides: Sequence[tuple[TrafficMetrics, str, tuple[str, ...]]], rises: dict[str, list[Increase]], steps: int
) -> LengthCounts:
    """The lengths of one side: sum and count of the histogram, else the counter of tokens over the requests."""
    tokens, requests = np.zeros(steps), np.zeros(steps)
    for metrics, base, totals in sides:
        if f"{base}_sum" in rises and f"{base}_count" in rises:
            summed, number = rises[f"{base}_sum"], rises[f"{base}_count"]
        else:
            summed, number = _first(totals, rises), _counting(metrics, rises)
        if summed:
            tokens += total(summed, steps)
            requests += total(number, steps)
    rows = [r for _, base, _ in sides for r in rises.get(f"{base}_bucket", [])]
    return LengthCounts(tokens, requests, buckets_of(rows, steps))


def _notes(metrics: TrafficMetrics, rises: dict[str, list[Increase]]) -> list[str]:
    bare = [
        side
        for side, base in (("input", metrics.inputs), ("output", metrics.outputs))
        if not rises.get(f"{base}_bucket")
    ]
    if not bare:
        return []
    need = f" (start the server with {metrics.histograms_need})" if metrics.histograms_need else ""
    return [
        f"{metrics.engine} has no histogram of {' and '.join(bare)} lengths{need}: requests of an hour are assumed to "
        "be equally long, and tails are unknown"
    ]


def _mean_rate(gauges: Sequence[RangeSeries]) -> float | None:
    """The mean of the servers' own hit rates, which are of moments."""
    values = np.concatenate([s.values for s in gauges] or [np.empty(0)])
    values = values[np.isfinite(values)]
    return float(min(values.mean(), 1.0)) if len(values) else None
