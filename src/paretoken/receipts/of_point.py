"""How to repeat an operating point, published or your own. A point's id is a hash of what its source states."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson
import polars as pl

from paretoken.bench.config import BenchConfig
from paretoken.catalog.loader import load_catalog
from paretoken.errors import UnknownName
from paretoken.points.schema import STORED
from paretoken.receipts.bench_line import bench_words
from paretoken.receipts.launches import launch_of, other_version
from paretoken.receipts.recipe import ReproductionRecipe, ServerLaunch
from paretoken.sessions.label import name_in

HERE = "http://127.0.0.1:8000/v1"
_SIGNS = 12
_OF_ID = tuple(c.name for c in STORED if c.name not in ("notes", "receipt"))
_STATED = (
    *("origin", "source", "source_ref", "licence", "date", "accelerator", "n_gpus", "model", "model_variant"),
    *("precision", "engine", "engine_version", "tp", "ep", "dp_attention", "disaggregated", "prefill_tp"),
    *("prefill_workers", "decode_workers", "prefill_gpus", "decode_gpus", "multinode", "speculative"),
    *("speculative_tokens", "draft_model", "kv_cache_dtype", "isl", "osl", "concurrency", "request_rate", "receipt"),
)


def point_id(point: Mapping[str, Any]) -> str:
    """`p` and twelve hexadecimal digits, from every value that the source states; equal rows have one id."""
    values = [point.get(name) for name in _OF_ID]
    return "p" + hashlib.sha256(orjson.dumps(values)).hexdigest()[:_SIGNS]


def points_named(points: pl.DataFrame, name: str) -> list[dict[str, Any]]:
    """The points of that id, or whose source calls them so; UnknownName where there is none."""
    named = points.filter(pl.col("source_ref") == name)
    rows = named.to_dicts() if named.height else [p for p in points.iter_rows(named=True) if point_id(p) == name]
    if not rows:
        raise UnknownName(
            "point",
            name,
            [],
            why="no point has this id or source_ref; list them with 'paretoken reproduce --model NAME'",
        )
    return list({point_id(row): row for row in rows}.values())


def recipe_of_point(point: Mapping[str, Any]) -> ReproductionRecipe:
    """The recipe of one point."""
    launch = launch_of(point)
    return ReproductionRecipe(
        of=f"point {point_id(point)}",
        kind="point",
        stated={name: point[name] for name in _STATED if point.get(name) is not None},
        launch=launch,
        bench=tuple(bench_words(_config(point))),
        bench_recorded=False,
        unknown=tuple(_unknown(launch, point)),
    )


def _config(point: Mapping[str, Any]) -> BenchConfig:
    rate = point.get("request_rate")
    users = point.get("sessions") or point.get("concurrency")
    label = point.get("workload")
    config = BenchConfig(
        urls=(HERE,),
        workload=name_in(label) if label and not _is_foreign(label) else None,
        trace=name_in(label) if label and _is_foreign(label) else None,
        rate=f"{rate:g}" if rate else None,
        concurrency=str(max(1, round(users))) if users and not rate else None,
        gpus=point.get("n_gpus") or 1,
        accelerator=point["accelerator"],
        precision=point.get("precision"),
        tp=point.get("tp"),
        engine=point["engine"],
        catalog_model=point["model"],
        speculative=point.get("speculative"),
        speculative_tokens=point.get("speculative_tokens"),
        draft_model=point.get("draft_model"),
        kv_cache_dtype=point.get("kv_cache_dtype"),
    )
    return config if label else replace(config, isl=str(point["isl"]), osl=str(point["osl"]))


def _is_foreign(label: str) -> bool:
    """Whether the sessions of a label are not in the catalog: those of a trace, or of a catalog of the source."""
    return name_in(label) not in load_catalog().session_workloads


def _unknown(launch: ServerLaunch, point: Mapping[str, Any]) -> Iterator[str]:
    """What the source does not state."""
    if launch.basis == "unknown":
        yield "the commands of the server: no recipe of the catalog fits this engine, or it has separate pools"
    else:
        yield "the options that the source started its server with, beyond the columns above"
    if other := other_version(launch, point):
        yield other
    if (label := point.get("workload")) and _is_foreign(label):
        yield f"the sessions {label}, which the catalog does not have: give their file after --trace"
    if label:
        yield f"whether your run plays the same sessions: its points must carry the workload {label}"
    if point["origin"] == "predicted":
        yield "whether it can be measured at all: the point is predicted"
    version = point.get("engine_version")
    if not version or "median" in version:
        yield "the version of the engine" + (f" ({version})" if version else "")
    if launch.image:
        yield f"the digest of the image {launch.image}, which is the recipe's and perhaps not the source's"
    yield "the revision of the weights"
    yield "the source's own load generator: the line below makes the same nominal load"
    if not point.get("concurrency") and not point.get("request_rate"):
        yield "the concurrency"
