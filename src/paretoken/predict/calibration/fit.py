"""The fit: a maximum a posteriori estimate of all effects, by damped Gauss-Newton with conjugate gradients.

Minimised is  Σ effects ((β − β₀)/σ)²/2  +  Σ weight·(ν + 1)/2·ln(1 + (r/s)²/ν)  over the logarithms r of observed over
predicted TPOT, E2E and TTFT: Student-t errors, so that a wrong row pulls little. s is what is not explained:
4 % for TPOT and E2E, 20 % for TTFT; noise between repeated runs is far smaller. β₀ is zero, or the shipped
effects where a user's own runs come on top of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from paretoken.catalog import Catalog
from paretoken.predict.calibration.design import BOUND, Design, Effects
from paretoken.predict.calibration.effects import LOCAL
from paretoken.predict.calibration.points import OUTCOMES, Sample, arrays
from paretoken.predict.columns import Columns
from paretoken.predict.steady import Load, Steady, places, steady
from paretoken.predict.terms import TERMS

SPREAD = {"public": (0.04, 0.04, 0.2), "lab": (0.2, 0.06, 0.5)}
"""Where users move in step, how E2E splits into first token and the rest hangs on the scheduler's mood."""
FREEDOM = 4.0
DIFFERENCE = 1e-3
DAMPING, DAMPING_MOST = 1e-2, 1e4


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What is fitted: the physics of the cases, the design, the observations."""

    columns: Columns
    load: Load
    held: np.ndarray
    design: Design
    observed: np.ndarray
    weight: np.ndarray
    spread: np.ndarray
    deviation: np.ndarray
    centre: np.ndarray
    local: np.ndarray

    def only(self, free: np.ndarray, values: np.ndarray) -> Problem:
        """The same with the effects of a mask free, and all others held at the values."""
        return replace(
            self, deviation=np.where(free, self.deviation, HELD), centre=np.where(free, self.centre, values)
        )  # fmt: skip

    def take(self, mask: np.ndarray, weight: np.ndarray) -> Problem:
        """The cases of a mask, with the weights given for them; effects keep their places."""
        return Problem(
            self.columns.take(mask), self.load.take(mask), self.held[mask], self.design.take(mask),
            self.observed[mask], weight, self.spread[mask], self.deviation, self.centre, self.local,
        )  # fmt: skip

    def logs(self, s: Steady, pace: np.ndarray, first: np.ndarray) -> np.ndarray:
        """ln of TPOT, E2E and TTFT with pace and first token's factor, shape (n, 3)."""
        return np.stack([np.log(s.tpot_s) + pace, np.log(s.e2e_s) + pace, np.log(s.ttft_s) + pace + first], axis=1)

    def state(self, log_terms: np.ndarray, **how: object) -> Steady:
        """The steady state under these multipliers."""
        m = np.exp(np.clip(log_terms, -BOUND, BOUND))
        return steady(self.columns, m, self.load, held=self.held, **how)

    def predict(self, values: np.ndarray) -> np.ndarray:
        """ln of TPOT, E2E and TTFT of every case."""
        log_terms, pace, first = self.design.apply(values)
        return self.logs(self.state(log_terms), pace, first)


def problem(sample: Sample, effects: Effects, catalog: Catalog, centre: np.ndarray | None = None) -> Problem:
    """The problem of fitting the effects to the sample; `centre` is where priors stand, zero without one."""
    c, load = arrays(sample.cases, catalog)
    return Problem(
        c, load, places(c, load), Design.of(sample.cases, effects, catalog),
        sample.observed, sample.weight, np.array([SPREAD[x.harness] for x in sample.cases]),
        effects.deviation, np.zeros(len(effects.keys)) if centre is None else centre,
        np.array([k.term == LOCAL for k in effects.keys]),
    )  # fmt: skip


def fit(
    p: Problem, start: np.ndarray | None = None, *, told: Callable[[int, float], None] = lambda step, loss: None
) -> np.ndarray:
    """The effects that explain the observations best, shape (p,): first what is shared, then what is local.

    Effects that bear on no case end where their prior has them, wherever they start. `told` hears of every step.
    """
    begin = p.centre if start is None else np.where(p.design.bearing(), start, p.centre)
    shared = _descend(p.only(~p.local, p.centre), np.where(p.local, p.centre, begin), told=told)
    return _descend(p.only(p.local, shared), np.where(p.local, begin, shared), told=told, steps=LOCAL_STEPS)


LOCAL_STEPS = 6
HELD = 1e-6
"""The prior deviation of an effect that is held."""


def _descend(
    p: Problem,
    values: np.ndarray,
    *,
    told: Callable[[int, float], None],
    steps: int = 25,
    tolerance: float = 1e-3,
) -> np.ndarray:
    loss, damping = _loss(p, values, p.predict(values)), DAMPING
    for step in range(steps):
        told(step, loss)
        values, new, damping = _step(p, values, loss, damping)
        if loss - new < tolerance * abs(loss):
            break
        loss = new
    return values


def _loss(p: Problem, values: np.ndarray, predicted: np.ndarray) -> float:
    seen = np.isfinite(p.observed)
    z = np.where(seen, p.observed - predicted, 0.0) / p.spread
    errors = p.weight[:, None] * seen * (FREEDOM + 1) / 2 * np.log1p(z * z / FREEDOM)
    return float(0.5 * np.sum(((values - p.centre) / p.deviation) ** 2) + errors.sum())


def _step(p: Problem, values: np.ndarray, loss: float, damping: float) -> tuple[np.ndarray, float, float]:
    """One damped Gauss-Newton step: the values, their loss and the next damping; the old ones if none is better."""
    log_terms, pace, first = p.design.apply(values)
    at = p.state(log_terms)
    predicted = p.logs(at, pace, first)
    slopes = _slopes(p, log_terms, at)
    seen = np.isfinite(p.observed)
    residual = np.where(seen, p.observed - predicted, 0.0)
    z = residual / p.spread
    weight = (FREEDOM + 1) / (FREEDOM + z * z) / p.spread**2 * p.weight[:, None] * seen
    gradient = _gather(p.design, slopes, weight * residual) - (values - p.centre) / p.deviation**2
    while damping <= DAMPING_MOST:
        moved = values + _solve(p, slopes, weight, gradient, damping)
        new = _loss(p, moved, p.predict(moved))
        if new < loss:
            return moved, new, max(damping / 8, 1e-4)
        damping *= 8
    return values, loss, damping


def _slopes(p: Problem, log_terms: np.ndarray, at: Steady) -> np.ndarray:
    """d ln(outcome) / d ln(multiplier), shape (outcomes, n, 13), by forward differences from the fixed point.

    The base goes through as many more iterations as what it is compared with, since the point moves on a little.
    """

    def logs(log_terms: np.ndarray) -> np.ndarray:
        s = p.state(log_terms, iterations=12, start=at)
        return np.log(np.stack([s.tpot_s, s.e2e_s, s.ttft_s]))

    base = logs(log_terms)
    out = np.empty((len(OUTCOMES), *log_terms.shape))
    for k in range(len(TERMS)):
        moved = log_terms.copy()
        moved[:, k] += DIFFERENCE
        out[:, :, k] = (logs(moved) - base) / DIFFERENCE
    return out


def _gather(design: Design, slopes: np.ndarray, v: np.ndarray) -> np.ndarray:
    per_term = np.einsum("onk,no->nk", slopes, v)
    return design.gather(per_term, v.sum(axis=1), v[:, FIRST_OUTCOME])


FIRST_OUTCOME = OUTCOMES.index("ttft")


def _solve(
    p: Problem, slopes: np.ndarray, weight: np.ndarray, gradient: np.ndarray, damping: float, most: int = 300
) -> np.ndarray:
    """(JᵀWJ + (1 + damping)·σ⁻²) x = gradient by preconditioned conjugate gradients, in units of σ."""
    d, sigma = p.design, p.deviation

    def times(u: np.ndarray) -> np.ndarray:
        log_terms, pace, first = d.apply(sigma * u)
        out = np.einsum("onk,nk->no", slopes, log_terms) + pace[:, None]
        out[:, FIRST_OUTCOME] += first
        return (1 + damping) * u + sigma * _gather(d, slopes, weight * out)

    square = d.squared()
    curvature = square.gather(np.einsum("onk,no->nk", slopes**2, weight), weight.sum(axis=1), weight[:, FIRST_OUTCOME])
    diagonal = 1 + damping + sigma**2 * curvature
    x = np.zeros_like(gradient)
    r = sigma * gradient
    z = r / diagonal
    direction, rz = z.copy(), r @ z
    enough = 1e-6 * rz
    for _ in range(most):
        q = times(direction)
        a = rz / (direction @ q)
        x += a * direction
        r -= a * q
        z = r / diagonal
        new = r @ z
        if new < enough:
            break
        direction = z + (new / rz) * direction
        rz = new
    return sigma * x
