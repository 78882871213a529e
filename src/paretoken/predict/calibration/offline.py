"""Offline maxima as operating points: all requests of a run come at once, and its throughput is all that is known."""

from __future__ import annotations

import polars as pl

from paretoken.catalog.loader import Catalog
from paretoken.predict.published_settings import offline_requests

OFFLINE = "offline"
"""The kind of load, and the harness of its cases."""


def is_offline() -> pl.Expr:
    """Whether a row is a maximum throughput of a known number of requests, its concurrency, on known GPUs."""
    stated = pl.all_horizontal(pl.col(c).is_not_null() for c in ("concurrency", "total_tput_per_gpu_tok_s", "n_gpus"))
    return ((pl.col("load_kind") == OFFLINE) & stated).fill_null(False)


def with_requests(points: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """The points with what the pages of offline maxima say of their runs: requests, as concurrency, and parallelism.

    All requests of a run have the same lengths, so that its output throughput gives the total. On these pages MoE
    models on several GPUs run with attention data and expert parallelism over all of them.
    """
    offline = pl.col("load_kind") == OFFLINE
    requests = pl.DataFrame(offline_requests(), schema=["source", "isl", "osl", "_requests"], orient="row")
    total = pl.col("output_tput_per_gpu_tok_s") * (pl.col("isl") + pl.col("osl")) / pl.col("osl")
    moe = pl.col("model").is_in([name for name in catalog.models if catalog.models[name].moe])
    ranks = offline & pl.col("_requests").is_not_null() & moe & (pl.col("n_gpus") > 1)
    return (
        points.join(requests, on=["source", "isl", "osl"], how="left", maintain_order="left")
        .with_columns(
            concurrency=pl.when(offline).then(pl.coalesce("concurrency", "_requests")).otherwise("concurrency"),
            total_tput_per_gpu_tok_s=pl.when(offline)
            .then(pl.coalesce("total_tput_per_gpu_tok_s", total))
            .otherwise("total_tput_per_gpu_tok_s"),
            dp_attention=pl.when(ranks).then(True).otherwise("dp_attention"),
            ep=pl.when(ranks).then("n_gpus").otherwise("ep"),
        )
        .drop("_requests")
    )
