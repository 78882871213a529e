"""The multipliers and factors that a calibration gives a case, and a steady state stretched by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from paretoken.catalog.loader import Catalog
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.bearing import BOUND, log_sums
from paretoken.predict.calibration.effects import STRETCHED
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.calibration.stand_ins import stand_ins
from paretoken.predict.deployment import Case
from paretoken.predict.steady import TIMES, SteadyState


def log_multipliers(cases: Sequence[Case], calibration: Calibration, catalog: Catalog) -> tuple[Floats, Floats]:
    """ln of the multipliers (n, terms) and of the factors (n, factors) of each case."""
    terms, factors = log_sums(stand_ins(cases, calibration.seen, catalog), calibration.effects, catalog)
    return np.clip(np.array(terms, dtype=float), -BOUND, BOUND), np.array(factors, dtype=float)


def stretched(s: SteadyState, factors: Floats) -> SteadyState:
    """The steady state with its times stretched by the factors, given as logarithms."""
    stretch = np.exp(factors @ STRETCHED.T)
    by_time = {f"{name}_s": stretch[:, i] for i, name in enumerate(TIMES)}
    first = by_time["ttft_s"]
    tails = {"p90_ttft_s": first, "p99_ttft_s": first}
    return replace(s, **{name: getattr(s, name) * factor for name, factor in {**by_time, **tails}.items()})
