"""The pools of operating points that were measured disaggregated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from paretoken.points.published import published_points
from paretoken.predict.deployment import Deployment
from paretoken.predict.pools.layout import Pools, worker_kind

_ANY = Deployment(accelerator="", model="", precision="", engine="", gpus=1, tp=1)
_LAYOUT = (
    *("tp", "ep", "dp_attention", "decode_workers", "decode_gpus"),
    *("prefill_tp", "prefill_ep", "prefill_dp_attention", "prefill_workers", "prefill_gpus"),
)


def point_pools(point: Mapping[str, Any], one: Deployment, engine: str) -> Pools | None:
    """The pools of a point, with all that it does not state of its layout from `one`; None if it states none.

    GPUs of a pool that its workers cannot share evenly are no layout.
    """
    prefill = _worker(point, "prefill_", "prefill", one)
    decode = _worker(point, "", "decode", one)
    if prefill is None or decode is None:
        return None
    return Pools(
        engine=engine,
        prefill=prefill,
        decode=decode,
        prefill_workers=point["prefill_workers"],
        decode_workers=point["decode_workers"],
    )


def _worker(point: Mapping[str, Any], prefix: str, pool: str, one: Deployment) -> Deployment | None:
    workers, gpus = point[f"{pool}_workers"], point[f"{pool}_gpus"]
    if not workers or not gpus or gpus % workers:
        return None
    worker_gpus = gpus // workers
    ep, ranks = point[f"{prefix}ep"] or 1, bool(point[f"{prefix}dp_attention"])
    tp = min(point[f"{prefix}tp"] or worker_gpus, worker_gpus)
    return replace(one, gpus=worker_gpus, tp=tp, ep=ep, dp_attention=ranks)


def measured_workers(model: str, accelerator: str) -> tuple[frozenset[str], frozenset[str]]:
    """The workers in short, TP8, DEP24, …, of the prefill and the decode pools of shipped points."""
    points = published_points().filter(
        pl.col("disaggregated"), pl.col("model") == model, pl.col("accelerator") == accelerator
    )
    pools = [point_pools(point, _ANY, "") for point in points.select(*_LAYOUT).unique().iter_rows(named=True)]
    prefill = frozenset(worker_kind(p.prefill) for p in pools if p)
    return prefill, frozenset(worker_kind(p.decode) for p in pools if p)


def point_layout(point: Mapping[str, Any]) -> str:
    """The layout of a point in short: 4xDEP4+1xDEP32, or of one pool TP8; "" where it states none."""
    one = _ANY
    if point["disaggregated"]:
        pools = point_pools(point, one, "")
        return pools.layout if pools else ""
    gpus = point["n_gpus"] or max(point["tp"] or 0, point["ep"] or 0)
    if not gpus:
        return ""
    ep, ranks = point["ep"] or 1, bool(point["dp_attention"])
    return worker_kind(replace(one, gpus=gpus, tp=min(point["tp"] or gpus, gpus), ep=ep, dp_attention=ranks))
