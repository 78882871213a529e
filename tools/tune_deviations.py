"""Choose the prior deviations of the calibration's effects by what they make of points held back.

    python tools/tune_deviations.py --steps 12

Around the fitted effects ln(observed) is linear in them: y = J·β + noise, β ~ N(0, σ²). So y is Gaussian with the
covariance K = Σ σ²·J·Jᵀ + N (N takes up what Student-t errors leave to outliers), and what a fit without a group F of
points would leave of it needs no fit: e_F = (K⁻¹_FF)⁻¹·α_F with α = K⁻¹·y. The tool descends, along ln σ,

    Σ over splits  weight·ln(mean |e|)  −  ln p(y)·EVIDENCE/n  +  STAY·(distance from the start)²

with |e| levelled off at CAP, as some published rows are wrong by factors. HeldOut-out points count of models other than
the scoreboard's alone (they are learned from, though): the scoreboard's errors are not what is minimised.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import scipy.linalg as la
import scipy.sparse as sp
import tomli_w

from paretoken.catalog.loader import load_catalog
from paretoken.points.published import published_points
from paretoken.predict.calibration import splits
from paretoken.predict.calibration.design import Effects
from paretoken.predict.calibration.effects import DEVIATIONS, deviations
from paretoken.predict.calibration.fit import fit, jacobian, outlier_weight, problem
from paretoken.predict.calibration.sample import LOADED, sample, within_slots
from paretoken.predict.calibration.scoreboard import TARGET_MODELS
from paretoken.predict.calibration.splits import Fold

EVIDENCE, STAY, RATE = 10.0, 0.03, 0.07
ROUND, CAP = 0.02, 0.7
LEAST_COUNTED, SEED = 20, 3
OUTCOMES = (0, 1)
"""TPOT and E2E."""
CURVE = [c for c in LOADED if c != "concurrency"]
CONFIGURATION = [c for c in CURVE if c not in ("isl", "osl")]
HEADER = """# Prior deviations of the calibration's effects, by term: `level`, `level*covariate` or `level@date`.
# Begun by hand, then moved by tools/tune_deviations.py, but for those of `ahead`, `start` and `run`.

"""
BY_HAND = ("ahead", "start", "run")
"""Terms whose deviations stay as they are: most of what they bear on is not among the outcomes."""


def each_part(columns: Sequence[str], k: int, seed: int, table: pl.DataFrame) -> Iterator[Fold]:
    """The rows in k parts, those that agree in the columns together."""
    part = splits.parts(table, columns, k, seed)
    for j in range(k):
        yield Fold("", str(j), part == j)


def late(table: pl.DataFrame) -> Iterator[Fold]:
    """What is later than each of three days."""
    for day in ("2025-12-15", "2026-02-01", "2026-03-15"):
        yield Fold("", day, (table["date"].fill_null("9999") > day).to_numpy())


HELD = {
    "load": (partial(each_part, LOADED, 2, 11), 1.0),
    "curve": (partial(each_part, CURVE, 5, 12), 1.0),
    "configuration": (partial(each_part, CONFIGURATION, 5, 13), 1.5),
    "cell": (partial(each_part, splits.CELL, 5, 14), 1.0),
    "tp": (splits.SPLITS["tp"], 1.5),
    "workload": (splits.SPLITS["workload"], 1.0),
    "accelerator": (splits.SPLITS["accelerator"], 1.5),
    "engine": (splits.SPLITS["engine"], 0.5),
    "model": (splits.SPLITS["model"], 1.5),
    "date": (late, 0.3),
}
"""What is held back in turn, and how much its error weighs. What is drawn has seeds of its own; the other splits are
those of the scoreboard, but for the models that count."""


class Linear:
    """The linear model of a share of the points: y of shape (n,), J (n, effects), each effect's place in `names`."""

    def __init__(self, share: float) -> None:
        catalog = load_catalog()
        s = sample(published_points(), catalog)
        effects = Effects.of(within_slots(s.cases, catalog), catalog)
        p = problem(s, effects, catalog)
        values = fit(p)
        kept = splits.parts(s.table, LOADED, 100, SEED) < 100 * share
        keep = np.flatnonzero(~s.table["drafting"].to_numpy() & kept)
        residual = (p.observed - p.predict(values))[:, OUTCOMES][keep].T.ravel()
        slopes = jacobian(p, values)
        jacobians = sp.vstack([slopes[o][keep] for o in OUTCOMES]).tocsc()
        seen = np.isfinite(residual)
        self.table = s.table[keep]
        self.row = np.tile(np.arange(len(keep)), len(OUTCOMES))[seen]
        self.J = jacobians[np.flatnonzero(seen)]
        self.y = residual[seen] + self.J @ values
        spread = p.spread[:, OUTCOMES][keep].T.ravel()[seen]
        weight = np.tile(s.weight[keep], len(OUTCOMES))[seen]
        self.noise = spread**2 / outlier_weight(residual[seen] / spread) / weight
        self.names = sorted({(k.term, k.effect) for k in effects.keys})
        place = {n: i for i, n in enumerate(self.names)}
        self.place = np.array([place[k.term, k.effect] for k in effects.keys])
        self.start = np.log([deviations()[term][effect] for term, effect in self.names])

    def inverse(self, log_sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """K⁻¹, α and −ln p(y) up to a constant."""
        scaled = (self.J @ sp.diags(np.exp(log_sigma)[self.place])).tocsc()
        wide = np.diff(scaled.indptr) > len(self.y) // 20
        dense = scaled[:, wide].toarray()
        covariance = dense @ dense.T + (scaled[:, ~wide] @ scaled[:, ~wide].T).toarray()
        covariance[np.diag_indices_from(covariance)] += self.noise
        factor = la.cho_factor(covariance, lower=True, overwrite_a=True, check_finite=False)
        alpha = la.cho_solve(factor, self.y)
        log_det = 2 * np.log(np.diag(factor[0])).sum()
        inverse, _ = la.lapack.dpotri(factor[0], lower=1, overwrite_c=1)
        inverse = np.tril(inverse)
        return inverse + np.tril(inverse, -1).T, alpha, 0.5 * (self.y @ alpha + log_det)

    def per_name(self, per_effect: np.ndarray, log_sigma: np.ndarray) -> np.ndarray:
        """Σ σ²·x over the effects of each name."""
        return np.bincount(self.place, per_effect * np.exp(2 * log_sigma)[self.place], len(self.names))

    def evidence_slope(self, inverse: np.ndarray, alpha: np.ndarray, log_sigma: np.ndarray) -> np.ndarray:
        """d(−ln p(y)) / d ln σ."""
        trace = np.empty(self.J.shape[1])
        for at in range(0, self.J.shape[1], 2000):
            block = self.J[:, at : at + 2000]
            trace[at : at + 2000] = np.asarray(block.T.multiply(block.T @ inverse).sum(axis=1)).ravel()
        return self.per_name(trace - (self.J.T @ alpha) ** 2, log_sigma)


class HeldOut:
    """The groups held back in turn: for each split its weight and, by fold, the rows of y and which of them count."""

    def __init__(self, linear: Linear) -> None:
        self.linear = linear
        counts = ~linear.table["model"].is_in(list(TARGET_MODELS)).to_numpy()
        self.splits = []
        for name, (folds, weight) in HELD.items():
            scored = []
            for fold in folds(linear.table):
                rows = np.flatnonzero(fold.mask[linear.row])
                counted = counts[linear.row[rows]]
                if counted.sum() >= LEAST_COUNTED and len(rows) < len(linear.y):
                    scored.append((rows, counted))
            self.splits.append((name, weight, scored))

    def score(self, inverse: np.ndarray, alpha: np.ndarray) -> tuple[dict[str, float], np.ndarray]:
        """The mean error of each split, and d(Σ weight·ln mean) / d(σ²) of each effect, over 2.

        With v = d(score)/d(e_F), u = (K⁻¹_FF)⁻¹·v: the slope along a change K' of K is (K⁻¹u)ᵀ·K'·(K⁻¹e − α).
        """
        means, left, right = {}, [], []
        for name, weight, folds in self.splits:
            solved = [self._fold(inverse, alpha, rows, counted) for rows, counted in folds]
            size = np.sqrt([counted.sum() for _, counted in folds])
            size /= size.sum()
            means[name] = float(size @ [mean for *_, mean in solved])
            for (factor, error, slope, _), (rows, _), part in zip(solved, folds, size, strict=True):
                one = np.zeros((2, len(alpha)))
                one[0, rows] = la.cho_solve(factor, slope * part * weight / means[name])
                one[1, rows] = error
                left.append(one[0])
                right.append(one[1])
        p, q = inverse @ np.array(left).T, inverse @ np.array(right).T - alpha[:, None]
        return means, ((self.linear.J.T @ p) * (self.linear.J.T @ q)).sum(axis=1)

    @staticmethod
    def _fold(inverse: np.ndarray, alpha: np.ndarray, rows: np.ndarray, counted: np.ndarray) -> tuple:
        block = inverse[np.ix_(rows, rows)]
        block[np.diag_indices_from(block)] *= 1 + 1e-6
        factor = la.cho_factor(block, lower=True, overwrite_a=True, check_finite=False)
        error = la.cho_solve(factor, alpha[rows])
        size = np.sqrt(error**2 + ROUND**2)
        slope = np.where(counted, error / size / np.cosh(size / CAP) ** 2, 0.0) / counted.sum()
        return factor, error, slope, float((CAP * np.tanh(size / CAP))[counted].mean())


def tune(linear: Linear, steps: int) -> np.ndarray:
    """ln σ after some steps of Adam."""
    groups, log_sigma = HeldOut(linear), linear.start.copy()
    first = second = np.zeros(len(log_sigma))
    for step in range(steps):
        inverse, alpha, evidence = linear.inverse(log_sigma)
        means, per_effect = groups.score(inverse, alpha)
        slope = 2 * linear.per_name(per_effect, log_sigma) + 2 * STAY * (log_sigma - linear.start)
        slope += EVIDENCE / len(linear.y) * linear.evidence_slope(inverse, alpha, log_sigma)
        print(f"{step}: -ln p {evidence:,.0f} ", *(f"{k} {v:.3f}" for k, v in means.items()), flush=True)
        first, second = 0.8 * first + 0.2 * slope, 0.95 * second + 0.05 * slope**2
        unbiased = first / (1 - 0.8 ** (step + 1)), second / (1 - 0.95 ** (step + 1))
        log_sigma = np.clip(log_sigma - RATE * unbiased[0] / (np.sqrt(unbiased[1]) + 3e-4), -7.0, 0.3)
    return log_sigma


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument(
        "--share", type=float, default=0.45, help="of configurations and loads; memory grows as its square"
    )
    parser.add_argument("--out", type=Path, default=DEVIATIONS)
    args = parser.parse_args()
    linear = Linear(args.share)
    tuned = dict(zip(linear.names, np.exp(tune(linear, args.steps)), strict=True))
    table = {
        term: effects
        if term in BY_HAND
        else {effect: float(f"{tuned.get((term, effect), was):.2g}") for effect, was in effects.items()}
        for term, effects in deviations().items()
    }
    args.out.write_text(HEADER + tomli_w.dumps(table), encoding="utf-8")


if __name__ == "__main__":
    main()
