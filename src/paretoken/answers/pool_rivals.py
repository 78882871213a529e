"""What a predicted disaggregated frontier is compared with: aggregated serving, and points that were measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from paretoken.answers.prediction import PredictionData
from paretoken.errors import BadConfig
from paretoken.frontier.pareto import pareto
from paretoken.points.published import published_points
from paretoken.points.unstated import NONE
from paretoken.predict.arrays import Floats
from paretoken.predict.deployment import Case, Deployment, Lengths
from paretoken.predict.pools.candidates import excess, worker_kinds
from paretoken.predict.pools.layout import worker_kind
from paretoken.predict.pools.measured import point_layout
from paretoken.predict.pools.search import pareto_places
from paretoken.predict.predictor import predict_cases
from paretoken.predict.rows import new_kinds
from paretoken.slo import Slo

INTERACTIVITIES = (5, 10, 15, 20, 30, 40, 50, 60, 80, 100, 125, 150, 200, 250, 300, 400, 500)
"""Tokens per second and user at which frontiers are compared."""
FINE = 400
"""Places between the ends of two frontiers where they are searched for crossings."""
LEAD = 0.05
"""ln of the ratio of throughputs that counts as a lead."""

Serving = Literal["disaggregated", "aggregated"]
Frontier = tuple[Floats, Floats]
"""TPOT in seconds, rising, and throughput per GPU."""


@dataclass(frozen=True, kw_only=True)
class AggregatedRow:
    """One aggregated deployment at one concurrency, as `predict` has it; `layout` is REPLICASxKINDGPUS."""

    layout: str
    engine: str
    n_gpus: int
    concurrency: float
    origin: str
    new_to_calibration: list[str]
    total_tput_per_gpu_tok_s: float
    total_tput_per_gpu_tok_s_lo: float
    total_tput_per_gpu_tok_s_hi: float
    median_ttft_ms: float
    median_tpot_ms: float
    interactivity_tok_s: float


@dataclass(frozen=True, kw_only=True)
class MeasuredRow:
    """One shipped point on the frontier of its serving; TTFT is a median, or the mean where only that is stated."""

    serving: Serving
    layout: str
    engine: str
    n_gpus: int | None
    concurrency: float | None
    origin: str
    source: str
    date: str | None
    total_tput_per_gpu_tok_s: float
    central_ttft_ms: float | None
    central_tpot_ms: float
    interactivity_tok_s: float


@dataclass(frozen=True, kw_only=True)
class WorthRow:
    """Both frontiers at one interactivity. A GPU-hour of the disaggregated system may cost `ratio` times the other's.

    `break_even_usd_per_gpu_h` is that price, if the rent is given.
    """

    interactivity_tok_s: float
    disaggregated_tput_per_gpu_tok_s: float
    aggregated_tput_per_gpu_tok_s: float
    ratio: float
    break_even_usd_per_gpu_h: float | None


def aggregated_frontier(
    one: Deployment, gpus: int, lengths: Lengths, limits: Sequence[Slo], loads: Sequence[int], data: PredictionData
) -> tuple[tuple[AggregatedRow, ...], str | None]:
    """The frontier of one pool in replicas on the same GPUs, within all limits but those of TPOT; or why there is none.

    GPUs beyond the replicas do not count, as with layouts.
    """
    try:
        kinds = worker_kinds(one, gpus + 1, lengths, data.catalog, prefill=False)
    except BadConfig as e:
        return (), str(e)
    cases = [
        Case(deployment=d, lengths=lengths, concurrency=float(n), replicas=gpus // d.gpus)
        for d in kinds
        for n in loads
        if n >= gpus // d.gpus
    ]
    p = predict_cases(cases, calibration=data.calibration, catalog=data.catalog) if cases else None
    if p is None:
        return (), "every replica needs a user; raise --concurrency"
    but_tpot = [limit for limit in limits if limit.metric != "tpot"]
    within = excess(but_tpot, lengths, p.ttft_s, p.tpot_s) <= 1
    places = pareto_places(p.tpot_s, p.total_tput_per_gpu, within)
    low, high = p.band("tput")
    rows = tuple(
        AggregatedRow(
            layout=f"{p.cases[i].replicas}x{worker_kind(p.cases[i].deployment)}",
            engine=one.engine,
            n_gpus=p.cases[i].gpus,
            concurrency=p.cases[i].concurrency,
            origin="predicted",
            new_to_calibration=new_kinds(p.novelty[i]),
            total_tput_per_gpu_tok_s=float(p.total_tput_per_gpu[i]),
            total_tput_per_gpu_tok_s_lo=float(low[i]),
            total_tput_per_gpu_tok_s_hi=float(high[i]),
            median_ttft_ms=float(p.ttft_s[i] * 1e3),
            median_tpot_ms=float(p.tpot_s[i] * 1e3),
            interactivity_tok_s=float(1 / p.tpot_s[i]),
        )
        for i in places
    )
    return rows, None if rows else "no aggregated deployment meets the limits"


def measured_frontiers(
    one: Deployment, lengths: Lengths, points: pl.DataFrame | None = None
) -> tuple[MeasuredRow, ...]:
    """The points of the model, precision, accelerator, lengths and speculation on each serving's frontier.

    Of the shipped points, if `points` is None.
    """
    drafting = pl.col("speculation") != NONE
    cell = (published_points() if points is None else points).filter(
        pl.col("model") == one.model,
        pl.col("precision") == one.precision,
        pl.col("accelerator") == one.accelerator,
        pl.col("isl") == lengths.isl,
        pl.col("osl") == lengths.osl,
        pl.col("suspicious").is_null(),
        pl.col("disaggregated").is_not_null(),
        drafting if one.drafting else ~drafting,
    )
    front = pareto(cell, "central_tpot_s", "tput_per_gpu", ("disaggregated",))
    return tuple(
        MeasuredRow(
            serving="disaggregated" if r["disaggregated"] else "aggregated",
            layout=point_layout(r),
            engine=r["engine"],
            n_gpus=r["n_gpus"],
            concurrency=r["concurrency"],
            origin=r["origin"],
            source=r["source"],
            date=r["date"],
            total_tput_per_gpu_tok_s=r["tput_per_gpu"],
            central_ttft_ms=r["central_ttft_s"] and r["central_ttft_s"] * 1e3,
            central_tpot_ms=r["central_tpot_s"] * 1e3,
            interactivity_tok_s=1 / r["central_tpot_s"],
        )
        for r in front.sort("disaggregated", "central_tpot_s", descending=[True, False]).iter_rows(named=True)
    )


def crossings(disaggregated: Frontier, aggregated: Sequence[AggregatedRow]) -> tuple[float, ...]:
    """The interactivities, rising, at which the lead passes from one frontier to the other; `LEAD` counts as one."""
    if not aggregated:
        return ()
    a, b = _over_interactivity(disaggregated), _over_interactivity(_frontier(aggregated))
    x = np.linspace(min(a[0][0], b[0][0]), min(a[0][-1], b[0][-1]), FINE)
    apart = np.interp(x, *a) - np.interp(x, *b)
    ahead, places = 0.0, list[float]()
    for i in np.flatnonzero(np.abs(apart) > LEAD):
        if ahead * apart[i] < 0:
            turn = np.flatnonzero(apart[: i + 1] * ahead > 0)[-1]
            share = apart[turn] / (apart[turn] - apart[turn + 1])
            places.append(float(np.exp(x[turn] + share * (x[turn + 1] - x[turn]))))
        ahead = apart[i]
    return tuple(places)


def worth(disaggregated: Frontier, aggregated: Sequence[AggregatedRow], rent_usd: float | None) -> tuple[WorthRow, ...]:
    """Both frontiers at each of `INTERACTIVITIES` that both reach."""
    if not aggregated:
        return ()
    a, b = _over_interactivity(disaggregated), _over_interactivity(_frontier(aggregated))
    rows = []
    for tok_s in INTERACTIVITIES:
        x = np.log(tok_s)
        if x > min(a[0][-1], b[0][-1]):
            break
        own, other = float(np.exp(np.interp(x, *a))), float(np.exp(np.interp(x, *b)))
        rows.append(
            WorthRow(
                interactivity_tok_s=float(tok_s),
                disaggregated_tput_per_gpu_tok_s=own,
                aggregated_tput_per_gpu_tok_s=other,
                ratio=own / other,
                break_even_usd_per_gpu_h=rent_usd and rent_usd * own / other,
            )
        )
    return tuple(rows)


def _frontier(rows: Sequence[AggregatedRow]) -> Frontier:
    return (
        np.array([r.median_tpot_ms / 1e3 for r in rows]),
        np.array([r.total_tput_per_gpu_tok_s for r in rows]),
    )


def _over_interactivity(frontier: Frontier) -> Frontier:
    """ln of interactivity, rising, and ln of throughput. A demand below the slowest point is served by that point."""
    tpot_s, tput = frontier
    return (-np.log(tpot_s))[::-1], np.log(tput)[::-1]
