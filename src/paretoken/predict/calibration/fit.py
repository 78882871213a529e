"""The fit: a maximum a posteriori estimate of all effects, by Gauss-Newton with conjugate gradients.

Minimised is  Σ effects ((β − β₀)/σ)²/2  +  Σ weight·(ν + 1)/2·ln(1 + (r/s)²/ν)  over the logarithms r of observed over
predicted TPOT, E2E, TTFT and mean TTFT: Student-t errors, so that a wrong row pulls little. s is what is not explained:
4 % for TPOT and E2E, 20 % for TTFT, 30 % for its mean; noise between repeated runs is far smaller. β₀ is zero, or the
shipped effects where a user's own runs come on top of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from paretoken.catalog.loader import Catalog
from paretoken.predict.arrays import Floats, Ints, Mask
from paretoken.predict.calibration.bearing import BOUND
from paretoken.predict.calibration.design import Design, Effects
from paretoken.predict.calibration.effects import STRETCHED, EffectKey, priors_on_top
from paretoken.predict.calibration.sample import CalibrationSample, case_columns, within_slots
from paretoken.predict.columns import take
from paretoken.predict.load import LoadColumns, kv_slots
from paretoken.predict.numbers import Columns
from paretoken.predict.steady import SteadyState, log_times, slopes, steady
from paretoken.predict.terms import TERMS

SPREAD = {"public": (0.04, 0.04, 0.2, 0.3), "lab": (0.2, 0.06, 0.5, 0.5), "offline": (0.06, 0.06, 0.5, 0.5)}
"""Deviation of ln of TPOT, E2E, median and mean TTFT, by harness: laboratories do not say which statistic a TTFT is."""
FREEDOM = 4.0
STEPS, SHORTENINGS, ENOUGH, ROUGHLY = 25, 6, 3e-4, 1e-3
"""Most steps, and the share of the loss that a step must gain for another to follow; in cross-validation, for speed."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Problem:
    """What is fitted: the physics of the cases, the design, the observations."""

    columns: Columns
    load: LoadColumns
    slots: Floats
    design: Design
    observed: Floats
    times: Ints
    weight: Floats
    spread: Floats
    deviation: Floats
    centre: Floats

    def take(self, mask: Mask, weight: Floats) -> Problem:
        """The cases of a mask, with the weights given for them; effects keep their places."""
        return Problem(
            columns=take(self.columns, mask),
            load=self.load.take(mask),
            slots=self.slots[mask],
            design=self.design.take(mask),
            observed=self.observed[mask],
            times=self.times[mask],
            weight=weight,
            spread=self.spread[mask],
            deviation=self.deviation,
            centre=self.centre,
        )

    def state(self, log_terms: Floats) -> SteadyState:
        """The steady state under these multipliers."""
        return steady(self.columns, np.exp(np.clip(log_terms, -BOUND, BOUND)), self.load, slots=self.slots)

    def slopes(self, log_terms: Floats, at: SteadyState) -> Floats:
        """d ln(outcome) / d ln(multiplier or factor) where the steady state is `at`, (n, outcomes, terms + factors)."""
        log_m = np.clip(log_terms, -BOUND, BOUND)
        by_time = slopes(self.columns, log_m, self.load, slots=self.slots, at=at) * (log_m == log_terms)[:, None]
        by_outcome = np.take_along_axis(by_time, self.times[:, :, None], axis=1)
        return np.concatenate([by_outcome, STRETCHED[self.times]], axis=2)

    def logs(self, at: SteadyState, factors: Floats) -> Floats:
        """ln of the outcomes where the steady state is `at` before factors stretch it, shape (n, outcomes)."""
        return np.take_along_axis(log_times(at) + factors @ STRETCHED.T, self.times, axis=1)

    def predict(self, values: Floats) -> Floats:
        """ln of the outcomes of every case, shape (n, outcomes)."""
        log_terms, factors = self.design.apply(values)
        return self.logs(self.state(log_terms), factors)


def problem(
    sample: CalibrationSample, effects: Effects, catalog: Catalog, base: Mapping[EffectKey, float] | None = None
) -> Problem:
    """The problem of fitting the effects to the sample, on top of the effects `base` if there are any."""
    centre, deviation = np.zeros(len(effects.keys)), effects.deviation
    if base is not None:
        centre, deviation = effects.values(base), np.fromiter(priors_on_top(effects.keys, base), dtype=float)
    c, load = case_columns(sample.cases, catalog)
    return Problem(
        columns=c,
        load=load,
        slots=kv_slots(c, load),
        design=Design.of(within_slots(sample.cases, catalog), effects, catalog),
        observed=sample.observed,
        times=sample.times,
        weight=sample.weight,
        spread=np.array([SPREAD[x.harness] for x in sample.cases]),
        deviation=deviation,
        centre=centre,
    )


def fit(
    p: Problem, *, enough: float = ENOUGH, on_step: Callable[[int, float], None] = lambda step, loss: None
) -> Floats:
    """The effects that explain the observations best, shape (p,), from the priors on.

    It ends where a step gains less than the share `enough` of the loss. `on_step` is called with a step and its loss.
    """
    at = _at(p, p.centre)
    for step in range(STEPS):
        on_step(step, at.loss)
        new = _step(p, at)
        if at.loss - new.loss < enough * abs(at.loss):
            return new.values
        at = new
    return at.values


def jacobian(p: Problem, values: Floats) -> list[sp.csr_matrix]:
    """d ln(outcome) / d effects at the values: for each of OUTCOMES a sparse matrix of shape (n, effects)."""
    d = p.design
    log_terms = d.log_terms(values)
    slopes = p.slopes(log_terms, p.state(log_terms))
    by_term = [d.terms[d.machine * len(TERMS) + k] for k in range(len(TERMS))]
    return [
        sum(sp.diags(slope[:, k]) @ m for k, m in enumerate([*by_term, *d.factors])).tocsr()
        for slope in slopes.transpose(1, 0, 2)
    ]


def outlier_weight(z: Floats) -> Floats:
    """What an observation that is z deviations off counts, of (FREEDOM + 1)/FREEDOM where it is met exactly."""
    return (FREEDOM + 1) / (FREEDOM + z * z)


def _loss(p: Problem, values: Floats, predicted: Floats) -> float:
    measured = np.isfinite(p.observed)
    z = np.where(measured, p.observed - predicted, 0.0) / p.spread
    errors = p.weight[:, None] * measured * (FREEDOM + 1) / 2 * np.log1p(z * z / FREEDOM)
    return float(0.5 * np.sum(((values - p.centre) / p.deviation) ** 2) + errors.sum())


@dataclass(frozen=True, slots=True, eq=False)
class _Iterate:
    """One point of the fit: effects, the multipliers and steady state they make, what these predict, and the loss."""

    values: Floats
    log_terms: Floats
    state: SteadyState
    predicted: Floats
    loss: float


def _at(p: Problem, values: Floats) -> _Iterate:
    log_terms, factors = p.design.apply(values)
    state = p.state(log_terms)
    predicted = p.logs(state, factors)
    return _Iterate(values, log_terms, state, predicted, _loss(p, values, predicted))


def _step(p: Problem, at: _Iterate) -> _Iterate:
    """One Gauss-Newton step, shortened until the loss falls; the old place if it never does."""
    slopes = p.slopes(at.log_terms, at.state)
    measured = np.isfinite(p.observed)
    residual = np.where(measured, p.observed - at.predicted, 0.0)
    weight = outlier_weight(residual / p.spread) / p.spread**2 * p.weight[:, None] * measured
    gradient = p.design.gather(np.einsum("nok,no->nk", slopes, weight * residual))
    gradient -= (at.values - p.centre) / p.deviation**2
    direction = _solve(p, slopes, weight, gradient)
    for shorter in range(SHORTENINGS):
        moved = _at(p, at.values + 0.5**shorter * direction)
        if moved.loss < at.loss:
            return moved
    return at


def _solve(p: Problem, slopes: Floats, weight: Floats, gradient: Floats, most: int = 80) -> Floats:
    """(JᵀWJ + σ⁻²) x = gradient by preconditioned conjugate gradients, in units of σ.

    They end after `most` steps at the latest, for speed, well before they have settled: what is left then is what the
    data say least of. The prior deviations were chosen with that end: solved further under them, an engine left
    out is predicted better, a model or a cell left out worse.
    """
    d, sigma = p.design, p.deviation

    def times(u: Floats) -> Floats:
        out = np.einsum("nok,nk->no", slopes, np.concatenate(d.apply(sigma * u), axis=1))
        return u + sigma * d.gather(np.einsum("nok,no->nk", slopes, weight * out))

    curvature = d.squared().gather(np.einsum("nok,no->nk", slopes**2, weight))
    diagonal = 1 + sigma**2 * curvature
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
