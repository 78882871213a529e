"""Service-level objectives: read from words, judged for a level, and counted as goodput.

An objective is a statistic of a metric and its bound: `ttft_p99=2s,tpot_p50=50ms,interactivity_p90=20`.
A level meets a quantile objective if that share of its requests is within the bound, failed ones counted as
not within; interactivity is turned into the bound on TPOT that it is. Goodput is the requests per second
that are complete and within every bound, whatever the statistic.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from paretoken.bench.stats.metrics import Samples
from paretoken.bench.stats.quantiles import QUANTILES
from paretoken.errors import BadConfig, nearest

METRICS = ("ttft", "tpot", "e2e", "itl", "interactivity")
_ALIASES = {"median": "p50", "avg": "mean", "p99.9": "p999"}
_STATISTICS = ("mean", *QUANTILES)
_UNITS = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}
_FORM = re.compile(r"([a-z0-9]+)_([a-z0-9.]+)\s*(?:<=|<|=|:)\s*([0-9.eE+-]+)\s*(ms|us|s|)$")


@dataclass(frozen=True, slots=True)
class Slo:
    """`statistic` of `metric` at most `bound_s` seconds; an ITL is the request's mean gap. `text` is as given."""

    metric: str
    statistic: str
    bound_s: float
    text: str

    def per_request(self, samples: Samples) -> np.ndarray:
        """The metric of each request in seconds, NaN where it has none."""
        if self.metric == "itl":
            return samples.chunks.mean_gaps()
        return {"ttft": samples.ttft_s, "tpot": samples.tpot_s, "e2e": samples.e2e_s}[self.metric]

    def within(self, samples: Samples) -> np.ndarray:
        """Whether each request is complete and within the bound.

        One token has no TPOT and breaks no bound on it; a TTFT that nobody saw is within none.
        """
        unknown = np.inf if self.metric == "ttft" else 0.0
        return samples.ok & ~(np.nan_to_num(self.per_request(samples), nan=unknown) > self.bound_s)

    def value(self, samples: Samples, chosen: np.ndarray) -> float | None:
        """The statistic over the chosen requests in seconds: a failed one is endless for quantiles."""
        values = self.per_request(samples)[chosen]
        if self.statistic == "mean":
            return float(np.nanmean(values)) if np.isfinite(values).any() else None
        values = np.where(samples.ok[chosen], values, np.inf)
        values = np.sort(values[~np.isnan(values)])
        if not len(values):
            return None
        return float(values[min(math.ceil(QUANTILES[self.statistic] * len(values)), len(values)) - 1])


@dataclass(frozen=True, slots=True)
class Attainment:
    """How an objective stands: its value, the share within the bound with Wilson's interval, the verdict."""

    slo: Slo
    value_s: float | None
    share: float
    low: float
    high: float
    met: bool


@dataclass(frozen=True, slots=True)
class Goodput:
    """Requests per second within every bound, their share of all that were tried with Wilson's interval."""

    requests_s: float | None
    share: float
    low: float
    high: float
    tried: int
    met: bool
    objectives: tuple[Attainment, ...]


def parse_slos(text: str) -> tuple[Slo, ...]:
    """The objectives of `ttft_p99=2s,tpot_p50=50ms`; a bound without a unit is in seconds (interactivity: tok/s)."""
    return tuple(_parse(part.strip().lower()) for part in text.split(",") if part.strip())


def _parse(part: str) -> Slo:
    found = _FORM.match(part)
    if found is None:
        raise BadConfig(f"{part!r} is no objective; write METRIC_STATISTIC=BOUND, as in ttft_p99=2s")
    metric, statistic, number, unit = found.groups()
    metric, statistic = ("e2e" if metric == "e2el" else metric), _ALIASES.get(statistic, statistic)
    if metric not in METRICS:
        hint = nearest(metric, list(METRICS))
        raise BadConfig(f"unknown SLO metric {metric!r}; {f'did you mean {hint[0]!r}?' if hint else _known(METRICS)}")
    if statistic not in _STATISTICS:
        raise BadConfig(f"unknown statistic {statistic!r} in {part!r}; {_known(_STATISTICS)}")
    bound = _number(number, part)
    if metric == "interactivity":
        if unit:
            raise BadConfig(f"the bound in {part!r} is in tokens per second and takes no unit")
        return Slo("tpot", statistic, 1 / bound, part)
    return Slo(metric, statistic, bound * _UNITS[unit], part)


def _known(names: tuple[str, ...]) -> str:
    return f"known: {', '.join(names)}"


def _number(text: str, part: str) -> float:
    try:
        bound = float(text)
    except ValueError:
        bound = 0.0
    if not (bound > 0 and math.isfinite(bound)):
        raise BadConfig(f"the bound in {part!r} must be a number above 0")
    return bound


def goodput(samples: Samples, slos: tuple[Slo, ...], chosen: np.ndarray, seconds: float) -> Goodput:
    """Goodput of the chosen requests (a mask, failed ones in it) over `seconds`."""
    tried = int(chosen.sum())
    within = np.array([slo.within(samples)[chosen] for slo in slos], dtype=bool).reshape(len(slos), tried)
    good = int((samples.ok[chosen] & within.all(axis=0)).sum())
    objectives = tuple(_attained(slo, samples, chosen, row) for slo, row in zip(slos, within, strict=True))
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


def _attained(slo: Slo, samples: Samples, chosen: np.ndarray, within: np.ndarray) -> Attainment:
    n, good = len(within), int(within.sum())
    share, (low, high) = (good / n if n else 0.0), wilson(good, n)
    value = slo.value(samples, chosen)
    if slo.statistic == "mean":
        met = value is not None and value <= slo.bound_s
    else:
        met = n > 0 and good >= math.ceil(QUANTILES[slo.statistic] * n - 1e-9)
    return Attainment(slo, None if value is None or math.isinf(value) else value, share, low, high, met)


def wilson(good: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval of a share, 95 % by default; (0, 1) for none."""
    if n == 0:
        return 0.0, 1.0
    share, spread = good / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return max(0.0, centre - half), min(1.0, centre + half)
