"""How the error of a prediction changes the size of a fleet."""

from __future__ import annotations

from collections.abc import Sequence

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

    Draws are standard normal. A limit is judged under the error of its own metric; without limits, the load stays
    stable under that of TPOT.
    """
    if not limits:
        return error.factors(TPOT, tpot_normal)
    capacity = np.full(ttft_normal.shape, np.inf)
    for limit in limits:
        normal = ttft_normal if limit.metric == TTFT else tpot_normal
        rates = np.array([curve.capacity_s([limit], factor) for factor in FACTORS])
        capacity = np.minimum(capacity, np.interp(np.log(error.factors(limit.metric, normal)), np.log(FACTORS), rates))
    with np.errstate(divide="ignore"):
        return np.where(capacity > 0, curve.capacity_s(limits) / capacity, np.inf)
