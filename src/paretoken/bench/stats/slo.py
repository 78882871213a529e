"""SLOs as written: `ttft_p99=2s,tpot_p50=50ms,interactivity_p90=20`, each a statistic of a metric and its limit.

Interactivity is turned into the limit on TPOT that it is.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from paretoken.bench.stats.quantiles import QUANTILES
from paretoken.errors import BadConfig, nearest

METRICS = ("ttft", "tpot", "e2e", "itl", "interactivity")
_ALIASES = {"median": "p50", "avg": "mean", "p99.9": "p999"}
_STATISTICS = ("mean", *QUANTILES)
_UNITS = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}
_FORM = re.compile(r"([a-z0-9]+)_([a-z0-9.]+)\s*(?:<=|<|=|:)\s*([0-9.eE+-]+)\s*(ms|us|s|)$")


@dataclass(frozen=True, slots=True)
class Slo:
    """`statistic` of `metric` at most `bound_s` seconds; an ITL is the request's mean gap. `text` is as written."""

    metric: str
    statistic: str
    bound_s: float
    text: str


def parse_slos(text: str) -> tuple[Slo, ...]:
    """The SLOs of `ttft_p99=2s,tpot_p50=50ms`; a limit without a unit is in seconds (interactivity: tok/s)."""
    return tuple(_parse(part.strip().lower()) for part in text.split(",") if part.strip())


def _parse(part: str) -> Slo:
    match = _FORM.match(part)
    if match is None:
        raise BadConfig(f"{part!r} is not an SLO; write METRIC_STATISTIC=LIMIT, such as ttft_p99=2s")
    metric, statistic, number, unit = match.groups()
    metric, statistic = ("e2e" if metric == "e2el" else metric), _ALIASES.get(statistic, statistic)
    if metric not in METRICS:
        hint = nearest(metric, list(METRICS))
        raise BadConfig(f"unknown SLO metric {metric!r}; {f'did you mean {hint[0]!r}?' if hint else _one_of(METRICS)}")
    if statistic not in _STATISTICS:
        raise BadConfig(f"unknown statistic {statistic!r} in {part!r}; {_one_of(_STATISTICS)}")
    bound = _number(number, part)
    if metric == "interactivity":
        if unit:
            raise BadConfig(f"the limit in {part!r} is in tok/s and takes no unit")
        return Slo("tpot", statistic, 1 / bound, part)
    return Slo(metric, statistic, bound * _UNITS[unit], part)


def _one_of(names: tuple[str, ...]) -> str:
    return f"use one of {', '.join(names)}"


def _number(text: str, part: str) -> float:
    try:
        bound = float(text)
    except ValueError:
        bound = 0.0
    if not (bound > 0 and math.isfinite(bound)):
        raise BadConfig(f"the limit in {part!r} must be a number above 0")
    return bound
