"""Rows that cannot be right, found by themselves and by their neighbours on the same curve.

A curve is one configuration at one pair of lengths from one source and date, over its load levels.
Where a level appears twice, or the GPU count is not stated, the source holds several configurations
under one name: the rules about neighbours do not apply there. Rows are flagged, never dropped; a
flag names the first rule that a row breaks:

contradiction     TPOT·(OSL−1) > E2E by Little's law, by more than Little's own median error:
                  the tokens after the first took longer than the whole request.
throughput        against the log-log line through its two neighbours in load, and against the lines
                  through the next two on either side where there are two, throughput is off by more
                  than a factor of 1.6; of two neighbours the one that is further off.
superlinear       throughput grew more than 1.6 times as much as the load did, which a closed loop
                  cannot do, and the higher point is not an outlier: the lower one is unfinished warm-up.
ttft              TTFT is more than 3 times that of the next higher load (and above 1 s): warm-up or
                  compilation fell into the point.
"""

from __future__ import annotations

import polars as pl

from paretoken.points.derived import little_error
from paretoken.points.schema import CONFIGURATION_AT_LENGTHS

THROUGHPUT_FACTOR = 1.6
TTFT_FACTOR = 3.0
TTFT_FLOOR_S = 1.0
CURVE = (*CONFIGURATION_AT_LENGTHS, "source", "date", "origin", "engine_version", "model_variant")
RULES = ("contradiction", "throughput", "superlinear", "ttft")


def flag(points: pl.DataFrame) -> pl.DataFrame:
    """The derived points with the column `suspicious`: the name of the rule broken, or null, as of a prediction."""
    ordered = points.with_row_index("_i").sort("concurrency", nulls_last=True)
    lines = {"_r": _off_line(-1, 1), "_r0": _off_line(-2, -1), "_r1": _off_line(1, 2)}
    masks = (
        ordered.with_columns(**lines)
        .with_columns(contradiction=_contradiction(little_error(points).median), throughput=_one_curve() & _outlier())
        .with_columns(superlinear=_one_curve() & _superlinear(), ttft=_one_curve() & _warm_up())
    )
    first = pl.coalesce(pl.when(pl.col(rule)).then(pl.lit(rule)) for rule in RULES).cast(pl.String)
    flags = masks.sort("_i").select(pl.when(pl.col("origin") != "predicted").then(first).alias("suspicious"))
    return points.with_columns(flags["suspicious"])


def _curve(expr: pl.Expr) -> pl.Expr:
    return expr.over(CURVE)


def _one_curve() -> pl.Expr:
    levels = pl.col("concurrency")
    return pl.col("n_gpus").is_not_null() & (levels.n_unique().over(CURVE) == pl.len().over(CURVE))


def _contradiction(tolerance: float) -> pl.Expr:
    osl = pl.coalesce("mean_osl", "osl")
    isl = pl.coalesce("mean_isl", "isl")
    little = pl.col("concurrency") * (isl + osl) / (pl.col("total_tput_per_gpu_tok_s") * pl.col("n_gpus"))
    decoding = pl.col("central_tpot_s") * (osl - 1)
    return (pl.col("load_kind") == "closed") & (decoding > little * (1 + tolerance))


def _off_line(a: int, b: int) -> pl.Expr:
    """ln of throughput over the log-log line through the points a and b places on; null where one is missing."""
    x, y = pl.col("concurrency").log(), pl.col("tput_per_gpu").log()
    xa, xb, ya, yb = (_curve(e.shift(-k)) for e in (x, y) for k in (a, b))
    return y - (ya + (yb - ya) * (x - xa) / (xb - xa))


def _outlier() -> pl.Expr:
    off = pl.col("_r").abs()
    beside = pl.max_horizontal(_curve(off.shift(1)).fill_null(0), _curve(off.shift(-1)).fill_null(0))
    bound = pl.lit(THROUGHPUT_FACTOR).log()
    either_side = pl.all_horizontal((pl.col(c).abs() > bound).fill_null(True) for c in ("_r0", "_r1"))
    return ((off > bound) & (off >= beside) & either_side).fill_null(False)


def _superlinear() -> pl.Expr:
    growth = _curve(pl.col("tput_per_gpu").shift(-1)) / pl.col("tput_per_gpu")
    load = _curve(pl.col("concurrency").shift(-1)) / pl.col("concurrency")
    above = _curve(pl.col("throughput").shift(-1)).fill_null(False)
    return (growth > THROUGHPUT_FACTOR * load) & ~above


def _warm_up() -> pl.Expr:
    ttft = pl.col("central_ttft_s")
    above = _curve(ttft.shift(-1))
    return (ttft > TTFT_FACTOR * above) & (ttft > TTFT_FLOOR_S)
