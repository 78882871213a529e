"""The predicted effect of prefix-cache hits on one's own throughput.

Benchmarks send prompts that share nothing, so operating points have no hits. The run's own deployment is predicted
with and without them. Both throughputs are at one latency, which is the predicted one at the users of the run: hits
free time that more users then fill. Pools keep their split, although hits would allow for fewer prefill workers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import polars as pl

from paretoken.answers.points import Data
from paretoken.errors import ParetokenError
from paretoken.frontier.curve import CurvePoint
from paretoken.points.selection import Axis, Selection
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.sample import sample
from paretoken.predict.deployment import Case, Deployment
from paretoken.predict.pools.layout import PooledCase
from paretoken.predict.pools.predictor import predict_pools
from paretoken.predict.pools.sample import pool_sample
from paretoken.predict.predictor import predict_cases

USER_FACTORS = 2.0 ** (np.arange(21) / 4)
"""Multiples of the users of a run, 1 to 32, at which throughput with hits is predicted."""
IDENTITY = ("source", "source_ref", "n_gpus", "tp", "prefill_tp", "ep", "concurrency", "speculative")
WHY_NOT = "its run lacks what a prediction needs, or contradicts itself"
C = TypeVar("C", Case, PooledCase)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCache:
    """The cache hits of one's own side: `factor` is throughput with them over that without, at one latency.

    `origin` is "predicted", or "none" with the reason in `note` and a factor of 1.
    """

    share: float
    factor: float
    origin: str
    note: str = ""


def own_cache(
    data: Data, selection: Selection, axis: Axis, accelerator: str, engine: str, run: CurvePoint, share: float
) -> OwnCache:
    """The effect of a share of cached input on the deployment of a run."""
    stated, types = dict(run), data.points.schema
    same = (pl.col(name).eq_missing(pl.lit(stated[name], dtype=types[name])) for name in IDENTITY)
    rows = data.of_model(selection).filter(pl.col("accelerator") == accelerator, pl.col("engine") == engine, *same)
    try:
        factor = _pooled(rows, data, axis, share) if run["disaggregated"] else _single(rows, data, axis, share)
    except ParetokenError as e:
        return OwnCache(share=share, factor=1.0, origin="none", note=str(e))
    if factor is None:
        return OwnCache(share=share, factor=1.0, origin="none", note=WHY_NOT)
    return OwnCache(share=share, factor=factor, origin="predicted")


def _single(rows: pl.DataFrame, data: Data, axis: Axis, share: float) -> float | None:
    cases = sample(rows, data.catalog).cases
    if not cases:
        return None

    def figures(cases: Sequence[Case]) -> tuple[Floats, Floats]:
        p = predict_cases(cases, catalog=data.catalog)
        return p.e2e_s if axis == "e2e" else p.tpot_s, p.total_tput_per_gpu

    def with_hits(users: float) -> Case:
        return replace(cases[0], deployment=_hitting(cases[0].deployment, share), concurrency=users)

    return _ratio(figures, cases[0], with_hits)


def _pooled(rows: pl.DataFrame, data: Data, axis: Axis, share: float) -> float | None:
    cases = pool_sample(rows, data.catalog).cases
    if not cases:
        return None

    def figures(cases: Sequence[PooledCase]) -> tuple[Floats, Floats]:
        p = predict_pools(cases, catalog=data.catalog)
        return p.state.e2e_s if axis == "e2e" else p.state.tpot_s, p.total_tput_per_gpu

    def with_hits(users: float) -> PooledCase:
        pools = cases[0].pools
        pools = replace(pools, prefill=_hitting(pools.prefill, share), decode=_hitting(pools.decode, share))
        return replace(cases[0], pools=pools, concurrency=users)

    return _ratio(figures, cases[0], with_hits)


def _hitting(deployment: Deployment, share: float) -> Deployment:
    return replace(deployment, settings=replace(deployment.settings, prefix_hits=share))


def _ratio(figures: Callable[[Sequence[C]], tuple[Floats, Floats]], case: C, with_hits: Callable[[float], C]) -> float:
    """Throughput with hits, at the latency of the case without, over that of the case."""
    latency_s, tput = (float(x[0]) for x in figures([case]))
    latencies, tputs = figures([with_hits(case.concurrency * x) for x in USER_FACTORS.tolist()])
    rising = np.maximum.accumulate(latencies)
    return max(float(np.interp(np.log(latency_s), np.log(rising), tputs)) / tput, 1.0)
