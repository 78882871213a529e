"""About how much each candidate serves within the limits, from the closed form alone: for the order of a search.

All requests have the mean lengths and arrive as from a closed loop. Tails of TTFT are those of the closed form, tails
of other latencies are taken to be the medians; so real traffic needs more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, log

import numpy as np

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import ParetokenError
from paretoken.plan.candidate import FleetCandidate
from paretoken.plan.load_curve import STABLE_LOAD
from paretoken.plan.replica import mean_lengths
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.configure import case
from paretoken.predict.deployment import Case, Deployment, Lengths
from paretoken.predict.pools.layout import PooledCase, pooled_case
from paretoken.predict.pools.predictor import predict_pools
from paretoken.predict.predictor import predict_cases
from paretoken.slo import Slo
from paretoken.traffic.traffic import Traffic

LOADS = tuple(2.0**i for i in range(12))
"""Concurrent requests of the points, 1 to 2,048."""
TAILS = {"p90": "p90_ttft_s", "p95": "p90_ttft_s", "p99": "p99_ttft_s", "p999": "p99_ttft_s"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CoarseCapacity:
    """Requests per second of one replica, 0 where no load is within the limits; `first_to_fail` is the limit that stops
    it, `unmet` are limits that one request alone misses, with what it has, seconds. `problem` says why a candidate
    cannot serve at all."""

    candidate: FleetCandidate
    capacity_s: float
    first_to_fail: str
    unmet: Mapping[Slo, float] = field(default_factory=dict)
    problem: str = ""

    def replicas(self, peak_s: float) -> int | None:
        """Replicas for a rate; None where no number is enough."""
        return max(ceil(peak_s / self.capacity_s), 1) if self.capacity_s else None


def coarse_capacities(
    candidates: Sequence[FleetCandidate],
    traffic: Traffic,
    slos: Sequence[Slo],
    *,
    calibration: Calibration | None = None,
    catalog: Catalog | None = None,
) -> list[CoarseCapacity]:
    """The capacity of each candidate, in their order."""
    catalog, lengths = catalog or load_catalog(), mean_lengths(traffic)
    problems: dict[int, str] = {}
    plain: dict[int, list[Case]] = {}
    pooled: dict[int, list[PooledCase]] = {}
    for i, candidate in enumerate(candidates):
        try:
            if isinstance(candidate.deployment, Deployment):
                plain[i] = _cases(candidate.deployment, lengths, catalog)
            else:
                first = pooled_case(candidate.deployment, replace(lengths, osl=max(lengths.osl, 2)), 1, catalog=catalog)
                pooled[i] = [replace(first, concurrency=users) for users in LOADS]
        except ParetokenError as e:
            problems[i] = str(e)
    figures: dict[int, dict[str, Floats]] = {}
    if plain:
        p = predict_cases([c for cs in plain.values() for c in cs], calibration=calibration, catalog=catalog)
        names = ("ttft_s", "tpot_s", "e2e_s", "p90_ttft_s", "p99_ttft_s")
        figures |= _by_candidate(plain, {name: getattr(p, name) for name in names})
    if pooled:
        s = predict_pools([c for cs in pooled.values() for c in cs], calibration=calibration, catalog=catalog).state
        figures |= _by_candidate(pooled, {name: getattr(s, name) for name in ("ttft_s", "tpot_s", "e2e_s")})
    return [
        CoarseCapacity(candidate=c, capacity_s=0.0, first_to_fail="", problem=problems[i])
        if i in problems
        else _capacity(c, figures[i], slos)
        for i, c in enumerate(candidates)
    ]


def _cases(deployment: Deployment, lengths: Lengths, catalog: Catalog) -> list[Case]:
    first = case(deployment, lengths, 1, catalog=catalog)
    return [replace(first, concurrency=users) for users in LOADS]


def _by_candidate(
    cases: dict[int, list[Case]] | dict[int, list[PooledCase]], columns: dict[str, Floats]
) -> dict[int, dict[str, Floats]]:
    """Columns over the loads of each candidate, from columns over all cases one after the other."""
    n = len(LOADS)
    return {i: {k: v[row * n : (row + 1) * n] for k, v in columns.items()} for row, i in enumerate(cases)}


def _capacity(candidate: FleetCandidate, figures: dict[str, Floats], slos: Sequence[Slo]) -> CoarseCapacity:
    rates = np.maximum.accumulate(np.array(LOADS) / figures["e2e_s"])
    capacity_s, first, unmet = float(rates[-1]), STABLE_LOAD, dict[Slo, float]()
    for slo in slos:
        name = "tpot_s" if slo.metric == "itl" else f"{slo.metric}_s"
        if slo.metric == "ttft":
            name = TAILS.get(slo.statistic, name)
        values = np.maximum.accumulate(np.nan_to_num(figures.get(name, figures[f"{name.split('_')[-2]}_s"])))
        if values[0] > slo.bound_s:
            unmet[slo] = float(values[0])
        at = _rate_at(rates, values, slo.bound_s)
        if at < capacity_s:
            capacity_s, first = at, slo.text
    return CoarseCapacity(candidate=candidate, capacity_s=capacity_s, first_to_fail=first, unmet=unmet)


def _rate_at(rates: Floats, values: Floats, bound: float) -> float:
    """The highest rate at which a value is at most the bound; 0 where none is."""
    above = int(np.searchsorted(values, bound, side="right"))
    if above == 0:
        return 0.0
    if above == len(values):
        return float(rates[-1])
    low, high = float(values[above - 1]), float(values[above])
    share = (log(bound) - log(max(low, 1e-12))) / (log(high) - log(max(low, 1e-12)))
    return float(rates[above - 1] + (rates[above] - rates[above - 1]) * share)
