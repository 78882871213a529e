"""Brent's root of a function in an interval, bit for bit that of `scipy.optimize.brentq`.

Written out because the study needs a few hundred roots and scipy's optimisers take half a second to load.
"""

from __future__ import annotations

from collections.abc import Callable

XTOL, RTOL, STEPS = 2e-12, 8.881784197001252e-16, 100


def brent(f: Callable[[float], float], low: float, high: float) -> float:
    """A root of f between low and high, at which f must have opposite signs (Brent 1973, chapter 4)."""
    before, best = low, high
    f_before, f_best = f(before), f(best)
    other, f_other, step_before, step = 0.0, 0.0, 0.0, 0.0
    for _ in range(STEPS):
        if f_before != 0 and f_best != 0 and (f_before < 0) != (f_best < 0):
            other, f_other = before, f_before
            step_before = step = best - before
        if abs(f_other) < abs(f_best):
            before, best, other = best, other, best
            f_before, f_best, f_other = f_best, f_other, f_best
        tolerance = (XTOL + RTOL * abs(best)) / 2
        half = (other - best) / 2
        if f_best == 0 or abs(half) < tolerance:
            break
        trial = None
        if abs(step_before) > tolerance and abs(f_best) < abs(f_before):
            trial = _interpolated((before, best, other), (f_before, f_best, f_other))
        if trial is not None and 2 * abs(trial) < min(abs(step_before), 3 * abs(half) - tolerance):
            step_before, step = step, trial
        else:
            step_before = step = half
        before, f_before = best, f_best
        best += step if abs(step) > tolerance else (tolerance if half > 0 else -tolerance)
        f_best = f(best)
    return best


def _interpolated(x: tuple[float, float, float], y: tuple[float, float, float]) -> float | None:
    """The step from the best point to the root of the secant, or of the inverse parabola through three points.

    None where values are so small that their products vanish.
    """
    (before, best, other), (f_before, f_best, f_other) = x, y
    if before == other:
        return -f_best * (best - before) / (f_best - f_before) if f_best != f_before else None
    slope_before = (f_before - f_best) / (before - best)
    slope_other = (f_other - f_best) / (other - best)
    divisor = slope_other * slope_before * (f_other - f_before)
    return -f_best * (f_other * slope_other - f_before * slope_before) / divisor if divisor else None
