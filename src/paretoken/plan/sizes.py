"""How the error of a prediction changes the size of a fleet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from paretoken.plan.load_curve import LoadCurve
from paretoken.plan.uncertainty import TPOT, TTFT, LatencyError
from paretoken.predict.arrays import Floats
from paretoken.slo import Slo

FACTORS = np.exp(np.linspace(-2.5, 2.5, 41))
"""Errors, as factors on latencies, at which capacities are computed."""


def size_factors(
    curve: LoadCurve, limits: Sequence[Slo], error: LatencyError, ttft_normal: Floats, tpot_normal: Floats
) -> Floats:
    """The capacity of a replica as predicted over that of each draw, shape (n,); inf where it meets the limits nowhere.

    Draws are standard normal. An error of TPOT is one of all step times, so it changes the load that a replica keeps up
    with, too. One of TTFT comes on top, and changes TTFT alone.
    """
    slower = error.factors(TPOT, tpot_normal)
    capacity = curve.limit_s / slower
    for limit in limits:
        if limit.metric == TTFT:
            rates = np.array([curve.capacity_s([replace(limit, bound_s=limit.bound_s / f)]) for f in FACTORS])
            at = np.interp(np.log(error.factors(TTFT, ttft_normal)), np.log(FACTORS), rates) / slower
        else:
            rates = np.array([curve.capacity_s([limit], f) for f in FACTORS])
            at = np.interp(np.log(error.factors(limit.metric, tpot_normal)), np.log(FACTORS), rates)
        capacity = np.minimum(capacity, at)
    with np.errstate(divide="ignore"):
        return np.where(capacity > 0, curve.capacity_s(limits) / capacity, np.inf)
