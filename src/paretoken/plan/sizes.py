"""How the error of a prediction changes the size of a fleet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite

import numpy as np

from paretoken.plan.hours import FleetSize
from paretoken.plan.load_curve import LoadCurve
from paretoken.plan.uncertainty import TPOT, TTFT, LatencyError
from paretoken.predict.arrays import Floats
from paretoken.slo import Slo

FACTORS = np.exp(np.linspace(-2.5, 2.5, 41))
"""Errors, as factors on latencies, at which capacities are computed."""


def fleet_scales(size: FleetSize, curve: LoadCurve, limits: Sequence[Slo]) -> dict[Slo, float]:
    """Latencies of the fleet's worst hours over those of one replica at the rate of the fleet's, by limit.

    Many replicas share bursts, and hours have more bursts than a steady load: the curve alone knows neither.
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
    """The capacity of a replica as predicted over that of each draw, shape (n,); inf where it meets the limits nowhere.

    With `scales`, the latencies of a draw are so many times those of the curve (`fleet_scales`).
    Draws are standard normal. An error of TPOT is one of all step times, so it changes the load that a replica keeps up
    with, too. One of TTFT comes on top, and changes TTFT alone.
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
