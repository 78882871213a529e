"""The results of cross-validation as numbers: errors, bias, coverage, beside the noise of repeated runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from paretoken.predict.arrays import Floats, Mask
from paretoken.predict.calibration.sample import LOADED, OUTCOMES, CalibrationSample
from paretoken.predict.calibration.validate import HeldOut

TARGET_MODELS = ("llama-3-70b", "deepseek-r1", "gpt-oss-120b")
TARGETS: Mapping[str, tuple[float, float]] = {
    "random half": (0.05, 0.05),
    "tp": (0.08, 0.09),
    "workload": (0.10, 0.10),
    "accelerator": (0.13, 0.13),
    "model": (0.15, 0.15),
}
"""Mean absolute percentage error of TPOT and of throughput that the project has set itself."""
SCORED = {"tpot": 0, "throughput": 1, "ttft": 2, "mean ttft": 3, "e2e": 1}
"""What is scored, by its place among OUTCOMES: throughput is the inverse of E2E, so one residual serves both."""
NAN = float("nan")
LOW, HIGH = 0.05, 0.95
WIDENINGS = np.arange(1.0, 3.01, 0.05)
FEWEST = 40
"""Residuals that a band needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One outcome in one split: errors as shares of what was observed, `bias` the median of predicted/observed − 1.

    `coverage` is the share of cases inside the 90 % band that the split's other folds give; NaN with one fold.
    `crude` is the mean error of the crude baseline on the same cases; NaN for TTFT, which it does not predict.
    """

    split: str
    outcome: str
    cases: int
    mape: float
    median: float
    bias: float
    coverage: float
    crude: float
    target: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstCell:
    """A cell of a split: its cases, mean absolute error of TPOT and median of ln(predicted/observed)."""

    accelerator: str
    engine: str
    model: str
    precision: str
    cases: int
    mape: float
    bias: float


def scores(
    ours: Sequence[HeldOut],
    crude: Sequence[HeldOut],
    sample: CalibrationSample,
    models: Sequence[str] | None = TARGET_MODELS,
) -> list[Score]:
    """Score every split over the non-speculative cases of some models (all of them with None).

    `crude` is what the crude baseline makes of the same folds, in the same order.
    """
    counted = counts(sample.table, models)
    out = []
    for split in dict.fromkeys(h.fold.split for h in ours):
        pairs = [(h, c) for h, c in zip(ours, crude, strict=True) if h.fold.split == split]
        errors = [np.stack([h.residual, c.residual])[:, counted[h.fold.mask]] for h, c in pairs]
        for name, i in SCORED.items():
            out.append(_score(split, name, [e[:, :, i] for e in errors], TARGETS.get(split)))
    return [s for s in out if s.cases]


def counts(table: pl.DataFrame, models: Sequence[str] | None) -> Mask:
    """The mask of cases that a score counts."""
    chosen = pl.lit(True) if models is None else pl.col("model").is_in(list(models))
    return table.select((chosen & ~pl.col("drafting")).alias("x"))["x"].to_numpy()


def _score(split: str, name: str, folds: list[Floats], targets: tuple[float, float] | None) -> Score:
    """`folds` are ln(observed/predicted), ours and the crude baseline's, each of shape (2, n)."""
    folds = [f[:, np.isfinite(f[0])] for f in folds]
    log = np.concatenate(folds, axis=1)
    ours, theirs = np.expm1(log if name == "throughput" else -log)
    if not ours.size:
        return Score(split=split, outcome=name, cases=0, mape=NAN, median=NAN, bias=NAN, coverage=NAN, crude=NAN)
    target = dict(zip(("tpot", "throughput"), targets or (), strict=False)).get(name)
    return Score(
        split=split,
        outcome=name,
        cases=ours.size,
        mape=float(np.abs(ours).mean()),
        median=float(np.median(np.abs(ours))),
        bias=float(np.median(ours)),
        coverage=_coverage([f[0] for f in folds]),
        crude=float(np.abs(theirs).mean()),
        target=target,
    )


def _coverage(folds: list[Floats]) -> float:
    """Share of the residuals inside the band that the other folds give, widened as `bands` are."""
    return _covered(folds, _widening(folds))


def _covered(folds: list[Floats], factor: float) -> float:
    inside = total = 0
    for i, fold in enumerate(folds):
        others = np.concatenate([f for j, f in enumerate(folds) if j != i] or [np.empty(0)])
        if others.size >= FEWEST and fold.size:
            low, high = np.quantile(others, (LOW, HIGH)) * factor
            inside += int(((fold >= low) & (fold <= high)).sum())
            total += fold.size
    return inside / total if total else float("nan")


def _widening(folds: list[Floats]) -> float:
    """By how much quantiles must be stretched for each fold to be covered by the others' as promised.

    What is held back in one fold (an accelerator, say) errs in its own way, so the spread of the others is too
    narrow for it. 1 where the folds are alike, or where there is only one.
    """
    for factor in WIDENINGS:
        if not _covered(folds, factor) < HIGH - LOW:
            return float(factor)
    return float(WIDENINGS[-1])


def bands(folds: Iterable[HeldOut]) -> dict[str, dict[str, tuple[float, float]]]:
    """Per split and outcome a band of ln(observed/predicted) that holds 90 % of what a fold would add.

    It is the 5 % and 95 % quantile over all that was held out, stretched as `_widening` says.
    """
    by_split: dict[str, list[Floats]] = {}
    for h in folds:
        by_split.setdefault(h.fold.split, []).append(h.residual)
    out: dict[str, dict[str, tuple[float, float]]] = {}
    for split, parts in by_split.items():
        for i, outcome in enumerate(OUTCOMES):
            residuals = [f[np.isfinite(f[:, i]), i] for f in parts]
            pooled = np.concatenate(residuals)
            if pooled.size >= FEWEST:
                low, high = np.quantile(pooled, (LOW, HIGH)) * _widening(residuals)
                out.setdefault(split, {})[outcome] = (min(float(low), 0.0), max(float(high), 0.0))
    return out


def worst_cells(folds: Sequence[HeldOut], sample: CalibrationSample, split: str, most: int = 5) -> list[WorstCell]:
    """Cells of a split by mean absolute error of TPOT, worst first."""
    parts = [
        sample.table.filter(pl.Series(h.fold.mask)).with_columns(
            error=pl.Series(np.abs(np.expm1(-h.residual[:, 0]))), bias=pl.Series(-h.residual[:, 0])
        )
        for h in folds
        if h.fold.split == split
    ]
    worst = (
        pl.concat(parts)
        .filter(pl.Series(np.concatenate([counts(p, TARGET_MODELS) for p in parts])))
        .group_by("accelerator", "engine", "model", "precision")
        .agg(
            pl.len().alias("cases"),
            pl.col("error").fill_nan(None).mean().alias("mape"),
            pl.col("bias").fill_nan(None).median(),
        )
        .drop_nulls("mape")
        .sort("mape", descending=True)
        .head(most)
    )
    return [WorstCell(**row) for row in worst.to_dicts()]


def noise(runs: pl.DataFrame, days: int = 3) -> dict[str, float]:
    """Median difference of TPOT, throughput and TTFT between runs of one source, configuration and load within some
    days, from `sample.single_runs`.
    """
    key = ("source", *LOADED)
    dated = runs.filter(pl.col("date").is_not_null()).with_columns(day=pl.col("date").str.to_date())
    out = {}
    for name, column in (
        ("tpot", "central_tpot_s"),
        ("throughput", "total_tput_per_gpu_tok_s"),
        ("ttft", "central_ttft_s"),
    ):
        ordered = dated.drop_nulls(column).sort(*key, "day")
        gap = (pl.col("day") - pl.col("day").shift(1).over(key)).dt.total_days()
        change = (pl.col(column) / pl.col(column).shift(1).over(key) - 1).abs()
        near = ordered.with_columns(gap=gap, change=change).filter(pl.col("gap") <= days)
        median = near["change"].median()
        out[name] = float(median) if isinstance(median, float) else NAN
    return out
