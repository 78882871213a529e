"""How the error of a prediction changes the size of a fleet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite

import numpy as np

from paretoken.plan.fleet_size import FleetSize
from paretoken.plan.load_curve import LoadCurve
from paretoken.plan.uncertainty import TPOT, TTFT, LatencyError
from paretoken.predict.arrays import Floats
from paretoken.slo import Slo

FACTORS = np.exp(np.linspace(-2.5, 2.5, 41))
"""Errors, as factors on latencies, at which capacities are computed."""


def fleet_scales(size: FleetSize, curve: LoadCurve, limits: Sequence[Slo]) -> dict[Slo, float]:
    """Latencies of the fleet's worst hours over those on the curve at the same load of a replica, by limit.

    Replicas share bursts, and an hour has more bursts than a steady load; the curve covers neither.
    """
    rate_s = size.rate_each_s(size.checks[0].group.first, size.checks[0].replicas)
    scales = dict[Slo, float]()
    for limit in limits:
        replayed = max(c.ratios.get(limit, 0.0) for c in size.checks) * limit.bound_s
        alone = curve.latency_s(limit.metric, limit.statistic, rate_s)
        scales[limit] = replayed / alone if replayed > 0 and alone > 0 and isfinite(alone) else 1.0
    return scales


def size_factors(
    curve: LoadCurve,
    limits: Sequence[Slo],
    error: LatencyError,
    ttft_normal: Floats,
    tpot_normal: Floats,
    scales: Mapping[Slo, float] | None = None,
) -> Floats:
    """Predicted capacity of a replica over its capacity in each draw, shape (n,); inf where no load meets the limits.

    `scales` multiply the latencies of the curve, by limit (`fleet_scales`). Draws are standard normal. An error of TPOT
    applies to all step times, so it also changes the highest stable load. An error of TTFT changes TTFT alone, on top.
    """
    slower = error.factors(TPOT, tpot_normal)
    capacity = curve.limit_s / slower
    for unscaled in limits:
        limit = replace(unscaled, bound_s=unscaled.bound_s / (scales or {}).get(unscaled, 1.0))
        if limit.metric == TTFT:
            rates = np.array([curve.capacity_s([replace(limit, bound_s=limit.bound_s / f)]) for f in FACTORS])
            at = np.interp(np.log(error.factors(TTFT, ttft_normal)), np.log(FACTORS), rates) / slower
        else:
            rates = np.array([curve.capacity_s([limit], f) for f in FACTORS])
            at = np.interp(np.log(error.factors(limit.metric, tpot_normal)), np.log(FACTORS), rates)
        capacity = np.minimum(capacity, at)
    with np.errstate(divide="ignore"):
        return np.where(capacity > 0, curve.capacity_s(limits) / capacity, np.inf)
