"""What one replica does at every rate of requests, from simulations at a few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log

import numpy as np

from paretoken.errors import BadConfig
from paretoken.plan.latencies import Figures, Latencies, meets, needs_itl, ratios
from paretoken.plan.replica import Replica
from paretoken.plan.sample import TrafficSample
from paretoken.predict.simulated import GROWTH, STEADY, growth_of, in_service
from paretoken.slo import Slo

LADDER = (0.05, 0.25, 0.45, 0.6, 0.75, 0.85, 0.95)
"""Rates of the first points, as shares of what the replica serves where all requests wait."""
FEWEST, MOST, LIFETIMES = 1_500, 4_000, 15
"""Bounds of the requests of a point, and requests for each that is in service."""
REFINED = 3
"""Further points near the highest rate within the limits."""
STABLE_LOAD = "throughput"
"""What binds where a replica meets every limit until requests come faster than it serves them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPoint:
    """A replica at one rate. `batch` is the mean number of requests between their first and last token."""

    rate_s: float
    figures: Figures
    batch: float
    stable: bool
    requests: int


@dataclass(frozen=True, slots=True)
class LoadCurve:
    """Points by rising rate; the last may be too much for the replica, those before are not.

    Between points the logarithm of a latency is linear in the rate. Below the first point it stays
    level. No latency falls as the rate rises.
    """

    points: tuple[LoadPoint, ...]

    @property
    def limit_s(self) -> float:
        """The highest rate of a stable load, requests per second; 0 if none is."""
        return max((p.rate_s for p in self.points if p.stable), default=0.0)

    @property
    def simulated(self) -> int:
        """Requests that were simulated for it."""
        return sum(p.requests for p in self.points)

    def latency_s(self, metric: str, statistic: str, rate_s: float) -> float:
        """A latency at a rate; inf where the load is too much."""
        if rate_s > self.limit_s:
            return inf
        rates, values = self._values(metric, statistic)
        return float(np.exp(np.interp(rate_s, rates, np.log(values))))

    def capacity_s(self, slos: Sequence[Slo], slowdown: float = 1.0) -> float:
        """The highest rate within all limits, requests per second; 0 where no rate is.

        A replica whose steps take `slowdown` times as long at a rate is this one at `slowdown` times the rate, with all
        latencies multiplied by it.
        """
        return min((self._highest(slo, slowdown) for slo in slos), default=self.limit_s) / slowdown

    def first_to_fail(self, slos: Sequence[Slo]) -> str:
        """The limit that the capacity stops at, as text, or `STABLE_LOAD`."""
        highest = {slo.text: self._highest(slo) for slo in slos}
        first = min(highest, key=highest.__getitem__, default=STABLE_LOAD)
        return first if slos and highest[first] < self.limit_s else STABLE_LOAD

    def unmet(self, slos: Sequence[Slo]) -> dict[Slo, float]:
        """Limits that even the lightest load exceeds, with what it has, seconds."""
        lightest = ratios(self.points[0].figures, slos) if self.points else {}
        return {slo: ratio * slo.bound_s for slo, ratio in lightest.items() if ratio > 1}

    def batch_at(self, rate_s: float) -> float:
        """Mean number of requests between their first and last token."""
        stable = [p for p in self.points if p.stable]
        return float(np.interp(rate_s, [0.0, *(p.rate_s for p in stable)], [0.0, *(p.batch for p in stable)]))

    def _highest(self, slo: Slo, slowdown: float = 1.0) -> float:
        """The highest rate of the curve at which a latency is at most the bound over `slowdown`."""
        rates, values = self._values(slo.metric, slo.statistic)
        bound = slo.bound_s / slowdown
        above = next((i for i, v in enumerate(values) if v > bound), None)
        if above is None:
            return self.limit_s
        if above == 0:
            return 0.0
        (r0, v0), (r1, v1) = ((rates[i], log(values[i])) for i in (above - 1, above))
        return r0 + (r1 - r0) * (log(bound) - v0) / (v1 - v0)

    def _values(self, metric: str, statistic: str) -> tuple[list[float], list[float]]:
        """Rates of the stable points, and a latency at each that never falls; tiny for a metric without values."""
        stable = [p for p in self.points if p.stable]
        if not stable:
            return [0.0], [inf]
        values = np.maximum.accumulate([p.figures.get((metric, statistic), 0.0) for p in stable])
        return [p.rate_s for p in stable], np.maximum(values, 1e-12).tolist()


def load_curve(replica: Replica, sample: TrafficSample, slos: Sequence[Slo] = ()) -> LoadCurve:
    """Simulate a replica at rising rates until the load is too much, then near the highest rate within the limits."""
    most_s = saturated_s(replica, sample)
    points: list[LoadPoint] = []
    rates = [share * most_s for share in LADDER]
    while rates and (not points or _goes_on(points[-1], slos)):
        points.append(load_point(replica, sample, rates.pop(0), slos, points[-1] if points else None))
        if not rates and points[-1].stable and len(points) < 2 * len(LADDER):
            rates.append(points[-1].rate_s * 1.1)
    for _ in range(REFINED):
        rate_s = _between(points, slos)
        if rate_s is None:
            break
        points.append(load_point(replica, sample, rate_s, slos, points[0], fewest=MOST))
        points.sort(key=lambda p: p.rate_s)
        first_bad = next((i for i, p in enumerate(points) if not p.stable), len(points) - 1)
        del points[first_bad + 1 :]
    return LoadCurve(tuple(points))


def load_point(
    replica: Replica,
    sample: TrafficSample,
    rate_s: float,
    slos: Sequence[Slo] = (),
    near: LoadPoint | None = None,
    *,
    fewest: int = FEWEST,
) -> LoadPoint:
    """A replica at one rate; the batch of a point `near` says how many requests a steady state needs."""
    batch = near.batch * rate_s / near.rate_s if near else 0.0
    requests = round(min(max(LIFETIMES * batch, fewest), MOST))
    run = replica.simulate(sample.at(rate_s, requests))
    counted = slice(int(requests * STEADY[0]), int(requests * STEADY[1]) + 1)
    latencies = Latencies.of(run, counted, itl=needs_itl(slos))
    return LoadPoint(
        rate_s=rate_s,
        figures=latencies.figures(),
        batch=in_service(run),
        stable=growth_of(run) <= GROWTH + _noise(requests),
        requests=requests,
    )


def saturated_s(replica: Replica, sample: TrafficSample) -> float:
    """Requests per second that a replica ends while all others wait: about the most that it can serve."""
    if not len(sample):
        raise BadConfig("a sample of no requests has no rate")
    requests = min(max(2 * replica.slots, FEWEST), MOST)
    ends = np.sort(replica.simulate(sample.at(1e9, requests)).last_s)
    low, high = int(requests * STEADY[0]), int(requests * STEADY[1])
    return float((high - low) / max(ends[high] - ends[low], 1e-9))


def _noise(requests: int) -> float:
    """Growth that random lengths alone show between two parts of a run, about one deviation."""
    return float(0.5 / np.sqrt(requests * (STEADY[1] - STEADY[0])))


def _goes_on(point: LoadPoint, slos: Sequence[Slo]) -> bool:
    """Whether higher rates are of interest: without limits all that are stable, else those up to twice the bounds."""
    if not slos:
        return point.stable
    return point.stable and all(point.figures.get((s.metric, s.statistic), 0.0) <= 2 * s.bound_s for s in slos)


def _between(points: Sequence[LoadPoint], slos: Sequence[Slo]) -> float | None:
    """A rate between the last point within the limits and the first beyond them; None where they are close."""
    bad = next((i for i, p in enumerate(points) if not (p.stable and meets(p.figures, slos))), None)
    if not bad:
        return None
    low, high = points[bad - 1].rate_s, points[bad].rate_s
    if high < 1.02 * low:
        return None
    estimate = LoadCurve(tuple(points)).capacity_s(slos) if points[bad].stable else (low + high) / 2
    margin = 0.15 * (high - low)
    return min(max(estimate, low + margin), high - margin)
