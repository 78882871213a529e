"""What a source leaves unsaid is unknown, unless a row that says it agrees.

A missing value never means the default. A row whose speculative decoding is not stated takes that of a row of the
same run; else that of the stated row of the same configuration, lengths and load whose TPOT is nearest, if the two are
within 10 %; else it is "unknown".
The same runs come through several carriers, some of which leave the method out.
"""

from __future__ import annotations

import polars as pl

from paretoken.points.schema import of_single_requests

UNKNOWN, NONE = "unknown", "none"
SAME_TPOT = 0.10
"""Relative difference in TPOT up to which two rows agree."""

ALIKE = ("accelerator", "engine", "model", "precision", "isl", "osl", "concurrency", "tp")


def speculation(points: pl.DataFrame) -> pl.Series:
    """The method of speculative decoding of each row: "none", a method, or "unknown".

    The rows need `central_tpot_s` and `run`.
    """
    of_run = pl.coalesce("speculative", pl.col("speculative").drop_nulls().first().over("run"))
    rows = points.with_columns(speculative=of_run).with_row_index("_row")
    paced = rows.filter(pl.col("central_tpot_s").is_not_null(), of_single_requests())
    unstated, stated = paced.filter(pl.col("speculative").is_null()), paced.filter(pl.col("speculative").is_not_null())
    if unstated.is_empty() or stated.is_empty():
        return rows["speculative"].fill_null(UNKNOWN).alias("speculation")
    ratio = (pl.col("stated_tpot_s") / pl.col("central_tpot_s")).log().abs()
    same_pools = pl.col("disaggregated").fill_null(False) == pl.col("stated_disaggregated").fill_null(False)
    same_gpus = (pl.col("n_gpus") == pl.col("stated_n_gpus")).fill_null(True)
    nearest = (
        unstated.select("_row", *ALIKE, "central_tpot_s", "n_gpus", "disaggregated")
        .join(
            stated.select(
                *ALIKE,
                method="speculative",
                stated_tpot_s="central_tpot_s",
                stated_n_gpus="n_gpus",
                stated_disaggregated="disaggregated",
            ),
            on=ALIKE,
        )
        .with_columns(apart=ratio)
        .filter(pl.col("apart") < SAME_TPOT, same_pools, same_gpus)
        .sort("apart", "method")
        .unique("_row", keep="first", maintain_order=True)
        .select("_row", "method")
    )
    agreed = rows.select("_row", "speculative").join(nearest, on="_row", how="left", maintain_order="left")
    return agreed.select(pl.coalesce("speculative", "method").fill_null(UNKNOWN).alias("speculation"))["speculation"]
