"""SLOs judged for a load level, and counted as goodput.

A level meets an SLO on a quantile if that share of its requests is within the limit; a failed request is not.
Goodput is the requests per second that are complete and within every limit, whatever the statistic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from paretoken.bench.stats.arrays import Floats, Mask
from paretoken.bench.stats.metrics import Samples
from paretoken.bench.stats.quantiles import CONFIDENCE, QUANTILES, label, needed, supported
from paretoken.plural import counted
from paretoken.slo import Slo


@dataclass(frozen=True, slots=True, kw_only=True)
class Attainment:
    """How far a level meets an SLO: its value, the share within the limit with Wilson's interval, the verdict."""

    slo: Slo
    value_s: float | None
    share: float
    low: float
    high: float
    met: bool

    def too_few(self, requests: int) -> str:
        """Why that number of requests, all that were tried, cannot settle the verdict; empty where it can.

        A miss is settled by fewer requests if a level within the limit would have as many beyond it in less than one
        case of twenty.
        """
        q = QUANTILES.get(self.slo.statistic, 0.0)
        beyond = round((1 - self.share) * requests)
        if supported(requests, q) or (not self.met and chance_of(beyond, requests, 1 - q) < 1 - CONFIDENCE):
            return ""
        statistic = label(self.slo.statistic)
        return (
            f"{self.slo.text} can't be judged: {statistic} needs {counted(needed(q), 'request')} in the window, has "
            f"{requests:,}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodput:
    """Requests per second within every limit, and their share of all that were tried with Wilson's interval."""

    requests_s: float | None
    share: float
    low: float
    high: float
    tried: int
    met: bool
    objectives: tuple[Attainment, ...]


def per_request(slo: Slo, samples: Samples) -> Floats:
    """The SLO's metric of each request in seconds, NaN where it has none."""
    if slo.metric == "itl":
        return samples.chunks.mean_gaps()
    return {"ttft": samples.ttft_s, "tpot": samples.tpot_s, "e2e": samples.e2e_s}[slo.metric]


def within(slo: Slo, samples: Samples) -> Mask:
    """Whether each request is complete and within the limit.

    A single token has no TPOT and exceeds no limit on it; a TTFT or a pace that nobody saw is within none.
    """
    values = per_request(slo, samples)
    unseen = samples.unpaced if slo.metric != "e2e" else np.False_
    if slo.metric == "ttft":
        unseen = np.isnan(values)
    return samples.ok & ~unseen & ~(np.nan_to_num(values, nan=0.0) > slo.bound_s)


def attained(slo: Slo, samples: Samples, chosen: Mask) -> float | None:
    """The SLO's statistic over the chosen requests in seconds: for quantiles a failed one never ends."""
    values = per_request(slo, samples)[chosen]
    if slo.statistic == "mean":
        return float(np.nanmean(values)) if np.isfinite(values).any() else None
    values = np.where(samples.ok[chosen], values, np.inf)
    values = np.sort(values[~np.isnan(values)])
    if not len(values):
        return None
    return float(values[min(math.ceil(QUANTILES[slo.statistic] * len(values)), len(values)) - 1])


def goodput(samples: Samples, slos: tuple[Slo, ...], chosen: Mask, seconds: float) -> Goodput:
    """Goodput of the chosen requests (a mask, failed ones in it) over `seconds`."""
    tried = int(chosen.sum())
    inside = np.array([within(slo, samples)[chosen] for slo in slos], dtype=bool).reshape(len(slos), tried)
    good = int((samples.ok[chosen] & inside.all(axis=0)).sum())
    objectives = tuple(_attainment(slo, samples, chosen, row) for slo, row in zip(slos, inside, strict=True))
    low, high = wilson(good, tried)
    return Goodput(
        requests_s=good / seconds if seconds > 0 else None,
        share=good / tried if tried else 0.0,
        low=low,
        high=high,
        tried=tried,
        met=tried > 0 and all(o.met for o in objectives),
        objectives=objectives,
    )


def _attainment(slo: Slo, samples: Samples, chosen: Mask, inside: Mask) -> Attainment:
    n, good = len(inside), int(inside.sum())
    low, high = wilson(good, n)
    value = attained(slo, samples, chosen)
    if slo.statistic == "mean":
        met = value is not None and value <= slo.bound_s
    else:
        met = n > 0 and good >= math.ceil(QUANTILES[slo.statistic] * n - 1e-9)
    return Attainment(
        slo=slo,
        value_s=None if value is None or math.isinf(value) else value,
        share=good / n if n else 0.0,
        low=low,
        high=high,
        met=met,
    )


def chance_of(least: int, n: int, share: float) -> float:
    """The chance that `least` or more of n requests are beyond a limit that this share of all exceeds (binomial)."""
    chance, fewer = (1 - share) ** n, 0.0
    for k in range(min(least, n + 1)):
        fewer += chance
        chance *= (n - k) / (k + 1) * share / (1 - share)
    return 1 - fewer


def wilson(good: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval of a share, 95 % by default; (0, 1) for none."""
    if n == 0:
        return 0.0, 1.0
    share, spread = good / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return max(0.0, centre - half), min(1.0, centre + half)
