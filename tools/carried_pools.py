"""Layouts of disaggregated rows without workers, most of them runs of InferenceX that aiconfigurator carries on.

The carrier states TP and EP of each pool. Its GPU count, where there is one, and its EP of the decode pool (that of
the prefill pool, written twice) are not used. A row takes layout, parallelism, speculation and engine of InferenceX

of the same run         if a row of InferenceX has the same TTFT and TPOT to the last digit (see `points.same_run`)
of one configuration    else, if a single configuration of InferenceX has the row's accelerator, model, precision,
                        engine core, lengths, load, TP of both pools (GPUs, where the row has no TP), speculation if
                        stated, and a TPOT within 10 %

and its notes say which: 295 and 847 rows. The other 251 stay without a layout. Of the 295 rows whose run is known the
second rule, with the medians of InferenceX alone, gives 261 a layout, the right one each time, and 34 none. With the
right one taken out of the medians it gives 2 of 120 a wrong one.

Of the 56 rows of InferenceX without workers the second rule gives 31 a layout; the GPUs of all, and of both pools where
throughput shows them, must agree too.
"""

from __future__ import annotations

import polars as pl
from carried import CARRIED, IDENTITY, UPSTREAM

from paretoken.catalog.loader import load_catalog
from paretoken.points.same_run import with_runs
from paretoken.points.schema import conform

SAME_TPOT = 0.10
LOADED = (*IDENTITY, "_core", "isl", "osl", "concurrency")
OF_RUN = "layout of the same run in InferenceX"
OF_CONFIGURATION = "layout of the one configuration of InferenceX with this TP, load and TPOT"


def with_layouts_of_runs(points: pl.DataFrame) -> pl.DataFrame:
    """The points with the layouts of InferenceX on disaggregated rows that state none."""
    cores = {name: engine.core for name, engine in load_catalog().engines.items()}
    tpot = pl.coalesce("median_tpot_s", "tpot_s", "mean_tpot_s")
    rows = (
        with_runs(conform(points)).with_columns(_core=pl.col("engine").replace(cores), _tpot=tpot).with_row_index("_at")
    )
    laid = pl.col("disaggregated").fill_null(False) & pl.col("prefill_workers").is_not_null()
    without = pl.col("disaggregated").fill_null(False) & pl.col("prefill_workers").is_null()
    stated, bare = rows.filter(~CARRIED & laid), rows.filter(without)
    of_run = _only(bare.filter(CARRIED).join(_donors(stated, "run"), on="run"), OF_RUN)
    others = bare.join(of_run, on="_at", how="anti")
    taken = pl.concat([of_run, _only(_alike(others, stated), OF_CONFIGURATION)])
    joined = rows.join(taken, on="_at", how="left", maintain_order="left")
    takes = pl.col("_layout").is_not_null()
    note = pl.concat_str("notes", "_layout", separator="; ", ignore_nulls=True)
    return joined.with_columns(
        *(pl.when(takes).then(f"_{c}").otherwise(c).alias(c) for c in UPSTREAM),
        notes=pl.when(takes).then(note).otherwise("notes"),
    ).select(points.columns)


def _donors(stated: pl.DataFrame, *keys: str) -> pl.DataFrame:
    return stated.select(*keys, *(pl.col(c).alias(f"_{c}") for c in UPSTREAM))


def _alike(bare: pl.DataFrame, stated: pl.DataFrame) -> pl.DataFrame:
    """Each row beside the rows of InferenceX at its load that agree in TP of both pools and TPOT."""
    donors = _donors(stated.with_columns(_near="_tpot"), *LOADED, "_near")
    same_tp = (pl.col("tp") == pl.col("_tp")) & (pl.col("prefill_tp") == pl.col("_prefill_tp"))
    same_size = pl.col("tp").is_null() & (pl.col("n_gpus") == pl.col("_n_gpus"))
    same_gpus = [(pl.col(c) == pl.col(f"_{c}")).fill_null(True) for c in ("n_gpus", "prefill_gpus", "decode_gpus")]
    return bare.join(donors, on=LOADED).filter(
        same_tp.fill_null(False) | same_size.fill_null(False),
        CARRIED | pl.all_horizontal(same_gpus),
        (pl.col("speculative") == pl.col("_speculative")).fill_null(True),
        (pl.col("_near") / pl.col("_tpot") - 1).abs() < SAME_TPOT,
    )


def _only(pairs: pl.DataFrame, note: str) -> pl.DataFrame:
    """The layout of each row that has one alone, and how it came to it."""
    columns = [f"_{c}" for c in UPSTREAM]
    several = pl.struct(columns).n_unique().over("_at") > 1
    return pairs.filter(~several).unique("_at").select("_at", *columns, pl.lit(note).alias("_layout"))
