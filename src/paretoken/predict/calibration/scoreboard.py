"""The results of cross-validation as numbers: errors, bias, coverage, beside the noise of repeated runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from paretoken.predict.arrays import Floats, Mask
from paretoken.predict.calibration.coverage import Intervals, covered
from paretoken.predict.calibration.sample import LOADED, CalibrationSample
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One outcome in one split: errors as shares of what was observed, `bias` the median of predicted/observed − 1.

    `coverage` is the share of cases inside the 90 % interval of bands that have not seen their fold, `width` the
    median of its upper over its lower end; NaN where there are no bands.
    `crude` is the mean error of the crude baseline on the same cases; NaN for TTFT, which it does not predict.
    """

    split: str
    outcome: str
    cases: int
    mape: float
    median: float
    bias: float
    coverage: float = NAN
    width: float = NAN
    crude: float = NAN
    target: float | None = None


def scores(
    ours: Sequence[HeldOut],
    crude: Sequence[HeldOut],
    sample: CalibrationSample,
    models: Sequence[str] | None = TARGET_MODELS,
    bands: Intervals | None = None,
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
            score = _score(split, name, [e[:, :, i] for e in errors], TARGETS.get(split))
            out.append(_with_interval(score, bands, i, counted) if bands else score)
    return [s for s in out if s.cases]


def _with_interval(score: Score, bands: Intervals, outcome: int, counted: Mask) -> Score:
    """The score with coverage and width of the counted cases of its split."""
    at = bands.of_split(score.split) & counted[bands.cases.row] & np.isfinite(bands.cases.residual[:, outcome])
    coverage, width = covered(bands, outcome, at)
    return replace(score, coverage=coverage, width=width)


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
        return Score(split=split, outcome=name, cases=0, mape=NAN, median=NAN, bias=NAN)
    target = dict(zip(("tpot", "throughput"), targets or (), strict=False)).get(name)
    return replace(_errors(split, name, ours, target), crude=float(np.abs(theirs).mean()))


def _errors(split: str, outcome: str, error: Floats, target: float | None) -> Score:
    """The score of these errors, shares of what was observed, without an interval or a crude baseline."""
    return Score(
        split=split,
        outcome=outcome,
        cases=error.size,
        mape=float(np.abs(error).mean()),
        median=float(np.median(np.abs(error))),
        bias=float(np.median(error)),
        target=target,
    )


def score_of(split: str, outcome: str, left: Floats, inside: Mask, width: Floats, target: float | None = None) -> Score:
    """The score of cases whose ln(observed/predicted) of TPOT, TTFT or E2E is `left`, without a crude baseline.

    `inside` says which lie in their interval, `width` is its upper over its lower end.
    """
    error = np.expm1(left if outcome == "throughput" else -left)
    score = _errors(split, outcome, error, target)
    return replace(score, coverage=float(inside.mean()), width=float(np.median(width)))


def score_values(score: Score) -> dict[str, object]:
    """A score as a calibration file has it: rounded, without what is not defined."""
    values = {
        "split": score.split,
        "outcome": score.outcome,
        "cases": score.cases,
        "mape": score.mape,
        "median": score.median,
        "bias": score.bias,
        "coverage": score.coverage,
        "width": score.width,
        "crude": score.crude,
    }
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in values.items() if v == v}


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
