"""Errors of cross-validation by group: saturation, attention data parallelism, offline maxima, sources, engines.

    python tools/group_errors.py cell "random half"

Prints for each split and group the cases and the median absolute error with its bias of TPOT, throughput, mean and
median TTFT, over all models without speculative decoding.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import polars as pl

from paretoken.catalog.loader import load_catalog
from paretoken.points.published import published_points
from paretoken.predict.calibration.sample import CalibrationSample, sample
from paretoken.predict.calibration.validate import HeldOut, validate

MODEL, RANKS, CLOSED = pl.col("model"), pl.col("dp_attention"), pl.col("load_kind") == "closed"
OUTCOMES = ("tpot", "throughput", "mean_ttft", "median_ttft")
GROUPS: Mapping[str, pl.Expr] = {
    "the published harness": pl.col("harness") == "public",
    "laboratories": pl.col("harness") == "lab",
    "closed loops": CLOSED,
    "closed loops without attention DP": CLOSED & ~RANKS,
    "512 users or more": CLOSED & (pl.col("concurrency") >= 512),
    "more than 512 users": CLOSED & (pl.col("concurrency") > 512),
    "offline maxima": ~CLOSED,
    "offline maxima with attention DP": ~CLOSED & RANKS,
    "attention DP": RANKS,
    "attention DP of deepseek-r1": RANKS & (MODEL == "deepseek-r1"),
    "attention DP of deepseek-v4-pro": RANKS & (MODEL == "deepseek-v4-pro"),
    "attention DP of gpt-oss": RANKS & MODEL.str.starts_with("gpt-oss"),
    "attention DP of minimax": RANKS & MODEL.str.starts_with("minimax"),
    "expert parallelism alone": ~RANKS & (pl.col("ep") > 1),
    "llama-4-maverick": MODEL == "llama-4-maverick",
    "llama-4-scout": MODEL == "llama-4-scout",
    "qwen3-235b-a22b in fp8": (MODEL == "qwen3-235b-a22b") & (pl.col("precision") == "fp8"),
    "qwen3-235b-a22b in fp8, offline": (MODEL == "qwen3-235b-a22b") & (pl.col("precision") == "fp8") & ~CLOSED,
}


def main(splits: Sequence[str]) -> None:
    learned = sample(published_points(), load_catalog())
    held = list(validate(learned, splits, workers=1))
    for split in splits:
        rows = _errors(learned, [h for h in held if h.fold.split == split])
        print(f"{split:40s}   cases    TPOT    bias    throughput    bias    mean TTFT    bias    median TTFT    bias")
        for name, group in _groups(rows):
            if len(group):
                print(f"{name:40s}{len(group):8,d}" + "".join(f"{x:8.1%}" for x in _medians(group)))
        print()


def _errors(learned: CalibrationSample, folds: Sequence[HeldOut]) -> pl.DataFrame:
    parts = [
        learned.table.filter(pl.Series(h.fold.mask)).with_columns(
            tpot=pl.Series(np.expm1(-h.residual[:, 0])),
            throughput=pl.Series(np.expm1(h.residual[:, 1])),
            median_ttft=pl.Series(np.expm1(-h.residual[:, 2])),
            mean_ttft=pl.Series(np.expm1(-h.residual[:, 3])),
        )
        for h in folds
    ]
    return pl.concat(parts).filter(~pl.col("drafting")).with_columns(pl.col(OUTCOMES).fill_nan(None))


def _groups(rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for name, mask in GROUPS.items():
        yield name, rows.filter(mask)
    for column in ("source", "engine"):
        for value in sorted(rows[column].unique().to_list()):
            yield f"{column} {value}", rows.filter(pl.col(column) == value)


def _medians(group: pl.DataFrame) -> list[float]:
    """Median absolute error and median of each outcome; NaN where there is none."""
    values = [
        getattr(group[name], kind)().median() if kind else group[name].median()
        for name in OUTCOMES
        for kind in ("abs", "")
    ]
    return [x if isinstance(x, float) else float("nan") for x in values]


if __name__ == "__main__":
    main(sys.argv[1:] or ["cell"])
