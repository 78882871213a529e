"""Configurations of aiconfigurator's rows, which are runs of InferenceX carried on.

Two forms of a row's id name its configuration:

`…_cfg718`      the number of the configuration in the database of InferenceX. All 882 such rows agree in accelerator,
                model, precision and engine, and have a median of the same lengths and load. Where the carrier's GPU
                count differs (TP × EP, up to 8 times too many) the throughput that the count of InferenceX implies is
                within 2 % of InferenceX's own, so GPUs, parallelism, pools and speculation are taken from there.
`…_tp8_ep8_940` TP and EP themselves. The carrier multiplies them; of 222 such rows with a median at the same
                configuration and load the throughput of TP GPUs is that of the median to 2 %.

Rows of November 2025 on GB200 whose "TP" is 12 to 72 are InferenceX's disaggregated runs, which its database then held
as one pool: medians of Dynamo with as many GPUs in two pools lie beside them.
"""

from __future__ import annotations

import polars as pl

NUMBERED, NAMED = r"_cfg(\d+)$", r"_tp(\d+)_ep(\d+)_"
IDENTITY = ("accelerator", "model", "precision")
PARALLELISM = ("n_gpus", "tp", "ep", "dp_attention", "prefill_tp", "prefill_ep", "prefill_dp_attention")
POOLS = ("prefill_workers", "decode_workers", "prefill_gpus", "decode_gpus")
UPSTREAM = (*PARALLELISM, *POOLS, "speculative", "engine", "disaggregated", "multinode")
NODE_GPUS = 8
CARRIED = pl.col("source") == "aiconfigurator-silicon"


def with_upstream_configurations(points: pl.DataFrame) -> pl.DataFrame:
    """The points with the configuration of InferenceX on rows that name its number or its TP and EP."""
    number = pl.concat_str(pl.lit("config "), pl.col("source_ref").str.extract(NUMBERED))
    upstream = (
        points.filter(pl.col("source") == "inferencex-2026-07")
        .unique("source_ref", keep="first", maintain_order=True)
        .select(pl.col("source_ref").alias("_number"), *IDENTITY, *(pl.col(c).alias(f"_{c}") for c in UPSTREAM))
        .with_columns(_upstream=pl.lit(True))
    )
    joined = points.with_columns(_number=pl.when(CARRIED).then(number)).join(
        upstream, on=["_number", *IDENTITY], how="left", maintain_order="left"
    )
    taken = joined.with_columns(pl.when("_upstream").then(f"_{c}").otherwise(c).alias(c) for c in UPSTREAM)
    corrected = _pooled(_named(taken.drop("_number", "_upstream", *(f"_{c}" for c in UPSTREAM))))
    differs = CARRIED & (corrected["n_gpus"] != points["n_gpus"]).fill_null(False)
    pooled = CARRIED & (corrected["disaggregated"] != points["disaggregated"]).fill_null(False)
    return corrected.with_columns(
        notes=pl.when(differs)
        .then(_noted("GPUs as InferenceX counts them; the carrier multiplies TP by EP"))
        .when(pooled)
        .then(_noted("disaggregated; the carrier writes one pool"))
        .otherwise("notes")
    )


def _noted(note: str) -> pl.Expr:
    return pl.concat_str("notes", pl.lit(note), separator="; ", ignore_nulls=True)


def _named(points: pl.DataFrame) -> pl.DataFrame:
    tp, ep = (pl.col("source_ref").str.extract(NAMED, group).cast(int) for group in (1, 2))
    stated = CARRIED & ~pl.col("disaggregated") & pl.col("n_gpus").is_not_null() & ep.is_not_null()
    multiplied = stated & (ep > 1) & (pl.col("n_gpus") == tp * ep)
    # vLLM's attention DP was inferred from the multiplied count; 9 of 37 numbered rows have it.
    unclear = multiplied & (pl.col("engine") == "vllm")
    stated, multiplied = stated.fill_null(False), multiplied.fill_null(False)
    return points.with_columns(
        n_gpus=pl.when(multiplied).then(tp).otherwise("n_gpus"),
        tp=pl.when(stated).then(tp).otherwise("tp"),
        ep=pl.when(stated).then(ep).otherwise("ep"),
        dp_attention=pl.when(~unclear.fill_null(False)).then("dp_attention"),
    )


def _pooled(points: pl.DataFrame) -> pl.DataFrame:
    named = pl.col("source_ref").str.contains(NAMED)
    pools = (CARRIED & named & ~pl.col("disaggregated") & (pl.col("n_gpus") > NODE_GPUS)).fill_null(False)
    dynamo = pl.concat_str(pl.lit("dynamo-"), "engine")
    return points.with_columns(
        engine=pl.when(pools).then(dynamo).otherwise("engine"),
        disaggregated=pools | pl.col("disaggregated"),
        **{c: pl.when(~pools).then(c) for c in ("tp", "ep", "dp_attention")},
    )
