"""How the GPU time of a deployment at a load divides into prefill and decode.

On one pool, prefill has the predicted share: prompts per second times the seconds of one, by Little's law
users / E2E · t_p. Decode has the rest. With two pools, the shares are those of their GPUs, which are paid for whether
they are busy or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from paretoken.catalog.loader import Catalog
from paretoken.errors import NoData
from paretoken.points.schema import COLUMNS
from paretoken.points.unstated import NONE, UNKNOWN
from paretoken.predict.calibration.runs import stated_kv_dtype, stated_version
from paretoken.predict.configure import case
from paretoken.predict.deployment import Case, Deployment, Lengths
from paretoken.predict.explain import Explanation, TimeShare, explain_case
from paretoken.predict.pools.explain import explain_pools
from paretoken.predict.pools.rows import laid_out, pooled_cases
from paretoken.predict.published_settings import published_settings
from paretoken.predict.settings import EngineSettings
from paretoken.predict.speculation import published_method

PREDICTED_TIME = "predicted time of prompts and of decode steps"
"""What the shares of one pool rest on."""


@dataclass(frozen=True, slots=True)
class PhaseShares:
    """Shares of the GPU time that is paid for; decode has the rest.

    `kv_share` is the share of decode steps that reads the KV cache, None where it is not predicted. `basis` says what
    both rest on.
    """

    prefill_share: float
    kv_share: float | None
    basis: str


def shares_of(explanation: Explanation) -> PhaseShares:
    """The shares of one pool, as predicted; stages of a pipeline hold a prompt one after another."""
    case, parts = explanation.case, explanation.parts
    prompt_s = sum(part.seconds for part in parts if part.phase == "prompt") / case.deployment.pp
    decodes = case.lengths.osl > 1
    share = min(case.concurrency / explanation.e2e_s * prompt_s, 1.0) if decodes else 1.0
    return PhaseShares(share, _kv_share(parts) if decodes else None, PREDICTED_TIME)


def shares_of_point(point: Mapping[str, Any], catalog: Catalog) -> PhaseShares:
    """The shares of an operating point, a row of prepared points; ParetokenError with the reason if there are none.

    A point of one pool is predicted at its load, with the settings of the recipe that served it.
    """
    if point["disaggregated"]:
        return _of_pooled_point(point, catalog)
    return shares_of(explain_case(_case_of(point, catalog), catalog=catalog))


def _of_pooled_point(point: Mapping[str, Any], catalog: Catalog) -> PhaseShares:
    prefill, decode = point["prefill_gpus"], point["decode_gpus"]
    if not prefill or not decode:
        raise NoData("the point does not state the GPUs of both pools")
    types = {column.name: column.dtype for column in COLUMNS if column.name in point}
    row = pl.DataFrame([dict(point)], schema_overrides=types, infer_schema_length=None)
    cases = pooled_cases(laid_out(row, catalog), catalog)
    kv_share = _kv_share(explain_pools(cases[0], catalog=catalog).parts) if cases else None
    return _by_gpus(prefill, decode, kv_share)


def _by_gpus(prefill: int, decode: int, kv_share: float | None) -> PhaseShares:
    return PhaseShares(prefill / (prefill + decode), kv_share, f"GPUs of the pools, {prefill} prefill, {decode} decode")


def _kv_share(parts: Iterable[TimeShare]) -> float | None:
    return next((part.share for part in parts if (part.phase, part.name) == ("decode", "kv")), None)


def _case_of(point: Mapping[str, Any], catalog: Catalog) -> Case:
    """The checked case of a point of one pool; NoData if it does not state its GPUs or its load."""
    gpus, users = point["n_gpus"], point["concurrency"]
    if not gpus or not users or not point["precision"]:
        missing = "GPUs" if not gpus else "concurrency" if not users else "precision"
        raise NoData(f"the point does not state its {missing}")
    tp = min(point["tp"] or gpus, gpus)
    speculation = point["speculation"]
    method, tokens = (NONE, None) if speculation in (NONE, UNKNOWN) else published_method(speculation)
    day = point["date"]
    d = Deployment(
        accelerator=point["accelerator"],
        model=point["model"],
        precision=point["precision"],
        engine=point["engine"],
        gpus=gpus,
        tp=tp,
        ep=max(point["ep"] or 1, 1),
        dp_attention=bool(point["dp_attention"]) or tp < gpus,
        speculative=method,
        date=day if day and len(day) == len("2026-01-01") else None,
        engine_version=stated_version(point["engine_version"]),
        speculative_tokens=point["speculative_tokens"] or tokens,
        acceptance_length=point["acceptance_length"],
    )
    lengths = _lengths(point)
    published = point["origin"] == "published"
    kv_dtype = stated_kv_dtype(point["kv_cache_dtype"])
    settings = published_settings(d, lengths, users) if published else EngineSettings(kv_dtype=kv_dtype)
    return case(replace(d, settings=settings), lengths, users, catalog=catalog)


def _lengths(point: Mapping[str, Any]) -> Lengths:
    """The lengths of a point, with the range ratio that its mean output length implies."""
    mean_osl = point["mean_osl"] or point["osl"]
    return Lengths(point["isl"], point["osl"], min(max(2 * mean_osl / point["osl"] - 1, 0.01), 1.0))
