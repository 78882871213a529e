"""What the calibration learns from pooled points, on top of that of single deployments: a maximum a posteriori fit.

Two steps, each with Student-t errors, so that a wrong row pulls little. The pace of decode steps comes first: at the
batch that Little's law gives, B = X·TPOT·(OSL − 1)/D, ln TPOT is linear in its effects, whatever the prefill pool does.
Then, with the decode pace of each row as observed, the effects on prefill, on the way to it and on the run, from E2E
(Little's law) and TTFT, by Gauss-Newton.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from paretoken.catalog.loader import Catalog
from paretoken.predict.arrays import Floats, Mask
from paretoken.predict.calibration.effects import KEPT, EffectKey, prior
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.pools.effects import DECODE, LEAD, PREFILL, RUN, TERMS, PoolSums, bearing_on, load_weight
from paretoken.predict.pools.predictor import base_columns, with_sums
from paretoken.predict.pools.sample import PoolSample
from paretoken.predict.pools.steady import (
    DecodeCurve,
    PoolColumns,
    PooledState,
    pooled_steady,
)

SPREAD = (0.1, 0.1, 0.3)
"""Deviation of ln of TPOT, E2E and mean TTFT that is not explained."""
FREEDOM = 1.0
STEPS, DIFFERENCE, SMALLEST = 8, 1e-3, 1e-4
REST = (PREFILL, LEAD, RUN)
"""The terms of the second step."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PoolProblem:
    """Cases with ln of what was observed, TPOT, E2E and mean TTFT, shape (n, 3), NaN where it was not; `weight` (n,).

    `design` has, by term, which effect bears on which case, shape (n, effects); `sloped` those on `pool_decode` that
    go by the batch. `centre` are the effects that are expected.
    """

    columns: PoolColumns
    observed: Floats
    weight: Floats
    keys: tuple[EffectKey, ...]
    deviation: Floats
    centre: Floats
    design: dict[str, sp.csr_matrix]
    sloped: sp.csr_matrix

    @classmethod
    def of(cls, sample: PoolSample, calibration: Calibration, catalog: Catalog, *, on_top: bool = False) -> PoolProblem:
        """The problem of a sample, with the multipliers of single workers as calibrated.

        On top of a calibration its effects on pools are expected, and move by a tenth of their priors.
        """
        cases, expected = sample.cases, calibration.effects if on_top else {}
        bearing = [bearing_on(c, catalog) for c in cases]
        keys = tuple(
            sorted({key for b in bearing for e in b.values() for pairs in (e.level, e.sloped) for key, _ in pairs})
        )
        place = {key: i for i, key in enumerate(keys)}

        def matrix(rows: list[list[tuple[EffectKey, float]]]) -> sp.csr_matrix:
            at = [(i, place[key], weight) for i, row in enumerate(rows) for key, weight in row]
            i, j, w = zip(*at, strict=True) if at else ((), (), ())
            return sp.csr_matrix((w, (i, j)), shape=(len(rows), len(keys)))

        return cls(
            columns=base_columns(cases, calibration, catalog),
            observed=sample.observed,
            weight=sample.weight,
            keys=keys,
            deviation=np.array([prior(key) * (KEPT if key in expected else 1.0) for key in keys]),
            centre=np.array([expected.get(key, 0.0) for key in keys]),
            design={term: matrix([b[term].level for b in bearing]) for term in TERMS},
            sloped=matrix([b[DECODE].sloped for b in bearing]),
        )

    def sums(self, values: Floats) -> PoolSums:
        """What values of the effects add up to."""
        return PoolSums({term: m @ values for term, m in self.design.items()}, self.sloped @ values)

    def state(self, values: Floats) -> PooledState:
        """The steady states under values of the effects."""
        return pooled_steady(with_sums(self.columns, self.sums(values)))

    def predict(self, values: Floats) -> Floats:
        """ln of the outcomes of every case, shape (n, 3)."""
        return _logs(self.columns, self.state(values))

    def centre_of(self, *terms: str) -> Floats:
        """The expected effects on some terms, zero for others."""
        return np.where([key.term in terms for key in self.keys], self.centre, 0.0)

    def batches(self) -> Floats:
        """Sequences that decode in a worker as observed, by Little's law."""
        tokens = np.maximum(self.columns.decode_load.osl - 1, 1e-9)
        tpot, e2e = np.exp(self.observed[:, 0]), np.exp(self.observed[:, 1])
        share = np.minimum(tpot * tokens / e2e, 1.0)
        batch: Floats = self.columns.users * np.where(np.isfinite(share), share, 1.0) / self.columns.decode_workers
        return batch


def _logs(x: PoolColumns, s: PooledState) -> Floats:
    return np.log(np.stack([s.tpot_s, x.users / s.requests_per_s, s.mean_ttft_s], axis=1))


def fit_pools(p: PoolProblem, learned: Mask | None = None) -> Floats:
    """The effects that explain the cases of a mask (all of them without one) best, shape (effects,)."""
    weight = p.weight if learned is None else p.weight * learned
    decode, left = _fit_decode(p, weight)
    return decode + _fit_rest(p, weight, left)


def _fit_decode(p: PoolProblem, weight: Floats) -> tuple[Floats, Floats]:
    """Effects on the decode pace, and ln of what of TPOT they leave unexplained, 0 where it was not observed."""
    batch = p.batches()
    curve = DecodeCurve.of(p.columns)
    target = p.observed[:, 0] - np.log(curve.tpot_s(np.log(batch)))
    matrix = (p.design[DECODE] + sp.diags(load_weight(np.clip(batch, 0.25, 1024))) @ p.sloped).tocsr()
    observed = np.isfinite(target)
    target = np.where(observed, target, 0.0)
    values = p.centre_of(DECODE)
    for _ in range(STEPS):
        left = target - matrix @ values
        w = weight * observed * _outlier_weight(left / SPREAD[0]) / SPREAD[0] ** 2
        new = _solve([matrix], [w], [target], p.deviation, p.centre_of(DECODE))
        moved, values = np.abs(new - values).max(), new
        if moved < SMALLEST:
            break
    return values, np.where(observed, target, 0.0)


def _fit_rest(p: PoolProblem, weight: Floats, decode: Floats) -> Floats:
    """Effects on the other terms, where ln of the decode pace of each case is off by `decode`."""
    shifted = replace(p.columns, decode_pace=p.columns.decode_pace + decode[:, None])
    observed = np.isfinite(p.observed)
    curve = DecodeCurve.of(shifted)

    def logs(at: dict[str, Floats]) -> Floats:
        x = replace(shifted, prefill_pace=shifted.prefill_pace + at[PREFILL], lead=shifted.lead + at[LEAD], run=at[RUN])
        return _logs(x, pooled_steady(x, curve))[:, 1:]

    values = centre = p.centre_of(*REST)
    for _ in range(STEPS):
        at = {term: p.design[term] @ values for term in REST}
        base = logs(at)
        left = np.where(observed[:, 1:], p.observed[:, 1:] - base, 0.0)
        slopes = {term: (logs(at | {term: at[term] + DIFFERENCE}) - base) / DIFFERENCE for term in REST}
        matrices, weights, targets = [], [], []
        for k in range(2):
            m = sp.csr_matrix(sum(sp.diags(slopes[term][:, k]) @ p.design[term] for term in REST))
            matrices.append(m)
            spread = SPREAD[k + 1]
            weights.append(weight * observed[:, k + 1] * _outlier_weight(left[:, k] / spread) / spread**2)
            targets.append(left[:, k] + m @ values)
        new = _solve(matrices, weights, targets, p.deviation, centre)
        moved, values = np.abs(new - values).max(), new
        if moved < SMALLEST:
            break
    return values


def _outlier_weight(z: Floats) -> Floats:
    return (FREEDOM + 1) / (FREEDOM + z * z)


def _solve(
    matrices: list[sp.csr_matrix], weights: list[Floats], targets: list[Floats], deviation: Floats, centre: Floats
) -> Floats:
    """The ridge regression of all targets on the effects around their centre, where those of no row stay."""
    normal = sp.csr_matrix(sum(m.T @ sp.diags(w) @ m for m, w in zip(matrices, weights, strict=True)))
    right = np.sum([m.T @ (w * (t - m @ centre)) for m, w, t in zip(matrices, weights, targets, strict=True)], axis=0)
    used = np.flatnonzero(normal.diagonal() > 0)
    inner = normal[used][:, used].toarray() + np.diag(1 / deviation[used] ** 2)
    values = centre.copy()
    values[used] += np.linalg.solve(inner, right[used])
    return values
