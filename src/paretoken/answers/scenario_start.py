"""What a scenario starts from: the accelerators it needs, today's prices, fitted speed-ups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from paretoken.errors import NoData
from paretoken.frontier import Candidate
from paretoken.frontier.trend import ThroughputTrend, growth_per_quarter
from paretoken.prices.outlook.project import ALL
from paretoken.prices.outlook.scenario import Scenario


@dataclass(frozen=True, slots=True)
class FittedGrowth:
    """The growth of throughput a quarter, as a fraction, and the number of trends that it is the median of."""

    per_quarter: float
    trends: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioStart:
    """The frontier of today that an accelerator starts from: its best engine at the scenario's latency limit.

    `tput_per_gpu` is in tok/s/GPU, interpolated between the points around the limit; `tp` is of the run that meets it,
    `disaggregated` says whether that served with pools. Of a rack, all is predicted: `layout` is that of its pools, and
    `interval` the 90 % one of the throughput.
    """

    engine: str
    software: str
    date: str | None
    origin: str
    source: str
    tput_per_gpu: float
    tp: str
    disaggregated: bool = False
    layout: str = ""
    interval: tuple[float, float] | None = None


def starts(candidates: Iterable[Candidate]) -> dict[str, ScenarioStart]:
    """What each accelerator starts from; candidates by falling throughput."""
    best: dict[str, ScenarioStart] = {}
    for c in candidates:
        start = ScenarioStart(
            engine=c.engine,
            software=c.software,
            date=c.date,
            origin=c.origin,
            source=c.source,
            tput_per_gpu=c.tput_per_gpu,
            tp=c.tp,
            disaggregated=bool(c.recommended["disaggregated"]),
        )
        best.setdefault(c.accelerator, start)
    return best


def needed_accelerators(scenario: Scenario) -> tuple[str, ...]:
    """The accelerators whose points the scenario needs; empty for all."""
    if not scenario.accelerators:
        return ()
    like = {c.name: c.like or c.name for c in scenario.coming}
    return tuple(dict.fromkeys(like.get(a, a) for a in (scenario.reference, *scenario.accelerators, *like)))


def fitted_growth(
    scenario: Scenario, dated_trends: Sequence[ThroughputTrend], names: Iterable[str]
) -> dict[str, FittedGrowth]:
    """The growth of each accelerator whose speed-up is to be fitted; NoData if the runs show none."""
    to_fit = {s.accelerator for s in scenario.speedup if s.per_quarter == "fitted"}
    needed = [*names, *(c.name for c in scenario.coming)] if ALL in to_fit else sorted(to_fit)
    fits = {a: growth_per_quarter(dated_trends, a, scenario.precision) for a in needed}
    missing = [a for a, fit in fits.items() if fit is None]
    if missing:
        raise NoData(
            f"no speed-up can be fitted for {', '.join(missing)}: no configuration of it has runs on four dated days "
            "over two months that agree on one; give per_quarter a number"
        )
    return {a: FittedGrowth(*fit) for a, fit in fits.items() if fit is not None}
