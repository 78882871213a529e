"""Build the shipped table of published operating points from the collected CSV files.

    python tools/build_published.py measured_points.csv released_points.csv atom_points.csv --pools pools.csv

The columns are those of the collectors (milliseconds, source-specific names, `P4/D8` for pools); this maps
them to the schema and keeps rows that are equal in every column once. `--licensed-only` leaves out rows whose
carrier states no licence of its own, or one that binds those who ship them (GPL-3.0); the facts that correct other rows
are used all the same.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import polars as pl
from carried import with_upstream_configurations
from carried_pools import with_layouts_of_runs
from layouts import (
    LAYOUT,
    with_layouts,
    with_named_pools,
    with_one_denominator,
    with_true_counts,
    with_whole_workers,
)

from paretoken.catalog.loader import load_catalog
from paretoken.points.check import checked
from paretoken.points.files import write_points
from paretoken.points.published import PUBLISHED

# InferenceX draws lengths uniformly in 80-100 % of nominal.
MEAN_LENGTH_SHARE = 0.9
INFERENCEX_LENGTHS = ((1024, 1024), (1024, 8192), (8192, 1024))
FREE = ("Apache-2.0", "MIT")
LLAMA_PERIOD = "2025-09-29..2025-10-30"
LLAMA_NOTE = "no run after InferenceX removed the model: SemiAnalysisAI/InferenceX pull request 149, 2025-10-30"
ATOM = pl.col("source") == "atom-nightly"
SECONDS = {
    f"{stat}_{theirs}_ms": f"{stat}_{ours}_s"
    for stat in ("mean", "median", "p99")
    for theirs, ours in (("ttft", "ttft"), ("tpot", "tpot"), ("itl", "itl"), ("e2el", "e2e"))
} | {"tpot_ms": "tpot_s", "ttft_ms": "ttft_s"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", type=Path, nargs="+")
    parser.add_argument("--pools", type=Path, help="layouts of disaggregated rows")
    parser.add_argument("--licensed-only", action="store_true")
    parser.add_argument("--out", type=Path, default=PUBLISHED)
    args = parser.parse_args()
    points = named_means(convert(with_layouts(collected(args.csv), args.pools)))
    for corrected in (
        with_narrower_period,
        with_true_counts,
        with_whole_workers,
        with_named_pools,
        with_upstream_configurations,
        with_one_denominator,
        with_layouts_of_runs,
    ):
        points = corrected(points)
    if args.licensed_only:
        points = points.filter(pl.col("licence").is_in(FREE))
    table, _ = checked(points, ", ".join(p.name for p in args.csv))
    table = table.sort(
        "source", "model", "precision", "isl", "osl", "accelerator", "engine", "tp", "concurrency", "source_ref", "date"
    )
    write_points(table, args.out)
    print(f"{table.height} points, {args.out.stat().st_size / 1e6:.2f} MB -> {args.out}")
    print(layout_report(table))


def collected(files: list[Path]) -> pl.DataFrame:
    """The rows of all files as text, each once; empty and `nan` cells are null."""
    tables = [pl.read_csv(file, infer_schema=False) for file in files]
    rows = pl.concat(tables).with_columns(pl.all().replace({"nan": None, "": None}))
    return rows.unique(keep="first", maintain_order=True)


def layout_report(table: pl.DataFrame) -> str:
    """How many disaggregated rows have a layout, and how many of these do not add up to the row's GPUs."""
    pooled = table.filter("disaggregated")
    laid = pooled.filter(pl.col("prefill_gpus").is_not_null())
    off = laid.filter(pl.col("prefill_gpus") + pl.col("decode_gpus") != pl.col("n_gpus")).height
    stated = laid["prefill_workers"].is_not_null().sum()
    return f"{pooled.height} disaggregated: {laid.height} with a layout ({stated} stated), {off} of them not adding up"


def convert(raw: pl.DataFrame) -> pl.DataFrame:
    """The collected rows with the schema's columns and units."""
    catalog = load_catalog()
    canonical = {
        "accelerator": {n: catalog.accelerators.id_of(n) for n in raw["accelerator"].unique()},
        "model": {n: catalog.models.id_of(n) for n in raw["model"].unique()},
        "engine": {n: catalog.engines.id_of(n) for n in raw["engine"].unique()},
    }
    offline = pl.col("load").str.starts_with("inf").fill_null(False)
    lengths = pl.struct(pl.col("isl").cast(int), pl.col("osl").cast(int))
    of_inferencex = lengths.is_in(pl.Series([{"isl": i, "osl": o} for i, o in INFERENCEX_LENGTHS]).implode())
    uniform = (
        pl.when(ATOM)
        .then(pl.col("notes").str.contains("lengths uniform"))
        .otherwise((pl.col("source") != "trtllm-perf-overview") & of_inferencex)
    )
    share = pl.when(uniform).then(MEAN_LENGTH_SHARE).otherwise(1.0)
    disaggregated = pl.col("disaggregated").cast(float).cast(bool)
    output = pl.col("output_tput_tok_s").cast(float) / pl.col("n_gpus").cast(float)
    return raw.select(
        pl.lit("published").alias("origin"),
        "source",
        pl.col("origin").alias("source_ref"),
        "licence",
        "date",
        _notes(),
        *(pl.col(c).replace_strict(names) for c, names in canonical.items()),
        pl.col("model").alias("model_variant"),
        "precision",
        _version(),
        "speculative",
        _drafted(),
        disaggregated.alias("disaggregated"),
        pl.col("multinode").cast(float).cast(bool),
        *LAYOUT,
        pl.when(pl.col("n_gpus").cast(int) > 0).then("n_gpus").cast(int).alias("n_gpus"),
        *(_size(name, 1).alias(name) for name in ("tp", "ep")),
        _attention(1).alias("dp_attention"),
        *(pl.when(disaggregated).then(_size(name, 0)).alias(f"prefill_{name}") for name in ("tp", "ep")),
        pl.when(disaggregated).then(_attention(0)).alias("prefill_dp_attention"),
        pl.col("isl").cast(int),
        pl.col("osl").cast(int),
        (pl.col("isl").cast(float) * share).alias("mean_isl"),
        (pl.col("osl").cast(float) * share).alias("mean_osl"),
        pl.when(offline).then(pl.lit("offline")).otherwise(pl.lit("closed")).alias("load_kind"),
        pl.when(~offline).then("load").cast(float).alias("concurrency"),
        pl.col("total_tput_per_gpu_tok_s").cast(float),
        pl.col("input_tput_per_gpu_tok_s").cast(float),
        pl.coalesce(pl.col("output_tput_per_gpu_tok_s").cast(float), output).alias("output_tput_per_gpu_tok_s"),
        *((pl.col(theirs).cast(float) / 1000).alias(ours) for theirs, ours in SECONDS.items() if theirs in raw.columns),
        pl.col("avg_power_w_w").cast(float).alias("avg_power_w"),
        pl.col("joules_per_output_token_j").cast(float).alias("joules_per_output_token"),
    )


def named_means(table: pl.DataFrame) -> pl.DataFrame:
    """The table with TTFT and TPOT as means where aiconfigurator tells of a run by their statistic unsaid.

    Of 518 pairs of such a row and a run of InferenceX that states its mean TTFT and TPOT all agree in both to the last
    digit. Rows without a GPU count are of disaggregated runs, or of laboratories, of which nothing else is known: the
    latter stay unsaid.
    """
    run = (pl.col("source") == "aiconfigurator-silicon") & (pl.col("n_gpus").is_not_null() | pl.col("disaggregated"))
    return table.with_columns(
        expression
        for key in ("ttft", "tpot")
        for expression in (
            pl.when(run).then(f"{key}_s").otherwise(f"mean_{key}_s").alias(f"mean_{key}_s"),
            pl.when(~run).then(f"{key}_s").alias(f"{key}_s"),
        )
    )


def _notes() -> pl.Expr:
    """The notes; of ATOM's nights the configuration's name and the commit, as the rest is the same for all.

    The carrier's file, whose name is a later date than that of the run, is in the row's id.
    """
    named, commit = (pl.col("notes").str.extract(pattern) for pattern in (r"(named [^;]+)", r"(commit \w+)"))
    others = pl.col("notes").str.replace(r"source_file=[^;]*; ", "")
    return pl.when(ATOM).then(pl.concat_str(named, commit, separator="; ")).otherwise(others).alias("notes")


def _version() -> pl.Expr:
    """The engine's version; of ATOM's nights the image, null where it is not stated."""
    image = pl.col("engine_version").str.strip_prefix("ATOM plugin, ").str.strip_chars()
    return pl.when(~ATOM).then("engine_version").when(image != "").then(image).alias("engine_version")


def _drafted() -> pl.Expr:
    """The MTP depth, which ATOM writes into the configuration's name: `MTP3` drafts 3 tokens a step."""
    depth = pl.col("notes").str.extract(r"(?i)named [^;]*mtp(\d+)").cast(int)
    return pl.when(ATOM, pl.col("speculative") == "mtp").then(depth).alias("speculative_tokens")


def with_narrower_period(points: pl.DataFrame) -> pl.DataFrame:
    """The points with the period of Llama's medians, which ends where upstream stopped to run the model.

    aiconfigurator, which carries the last run of each configuration, dates all of Llama's 2025-10-29.
    """
    llama = (pl.col("source") == "inferencex-2026-07") & (pl.col("model") == "llama-3-70b")
    note = pl.concat_str("notes", pl.lit(LLAMA_NOTE), separator="; ", ignore_nulls=True)
    return points.with_columns(
        date=pl.when(llama).then(pl.lit(LLAMA_PERIOD)).otherwise("date"),
        notes=pl.when(llama).then(note).otherwise("notes"),
    )


def _side(name: str, side: int) -> pl.Expr:
    """The prefill (0) or decode (1) pool's number out of `P4/D8`, or the one number of a single pool."""
    text = pl.col(name)
    pool = text.str.extract_all(r"\d+").list.get(side, null_on_oob=True)
    return pl.when(text.str.contains("/")).then(pool).otherwise(text).cast(int, strict=False)


def _size(name: str, side: int) -> pl.Expr:
    """A parallel size; some collectors write 0 for one that they do not know."""
    return pl.when(_side(name, side) > 0).then(_side(name, side))


def _attention(side: int) -> pl.Expr:
    """Whether a pool's attention is data parallel.

    aiconfigurator writes the DP size for pools, where 1 may mean off or a flag; that stays unknown.
    """
    ambiguous = (pl.col("source") == "aiconfigurator-silicon") & pl.col("dp_attention").str.contains("/")
    number = _side("dp_attention", side)
    pooled = pl.col("disaggregated").cast(float) > 0
    return pl.when(~(ambiguous & pooled & (number == 1))).then(number > 0)


if __name__ == "__main__":
    main()
