"""Rows that are the same run: published twice, by two carriers, or under two GPU counts.

Two rows are of one run if they agree in accelerator, model, precision, lengths and load and have the same TTFT and
TPOT to the last digit. TTFT and TPOT are those of one statistic: the means, else the statistic that the source leaves
unsaid, else the medians. The engine is no part of it, as one carrier writes TensorRT-LLM where another writes Dynamo;
nor is the GPU count, which carriers count differently; nor the date, as a nightly page repeats its last run. A row
without TTFT, such as a median over months, is a run of its own; so is a prediction.
"""

from __future__ import annotations

import polars as pl

from paretoken.points.schema import STORED

_LOAD = ("workload", "isl", "osl", "load_kind", "concurrency", "sessions", "request_rate")
_WORKLOAD = ("origin", "accelerator", "model", "precision", *_LOAD)
_UNIDENTIFIED = tuple(c.name for c in STORED if c.name not in ("notes", "receipt"))


def with_runs(points: pl.DataFrame) -> pl.DataFrame:
    """The points with the column `run`: equal numbers are the same run, in this table and across tables."""
    identified = (pl.col("_ttft").is_not_null() & pl.col("_tpot").is_not_null()) & (pl.col("origin") != "predicted")
    same = pl.struct(*_WORKLOAD, "_ttft", "_tpot").hash()
    alone = pl.struct(_UNIDENTIFIED).hash()
    number = pl.when(identified).then(same).otherwise(alone).reinterpret(signed=True)
    return (
        points.with_columns(_ttft=_latency("ttft"), _tpot=_latency("tpot"))
        .with_columns(run=number)
        .drop("_ttft", "_tpot")
    )


def best_stated(points: pl.DataFrame) -> pl.DataFrame:
    """One row for each run, the best stated one, in the order of the points.

    A measured E2E latency comes first, then a stated throughput. Of several GPU counts the one that more sources
    state is taken, then the smaller: attention data parallelism reuses the GPUs of tensor parallelism, which some
    carriers multiply. Among equals the row that states speculation and version, then the earliest.
    """
    sources = pl.col("source").n_unique().over("run", "n_gpus")
    order = [
        pl.col("e2e_basis") != "measured",
        pl.col("tput_basis") != "stated",
        pl.col("n_gpus").is_null(),
        -sources.cast(int),
        pl.col("n_gpus"),
        pl.col("speculative").is_null(),
        pl.col("engine_version").is_null(),
        pl.col("date"),
        pl.col("source"),
        pl.col("source_ref"),
    ]
    ranked = points.with_row_index("_i").sort(*order, nulls_last=True, maintain_order=True)
    return ranked.unique("run", keep="first", maintain_order=True).sort("_i").drop("_i")


def _latency(key: str) -> pl.Expr:
    """The mean, unstated or median latency, whichever both TTFT and TPOT have."""
    choice: pl.Expr = pl.when(False).then(None)
    for column in ("mean_{}_s", "{}_s", "median_{}_s"):
        both = pl.all_horizontal(pl.col(column.format(k)).is_not_null() for k in ("ttft", "tpot"))
        choice = pl.coalesce(choice, pl.when(both).then(column.format(key)))
    return choice
