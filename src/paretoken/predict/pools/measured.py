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
    """The pools of a point; None if it states no layout, or GPUs of a pool that its workers cannot share evenly.

    Workers have what a layout does not state, such as model and precision, from `one`.
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
    return _of_gpus(point, prefix, gpus // workers, one)


def _of_gpus(point: Mapping[str, Any], prefix: str, gpus: int, one: Deployment) -> Deployment:
    """A worker of GPUs with the parallelism that a point states; without TP, that of all GPUs."""
    ep, ranks = point[f"{prefix}ep"] or 1, bool(point[f"{prefix}dp_attention"])
    return replace(one, gpus=gpus, tp=min(point[f"{prefix}tp"] or gpus, gpus), ep=ep, dp_attention=ranks)


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
    if point["disaggregated"]:
        pools = point_pools(point, _ANY, "")
        return pools.layout if pools else ""
    gpus = point["n_gpus"] or max(point["tp"] or 0, point["ep"] or 0)
    return worker_kind(_of_gpus(point, "", gpus, _ANY)) if gpus else ""
