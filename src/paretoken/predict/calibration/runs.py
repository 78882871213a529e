"""What the samples of single and of disaggregated deployments read alike from operating points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from paretoken.catalog.loader import Catalog
from paretoken.points.unstated import NONE, UNKNOWN
from paretoken.predict.deployment import Lengths
from paretoken.predict.settings import KV_DTYPES


def speculation_stated(catalog: Catalog) -> pl.Expr:
    """Whether a row states its speculation, or serves a model without a draft layer, where UNKNOWN counts as none."""
    drafting = [name for name in catalog.models if catalog.models[name].multi_token_prediction]
    return (pl.col("speculation") != UNKNOWN) | ~pl.col("model").is_in(drafting)


def run_columns() -> dict[str, pl.Expr]:
    """Columns of a run: its speculation, whether its date is a period, its date if a single day, and mean lengths."""
    method = pl.col("speculation").replace(UNKNOWN, NONE)
    return {
        "speculative": method,
        "drafting": method != NONE,
        "period": pl.col("date").fill_null("").str.contains("..", literal=True),
        "date": pl.when(pl.col("date").str.len_chars() == 10).then("date"),
        "_isl": pl.coalesce("mean_isl", pl.col("isl").cast(pl.Float64)),
        "_osl": pl.coalesce("mean_osl", pl.col("osl").cast(pl.Float64)),
    }


def little_e2e_s() -> pl.Expr:
    """E2E by Little's law, seconds: concurrency·tokens/throughput; null where no throughput is stated."""
    tokens = pl.col("concurrency") * (pl.col("_isl") + pl.col("_osl"))
    return tokens / (pl.col("total_tput_per_gpu_tok_s") * pl.col("n_gpus"))


def stated_e2e_s() -> pl.Expr:
    """E2E of a row's own TTFT and TPOT, seconds: TTFT + TPOT·(OSL − 1)."""
    return pl.col("central_ttft_s") + pl.col("central_tpot_s") * (pl.col("_osl") - 1)


def monthly(rows: pl.DataFrame, alike: Sequence[str], figures: Sequence[str]) -> pl.DataFrame:
    """The rows with published runs of one month that share the columns `alike` as their median, in mid-month."""
    month = pl.when(pl.col("origin") == "published").then(pl.col("date").str.slice(0, len("2026-01")))
    alone = pl.int_range(pl.len()).cast(pl.String)
    key = [*alike, "_month"]
    several = pl.len().over(key) > 1
    return (
        rows.with_columns(_month=pl.coalesce(month, alone))
        .with_columns(
            *(pl.col(name).median().over(key) for name in figures),
            date=pl.when(several).then(pl.col("_month") + "-15").otherwise("date"),
            engine_version=pl.when(~several).then("engine_version"),
        )
        .unique(subset=key, maintain_order=True, keep="first")
        .drop("_month")
    )


def row_lengths(row: Mapping[str, Any]) -> Lengths:
    """The lengths of a row with the range ratio that its mean output length implies."""
    return Lengths(row["isl"], row["osl"], min(max(2 * row["_osl"] / row["osl"] - 1, 0.01), 1.0))


def stated_version(text: str | None) -> str:
    """The engine version of a row; "" for none, and for a median over versions."""
    return "" if not text or text.startswith("median") else text


def stated_kv_dtype(stated: object) -> str | None:
    """Our word for a stated type of the cache; None where there is none."""
    text = str(stated or "").lower()
    return next((ours for ours in KV_DTYPES if text.startswith((ours, {"bf16": "bfloat16"}.get(ours, ours)))), None)
