"""About how much each candidate serves within the limits, from the closed form alone: for the order of a search.

All requests have the mean lengths and arrive as from a closed loop. Tails of TTFT come from the closed form; other
latencies have no tails, only their medians. So real traffic needs more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import ParetokenError
from paretoken.plan.candidate import FleetCandidate
from paretoken.plan.load_curve import LoadCurve, LoadPoint
from paretoken.plan.replica import mean_lengths, replica_of, servable
from paretoken.plan.sized import MOST_REFUSED
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
    it, `unmet` are limits that one request alone misses, with what it has, seconds. `curve` has the latencies of the
    limits. `problem` says why a candidate cannot serve at all."""

    candidate: FleetCandidate
    capacity_s: float
    first_to_fail: str
    unmet: Mapping[Slo, float] = field(default_factory=dict)
    curve: LoadCurve = field(default_factory=lambda: LoadCurve(()))
    problem: str = ""


def coarse_capacities(
    candidates: Sequence[FleetCandidate],
    traffic: Traffic,
    slos: Sequence[Slo],
    *,
    calibration: Calibration | None = None,
    catalog: Catalog | None = None,
    computed_share: float = 1.0,
) -> list[CoarseCapacity]:
    """The capacity of each candidate, in their order, where it computes that share of a prompt."""
    catalog, whole = catalog or load_catalog(), mean_lengths(traffic)
    lengths = replace(whole, isl=max(round(whole.isl * computed_share), 1))
    # Prompt blocks change nothing here, and `servable` would pick them out one by one.
    requests = replace(traffic, prefixes=None)
    problems: dict[int, str] = {}
    plain: dict[int, list[Case]] = {}
    pooled: dict[int, list[PooledCase]] = {}
    for i, candidate in enumerate(candidates):
        try:
            servable(replica_of(candidate, requests, calibration=calibration, catalog=catalog), requests, MOST_REFUSED)
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
    curve = _curve(figures, slos)
    return CoarseCapacity(
        candidate=candidate,
        capacity_s=curve.capacity_s(slos),
        first_to_fail=curve.first_to_fail(slos),
        unmet=curve.unmet(slos),
        curve=curve,
    )


def _curve(figures: dict[str, Floats], slos: Sequence[Slo]) -> LoadCurve:
    """The latencies of the limits over the rates of the loads."""
    rates = np.maximum.accumulate(np.array(LOADS) / figures["e2e_s"]).tolist()
    columns = {(slo.metric, slo.statistic): np.nan_to_num(_column(figures, slo)).tolist() for slo in slos}
    return LoadCurve(
        tuple(
            LoadPoint(
                rate_s=rate,
                figures={of: values[i] for of, values in columns.items()},
                batch=users,
                stable=True,
                requests=0,
            )
            for i, (users, rate) in enumerate(zip(LOADS, rates, strict=True))
        )
    )


def _column(figures: dict[str, Floats], slo: Slo) -> Floats:
    """The figure that stands for the latency of a limit."""
    name = "tpot_s" if slo.metric == "itl" else f"{slo.metric}_s"
    tail = TAILS.get(slo.statistic, name) if slo.metric == "ttft" else name
    return figures.get(tail, figures[name])
