"""Limits that a candidate misses at any load, in words, and the nearest ones that it meets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil, floor, log10

from paretoken.slo import Slo


def why_unmet(unmet: Mapping[Slo, float]) -> str:
    """`misses TPOT p50 ≤ 1 ms at any load: it is 9.68 ms at best`; values are in seconds."""
    limits = ", ".join(slo.words for slo in unmet)
    values = ", ".join(slo.figure(value) for slo, value in unmet.items())
    return f"misses {limits} at any load: {'they are' if len(unmet) > 1 else 'it is'} {values} at best"


def nearest_met(slos: Sequence[Slo], unmet: Mapping[Slo, float]) -> str:
    """The limits with those that are missed loosened to what the candidate has, as text: `tpot_p50=9.7ms`."""
    return ",".join(_loosened(slo, unmet[slo]) if slo in unmet else slo.text for slo in slos)


def shortfall(unmet: Mapping[Slo, float]) -> float:
    """The largest ratio of a value to its bound; 0 without any."""
    return max((value / slo.bound_s for slo, value in unmet.items()), default=0.0)


def _loosened(slo: Slo, value_s: float) -> str:
    if slo.of_speed:
        return f"interactivity_{slo.statistic}={_cut(1 / value_s, floor):g}"
    number, unit = (_cut(value_s, ceil), "s") if value_s >= 1 else (_cut(value_s * 1e3, ceil), "ms")
    return f"{slo.metric}_{slo.statistic}={number:g}{unit}"


def _cut(value: float, direction: Callable[[float], int]) -> float:
    """A value rounded to two significant digits in a direction."""
    step = 10.0 ** (floor(log10(value)) - 1)
    return float(f"{direction(value / step) * step:.2g}")
