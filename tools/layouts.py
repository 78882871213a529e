"""The GPUs of disaggregated rows: how many, in which pool, and throughput per GPU of all of them.

`pools.csv` states workers and GPUs of each pool, for `inferencex-2026-07` by configuration (`origin`), for
`inferencex-runs-dsr1` by run. Where it is silent the row's own throughput decides, as the sources state input
throughput per prefill GPU, output throughput per decode GPU and their total per GPU of both pools:

    input · prefill GPUs + output · decode GPUs = total · all GPUs

which holds to 2 % on every row whose layout is stated, and has a whole number of prefill GPUs where it is not.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

LAYOUT = ("prefill_workers", "decode_workers", "prefill_gpus", "decode_gpus")
RUN = ("origin", "date", "accelerator", "engine", "precision", "speculative", "isl", "osl", "load", "median_tpot_ms")
CONFIGURATION = ("origin",)
ADDS_UP = 0.02
WHOLE = 0.02
INPUT, OUTPUT = "input_tput_per_gpu_tok_s", "output_tput_per_gpu_tok_s"
BY_PREFILL, BY_DECODE = "input_tput_per_prefill_gpu_tok_s", "output_tput_per_decode_gpu_tok_s"


def with_layouts(raw: pl.DataFrame, pools: Path | None) -> pl.DataFrame:
    """The collected rows with the columns of LAYOUT, as whole numbers; null where the layout is not stated."""
    if pools is None:
        return raw.with_columns(pl.lit(None).cast(int).alias(name) for name in LAYOUT)
    table = pl.read_csv(pools, infer_schema=False)
    rows = raw.with_row_index("_at")
    parts = []
    for source, keys in (("inferencex-2026-07", CONFIGURATION), ("inferencex-runs-dsr1", RUN)):
        layouts = table.filter(pl.col("source") == source).select(*keys, *LAYOUT)
        mine = rows.filter(pl.col("source") == source)
        parts.append(mine.join(layouts, on=keys, how="left", nulls_equal=True, validate="m:1"))
    laid = pl.concat([*parts, rows.join(pl.concat(parts), on="_at", how="anti")], how="diagonal").sort("_at")
    # A count of 0 means that the layout is not known.
    return laid.drop("_at").with_columns(
        pl.when(pl.col(name).cast(int) > 0, pl.col("prefill_workers").cast(int) > 0).then(pl.col(name).cast(int))
        for name in LAYOUT
    )


def with_true_counts(points: pl.DataFrame) -> pl.DataFrame:
    """The points with the GPUs of one pool counted once, where the source mirrors a whole layout into both pools.

    In 41 disaggregated rows of InferenceX on one rack the count of all GPUs stands under each pool, so that the
    sum is twice the truth: by Little's law with the measured E2E their throughput is that of half as many GPUs, and
    the layouts that their input and output throughput imply (4 + 32 of 36) fill that half.
    """
    mirrored = pl.col("source").str.starts_with("inferencex") & pl.col("disaggregated") & ~pl.col("multinode")
    mirrored = mirrored.fill_null(False)
    return points.with_columns(
        n_gpus=pl.when(mirrored).then(pl.col("n_gpus") // 2).otherwise("n_gpus"),
        tp=pl.when(~mirrored).then("tp"),
        prefill_tp=pl.when(~mirrored).then("prefill_tp"),
        notes=pl.when(mirrored)
        .then(_noted("GPUs counted once: the source writes all under each pool"))
        .otherwise("notes"),
    )


def with_whole_workers(points: pl.DataFrame) -> pl.DataFrame:
    """The points with all GPUs of a decode worker, where the source counts one of them for the whole worker.

    In 41 configurations (138 medians) a decode worker with TP 1 counts as one GPU, though it spreads its experts or
    its attention over more, as the weights need. Expert parallelism gives the worker's GPUs: so it is in every run
    of the same configuration that states them. With EP 1 the runs of the same lengths, load, TPOT (3 %) and
    throughput per GPU (5 %) give the count of all; without such a run neither is known.
    """
    worker = pl.col("decode_gpus") / pl.col("decode_workers")
    spread = pl.max_horizontal("tp", "ep")
    lone = (worker == 1) & pl.col("dp_attention") & (spread == 1)
    decode = pl.when(lone).then(pl.col("_runs") - pl.col("prefill_gpus")).otherwise(pl.col("decode_workers") * spread)
    wrong = (pl.col("source") == "inferencex-2026-07") & pl.col("disaggregated") & (lone | (worker < spread))
    marked = points.with_columns(_wrong=wrong.fill_null(False)).with_row_index("_at")
    counts = _counts_of_runs(marked.filter("_wrong"), marked)
    return (
        marked.join(counts, on="source_ref", how="left", maintain_order="left")
        .with_columns(decode_gpus=pl.when("_wrong").then(decode).otherwise("decode_gpus"))
        .with_columns(
            n_gpus=pl.when("_wrong").then(pl.col("prefill_gpus") + pl.col("decode_gpus")).otherwise("n_gpus"),
            notes=pl.when("_wrong").then(_noted("all GPUs of a decode worker counted")).otherwise("notes"),
        )
        .drop("_wrong", "_at", "_runs")
    )


def _counts_of_runs(medians: pl.DataFrame, points: pl.DataFrame) -> pl.DataFrame:
    """`source_ref` of a configuration and `_runs`, the GPUs that every run near its medians has, if it is one count."""
    keys = ["accelerator", "engine", "model", "precision", "isl", "osl", "concurrency", "speculative"]
    near = medians.join(points.filter(pl.col("source") == "inferencex-runs-dsr1"), on=keys, suffix="_run").filter(
        (pl.col("median_tpot_s") / pl.col("median_tpot_s_run") - 1).abs() < 0.03,
        (pl.col("total_tput_per_gpu_tok_s") / pl.col("total_tput_per_gpu_tok_s_run") - 1).abs() < 0.05,
    )
    counts = near.group_by("source_ref").agg(pl.col("n_gpus_run").unique())
    return counts.select(
        "source_ref", _runs=pl.when(pl.col("n_gpus_run").list.len() == 1).then(pl.col("n_gpus_run").list.first())
    )


def _noted(note: str) -> pl.Expr:
    return pl.concat_str("notes", pl.lit(note), separator="; ", ignore_nulls=True)


def with_named_pools(points: pl.DataFrame) -> pl.DataFrame:
    """The points with the pools that only a name of ATOM's states: `PD-1P4-1D8` is 1 worker of 4 and 1 of 8 GPUs.

    The source divides the throughput of such a row by the GPUs of one decode worker.
    """
    named = r"named [^;]*-PD-(\d+)P(\d+)-(\d+)D(\d+)"
    workers, size, decoders, decoder = (pl.col("notes").str.extract(named, k).cast(int) for k in (1, 2, 3, 4))
    gpus = workers * size + decoders * decoder
    per_gpu = ("total_tput_per_gpu_tok_s", OUTPUT)
    return points.with_columns(
        *(pl.when(gpus > 0).then(pl.col(c) * pl.col("n_gpus") / gpus).otherwise(c).alias(c) for c in per_gpu),
        n_gpus=pl.coalesce(gpus, "n_gpus"),
        prefill_workers=pl.coalesce(workers, "prefill_workers"),
        decode_workers=pl.coalesce(decoders, "decode_workers"),
        prefill_gpus=pl.coalesce(workers * size, "prefill_gpus"),
        decode_gpus=pl.coalesce(decoders * decoder, "decode_gpus"),
        prefill_tp=pl.coalesce(size, "prefill_tp"),
    )


def with_one_denominator(points: pl.DataFrame) -> pl.DataFrame:
    """The points with input and output throughput per GPU of all pools, and per GPU of each role beside them.

    Of disaggregated rows whose figures add up neither way, and whose pools no whole number fits, both are left out.
    """
    pooled = pl.col("disaggregated").fill_null(False) & pl.col(INPUT).is_not_null() & pl.col(OUTPUT).is_not_null()
    prefill = pl.coalesce("prefill_gpus", _implied_prefill_gpus())
    laid = points.with_columns(_prefill=pl.when(pooled).then(prefill))
    share = pl.col("_prefill") / pl.col("n_gpus")
    scaled = {INPUT: pl.col(INPUT) * share, OUTPUT: pl.col(OUTPUT) * (1 - share)}
    agree = ((scaled[INPUT] + scaled[OUTPUT]) / pl.col("total_tput_per_gpu_tok_s") - 1).abs() <= ADDS_UP
    return (
        laid.with_columns(_agree=pooled & agree.fill_null(False))
        .with_columns(
            *(pl.when("_agree").then(expr).when(~pooled).then(name).alias(name) for name, expr in scaled.items()),
            pl.when("_agree").then(INPUT).alias(BY_PREFILL),
            pl.when("_agree").then(OUTPUT).alias(BY_DECODE),
            pl.coalesce("prefill_gpus", pl.when("_agree").then("_prefill")).alias("prefill_gpus"),
            pl.coalesce("decode_gpus", pl.when("_agree").then(pl.col("n_gpus") - pl.col("_prefill"))).alias(
                "decode_gpus"
            ),
        )
        .drop("_prefill", "_agree")
    )


def _implied_prefill_gpus() -> pl.Expr:
    """The prefill GPUs that the three throughputs imply; null unless whole, with some left for decoding."""
    total = pl.col("total_tput_per_gpu_tok_s")
    gpus = pl.col("n_gpus") * (total - pl.col(OUTPUT)) / (pl.col(INPUT) - pl.col(OUTPUT))
    whole = gpus.round().cast(int, strict=False)
    return pl.when((gpus - whole).abs() <= WHOLE * gpus, whole > 0, whole < pl.col("n_gpus")).then(whole)
