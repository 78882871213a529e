"""Rows that cannot be right, found by themselves, by their neighbours on the same curve and by the nights around.

A curve is one configuration at one pair of lengths from one source and date, over its load levels.
Where a level appears twice, or the GPU count is not stated, the source holds several configurations
under one name: the rules about neighbours do not apply there. Rows are flagged, never dropped; a
flag names the first rule that a row breaks:

errors            more than 5 % of the requests failed: those that completed had the server to themselves.
units             the measured E2E latency is more than 100 times the one by Little's law, less than a 100th of it, or
                  no server is that slow or fast: a TTFT above an hour, a TPOT above a minute or below 10 us. Seconds
                  stand where milliseconds are meant, or the reverse.
totals            input and output throughput do not add up to the total within 2 %, all per GPU of all pools.
contradiction     TPOT·(OSL−1) > E2E by Little's law, by more than Little's own median error:
                  the tokens after the first took longer than the whole request. Of two pools also: the E2E latency,
                  measured or TTFT + TPOT·(OSL−1), is more than 1.25 times that by Little's law.
throughput        against the log-log line through its two neighbours in load, and against the lines
                  through the next two on either side where there are two, throughput is off by more
                  than a factor of 1.6; of two neighbours the one that is further off.
superlinear       throughput grew more than 1.6 times as much as the load did, which a closed loop
                  cannot do, and the higher point is not an outlier: the lower one is unfinished warm-up.
ttft              TTFT is more than 3 times that of the next higher load (and above 1 s): warm-up or
                  compilation fell into the point.
night             throughput or TPOT is more than 1.3 times worse or better than on the three dates before and the three
                  after (their medians), which agree with each other within a factor of 1.15: a failed night. One
                  configuration at one load from one source is followed over single dates, whatever its image. A
                  change that lasts is a step, not a failed night: the dates after it do not agree with those before.
stalled           of two pools: the E2E latency by Little's law is more than twice the measured one, or TTFT +
                  TPOT·(OSL−1). The run stood still for longer than it ran, or its throughput is per another GPU count.
"""

from __future__ import annotations

import polars as pl

from paretoken.points.derived import little_error
from paretoken.points.schema import CONFIGURATION_AT_LENGTHS

THROUGHPUT_FACTOR = 1.6
TTFT_FACTOR = 3.0
TTFT_FLOOR_S = 1.0
NIGHT_FACTOR = 1.3
RETURN_FACTOR = 1.15
NIGHTS_AROUND = 3
CURVE = (*CONFIGURATION_AT_LENGTHS, "source", "date", "origin", "engine_version", "model_variant")
SERIES = (*CONFIGURATION_AT_LENGTHS, "source", "origin", "model_variant", "load_kind", "concurrency")
MAX_ERROR_RATE = 0.05
"""The share of failed requests that a run of `paretoken bench` may have, too."""
UNIT_FACTOR = 100.0
LONGEST_TTFT_S, LONGEST_TPOT_S, SHORTEST_TPOT_S = 3600.0, 60.0, 1e-5
ADDS_UP = 0.02
OVERTIME, STALLED = 1.25, 2.0
RULES = ("errors", "units", "totals", "contradiction", "throughput", "superlinear", "ttft", "night", "stalled")


def flag(points: pl.DataFrame) -> pl.DataFrame:
    """The derived points with the column `suspicious`: the name of the rule broken, or null, as of a prediction."""
    ordered = points.with_row_index("_i").with_columns(_curve=pl.struct(CURVE).hash(), _series=pl.struct(SERIES).hash())
    ordered = ordered.sort("_curve", "concurrency", nulls_last=True).join(
        _nights(ordered), on=["_series", "date"], how="left"
    )
    lines = {"_r": _off_line(-1, 1), "_r0": _off_line(-2, -1), "_r1": _off_line(1, 2)}
    masks = (
        ordered.with_columns(**lines)
        .with_columns(
            contradiction=_contradiction(little_error(points).median),
            stalled=_pooled() & (_little() > STALLED * _own_latency()).fill_null(False),
            throughput=_one_curve() & _outlier(),
        )
        .with_columns(
            errors=(pl.col("error_rate") > MAX_ERROR_RATE).fill_null(False), units=_other_unit(), totals=_off_total()
        )
        .with_columns(superlinear=_one_curve() & _superlinear(), ttft=_one_curve() & _warm_up(), night=_failed_night())
    )
    first = pl.coalesce(pl.when(pl.col(rule)).then(pl.lit(rule)) for rule in RULES).cast(pl.String)
    flags = masks.sort("_i").select(pl.when(pl.col("origin") != "predicted").then(first).alias("suspicious"))
    return points.with_columns(flags["suspicious"])


def _beside(expr: pl.Expr, places: int, group: str = "_curve") -> pl.Expr:
    """The value `places` rows later in its group, else null. The table is sorted by group: faster than a window."""
    return pl.when(pl.col(group).shift(-places) == pl.col(group)).then(expr.shift(-places))


def _one_curve() -> pl.Expr:
    levels = pl.col("concurrency")
    return pl.col("n_gpus").is_not_null() & (levels.n_unique().over("_curve") == pl.len().over("_curve"))


def _contradiction(tolerance: float) -> pl.Expr:
    decoding = pl.col("central_tpot_s") * (pl.coalesce("mean_osl", "osl") - 1)
    overtime = _pooled() & (_own_latency() > OVERTIME * _little()).fill_null(False)
    return (decoding > _little() * (1 + tolerance)) | overtime


def _pooled() -> pl.Expr:
    return pl.col("disaggregated").fill_null(False)


def _own_latency() -> pl.Expr:
    """E2E latency of a request, s, without its throughput: measured, else of its parts."""
    parts = pl.col("central_ttft_s") + pl.col("central_tpot_s") * (pl.coalesce("mean_osl", "osl") - 1)
    return pl.coalesce("median_e2e_s", "mean_e2e_s", parts)


def _little() -> pl.Expr:
    """E2E latency by Little's law, s; null where the loop is not closed."""
    tokens = pl.col("concurrency") * (pl.coalesce("mean_isl", "isl") + pl.coalesce("mean_osl", "osl"))
    closed = pl.col("load_kind") == "closed"
    return pl.when(closed).then(tokens / (pl.col("total_tput_per_gpu_tok_s") * pl.col("n_gpus")))


def _other_unit() -> pl.Expr:
    ratio = pl.coalesce("median_e2e_s", "mean_e2e_s") / _little()
    tpot = pl.col("central_tpot_s")
    return pl.any_horizontal(
        ratio > UNIT_FACTOR,
        ratio < 1 / UNIT_FACTOR,
        pl.col("central_ttft_s") > LONGEST_TTFT_S,
        tpot > LONGEST_TPOT_S,
        tpot < SHORTEST_TPOT_S,
    ).fill_null(False)


def _off_total() -> pl.Expr:
    total, into, out = (pl.col(f"{side}_tput_per_gpu_tok_s") for side in ("total", "input", "output"))
    return ((into + out - total).abs() > ADDS_UP * total).fill_null(False)


def _off_line(a: int, b: int) -> pl.Expr:
    """ln of throughput over the log-log line through the points a and b places on; null where one is missing."""
    x, y = pl.col("concurrency").log(), pl.col("tput_per_gpu").log()
    xa, xb, ya, yb = (_beside(e, k) for e in (x, y) for k in (a, b))
    return y - (ya + (yb - ya) * (x - xa) / (xb - xa))


def _outlier() -> pl.Expr:
    off = pl.col("_r").abs()
    beside = pl.max_horizontal(_beside(off, -1).fill_null(0), _beside(off, 1).fill_null(0))
    bound = pl.lit(THROUGHPUT_FACTOR).log()
    either_side = pl.all_horizontal((pl.col(c).abs() > bound).fill_null(True) for c in ("_r0", "_r1"))
    return ((off > bound) & (off >= beside) & either_side).fill_null(False)


def _superlinear() -> pl.Expr:
    growth = _beside(pl.col("tput_per_gpu"), 1) / pl.col("tput_per_gpu")
    load = _beside(pl.col("concurrency"), 1) / pl.col("concurrency")
    above = _beside(pl.col("throughput"), 1).fill_null(False)
    return (growth > THROUGHPUT_FACTOR * load) & ~above


def _warm_up() -> pl.Expr:
    ttft = pl.col("central_ttft_s")
    above = _beside(ttft, 1)
    return (ttft > TTFT_FACTOR * above) & (ttft > TTFT_FLOOR_S)


_FIGURES = {"tput": "tput_per_gpu", "tpot": "central_tpot_s"}


def _nights(points: pl.DataFrame) -> pl.DataFrame:
    """Of each series and single date the median of each figure over the dates before and over those after."""
    single = points.filter(pl.col("date").str.len_chars() == len("2026-01-31"), pl.col("concurrency").is_not_null())
    single = single.filter(pl.len().over("_series") > 2)
    nights = single.group_by("_series", "date").agg(pl.col(column).median() for column in _FIGURES.values())
    return nights.sort("_series", "date").select(
        "_series",
        "date",
        *(
            pl.concat_list(_beside(pl.col(column), sign * k, "_series") for k in range(1, NIGHTS_AROUND + 1))
            .list.median()
            .alias(f"_{side}_{name}")
            for name, column in _FIGURES.items()
            for side, sign in (("before", -1), ("after", 1))
        ),
    )


def _failed_night() -> pl.Expr:
    return pl.any_horizontal(_off_nights(name, column) for name, column in _FIGURES.items()).fill_null(False)


def _off_nights(name: str, column: str) -> pl.Expr:
    """Whether the figure is off those of the dates before and after, on the same side, and these agree."""
    before, after = pl.col(f"_before_{name}").log(), pl.col(f"_after_{name}").log()
    off = [pl.col(column).log() - around for around in (before, after)]
    bound = pl.lit(NIGHT_FACTOR).log()
    far = pl.all_horizontal(o > bound for o in off) | pl.all_horizontal(o < -bound for o in off)
    return far & ((before - after).abs() < pl.lit(RETURN_FACTOR).log())
