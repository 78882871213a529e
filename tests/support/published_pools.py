"""The layouts of the published disaggregated points."""

from __future__ import annotations

from typing import Any

import polars as pl

from paretoken.catalog.loader import Catalog
from paretoken.points.published import published_points
from paretoken.predict.deployment import Deployment


def published_pairs(catalog: Catalog) -> list[tuple[str, Deployment, Deployment]]:
    """Each engine with a prefill and a decode worker that were published together."""
    rows = published_points().filter(pl.col("disaggregated") & pl.col("prefill_tp").is_not_null())
    sizes = ["prefill_gpus", "prefill_workers", "decode_gpus", "decode_workers"]
    columns = ["engine", "model", "precision", "accelerator", "date", "tp", "dp_attention"]
    columns += ["prefill_tp", "prefill_dp_attention", "ep", "prefill_ep", *sizes]
    layouts = rows.select(columns).drop_nulls(sizes).unique(maintain_order=True)
    return list(
        dict.fromkeys(
            (r["engine"], _of(r, "prefill", catalog), _of(r, "decode", catalog)) for r in layouts.rows(named=True)
        )
    )


def _of(row: dict[str, Any], pool: str, catalog: Catalog) -> Deployment:
    """One worker of a pool; the columns of decode workers have no prefix."""
    gpus, prefix = row[f"{pool}_gpus"] // row[f"{pool}_workers"], "prefill_" if pool == "prefill" else ""
    return Deployment(
        accelerator=row["accelerator"],
        model=row["model"],
        precision=row["precision"],
        engine=catalog.engines[row["engine"]].core,
        gpus=gpus,
        tp=min(row[f"{prefix}tp"], gpus),
        ep=row[f"{prefix}ep"] or 1,
        dp_attention=bool(row[f"{prefix}dp_attention"]),
        date=row["date"] if row["date"] and ".." not in row["date"] else None,
    )
