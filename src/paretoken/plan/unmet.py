"""Limits that a candidate misses at any load, in words, and the nearest ones that it meets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10

from paretoken.slo import Slo


def why_unmet(unmet: Mapping[Slo, float]) -> str:
    """`misses tpot=1ms (it has 0.0091 s) at any load`; values are in seconds."""
    names = ", ".join(f"{slo.text} (it has {value:.3g} s)" for slo, value in unmet.items())
    return f"misses {names} at any load"


def nearest_met(slos: Sequence[Slo], unmet: Mapping[Slo, float]) -> str:
    """The limits with those that are missed loosened to what the candidate has, as text."""
    return ",".join(f"{s.metric}_{s.statistic}={ceil_to(unmet[s]):g}s" if s in unmet else s.text for s in slos)


def shortfall(unmet: Mapping[Slo, float]) -> float:
    """The largest ratio of a value to its bound."""
    return max((value / slo.bound_s for slo, value in unmet.items()), default=0.0)


def ceil_to(value: float, digits: int = 2) -> float:
    """A value rounded up to significant digits."""
    step = 10.0 ** (floor(log10(value)) - digits + 1)
    return float(f"{ceil(value / step) * step:.{digits}g}")
