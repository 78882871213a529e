"""Service-level objectives, read from text: `ttft=1s,tpot_p99=50ms,interactivity_p90=20`.

An objective is METRIC[_STATISTIC]=BOUND, with `=`, `<=`, `<` or `:`. Without a statistic it is the median, without a
unit the bound is in seconds. Interactivity is in tokens per second and becomes the bound on TPOT that it is. `session`
is the time of a whole session, which only a measured level can judge.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from paretoken.errors import BadConfig, nearest, quoted
from paretoken.significant import significant

METRICS = ("ttft", "tpot", "e2e", "itl", "interactivity")
SESSION = "session"
MEASURED = (*METRICS, SESSION)
"""What a measured level can judge."""
STATISTICS = ("mean", "p50", "p90", "p95", "p99", "p999")
MEDIAN = "p50"
LEAST, MOST = 1e-9, 1e9
"""Limits of a limit, in its own unit."""
_ALIASES = {"median": MEDIAN, "avg": "mean", "p99.9": "p999", "e2el": "e2e"}
_READ = {"p999": "p99.9"}
_UNITS_S = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}
_FORM = re.compile(r"([a-z0-9]+?)(?:_([a-z0-9.]+))?\s*(?:<=|<|=|:)\s*([0-9.eE+-]+)\s*(ms|us|s|)")


@dataclass(frozen=True, slots=True)
class Slo:
    """`statistic` of `metric` at most `bound_s` seconds; `text` is as given."""

    metric: str
    statistic: str
    bound_s: float
    text: str

    @property
    def words(self) -> str:
        """The objective for a reader: `TTFT p95 ≤ 2 s`, `TPOT p50 ≤ 50 ms`, `interactivity p90 ≥ 20 tok/s`."""
        statistic = _READ.get(self.statistic, self.statistic)
        if self.of_speed:
            return f"interactivity {statistic} ≥ {self.figure(self.bound_s)}"
        metric = "session time" if self.of_sessions else self.metric.upper()
        return f"{metric} {statistic} ≤ {self.figure(self.bound_s)}"

    @property
    def of_speed(self) -> bool:
        """Whether it was stated in tokens per second."""
        return self.text.startswith("interactivity")

    @property
    def of_sessions(self) -> bool:
        """Whether it is on the time of a whole session."""
        return self.metric == SESSION

    def figure(self, value_s: float) -> str:
        """A value for a reader: `2 s`, `9.68 ms`, `20 tok/s`."""
        if self.of_speed:
            return f"{significant(1 / value_s)} tok/s"
        return f"{significant(value_s, 3)} s" if value_s >= 1 else f"{significant(value_s * 1e3, 3)} ms"


def parse_slos(text: str, metrics: Sequence[str] = METRICS, statistics: Sequence[str] = STATISTICS) -> tuple[Slo, ...]:
    """The objectives of a text, of the metrics and statistics that the caller can judge. BadConfig otherwise."""
    return tuple(_objective(part.strip().lower(), metrics, statistics) for part in text.split(",") if part.strip())


def _objective(text: str, metrics: Sequence[str], statistics: Sequence[str]) -> Slo:
    match = _FORM.fullmatch(text)
    if match is None:
        raise BadConfig(f"{quoted(text)} is not an SLO; write, for example, ttft=1s or tpot_p99=50ms")
    metric, statistic, unit = _ALIASES.get(match[1], match[1]), match[2] or MEDIAN, match[4]
    statistic = _ALIASES.get(statistic, statistic)
    _require("SLO metric", metric, metrics, text)
    _require("SLO statistic", statistic, statistics, text)
    bound = _bound(match[3], text)
    if metric != "interactivity":
        return Slo(metric, statistic, bound * _UNITS_S[unit], text)
    if unit:
        raise BadConfig(f"the limit in {quoted(text)} is in tokens per second and takes no unit")
    return Slo("tpot", statistic, 1 / bound, text)


def _require(kind: str, name: str, allowed: Sequence[str], text: str) -> None:
    if name not in allowed:
        near = nearest(name, list(allowed))
        hint = f"did you mean {quoted(near[0])}?" if near else f"use one of {', '.join(allowed)}"
        raise BadConfig(f"unknown {kind} {quoted(name)} in {quoted(text)}; {hint}")


def _bound(number: str, text: str) -> float:
    try:
        bound = float(number)
    except ValueError:
        bound = 0.0
    if not LEAST < bound < MOST:
        raise BadConfig(f"the limit in {quoted(text)} must be a number above 0")
    return bound
