"""What a predicted disaggregated frontier is compared with: aggregated serving, and points that were measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, hypot
from typing import Literal

import numpy as np
import polars as pl

from paretoken.answers.prediction import PredictionData
from paretoken.errors import BadConfig
from paretoken.frontier.pareto import pareto
from paretoken.points.published import published_points
from paretoken.points.schema import of_single_requests
from paretoken.points.unstated import NONE
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.engines import calibrated_engines
from paretoken.predict.deployment import Case, Deployment, Lengths
from paretoken.predict.pools.candidates import excess
from paretoken.predict.pools.layout import worker_kind
from paretoken.predict.pools.measured import point_layout
from paretoken.predict.pools.search import pareto_places
from paretoken.predict.pools.workers import worker_kinds
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


@dataclass(frozen=True, slots=True, eq=False)
class RentedCurve:
    """A frontier, shape (n,), by rising TPOT in seconds: throughput per rented GPU, and its 90 % interval."""

    tpot_s: Floats
    tput: Floats
    low: Floats
    high: Floats

    @property
    def speeds(self) -> Floats:
        """ln of interactivity, rising."""
        return -np.log(self.tpot_s[::-1])

    def at(self, speed: Floats | float, figure: str = "tput") -> Floats:
        """ln of a figure at ln of interactivity. A demand below the slowest point is served by that point."""
        return np.asarray(np.interp(speed, self.speeds, np.log(getattr(self, figure)[::-1])))


@dataclass(frozen=True, kw_only=True)
class AggregatedRow:
    """One aggregated deployment at one concurrency; `layout` is REPLICASxKINDGPUS.

    Throughput is per rented GPU: the `idle_gpus` that no replica takes count.
    """

    layout: str
    engine: str
    n_gpus: int
    idle_gpus: int
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

    Its 90 % interval takes the errors of both predictions as independent. `measured_ratio` is that of the shipped
    points, where both kinds of serving have slower and faster ones. `break_even_usd_per_gpu_h` is the price that the
    ratio comes to, if the rent is given.
    """

    interactivity_tok_s: float
    disaggregated_tput_per_gpu_tok_s: float
    aggregated_tput_per_gpu_tok_s: float
    ratio: float
    ratio_lo: float
    ratio_hi: float
    measured_ratio: float | None
    break_even_usd_per_gpu_h: float | None


def aggregated_frontier(
    one: Deployment, gpus: int, lengths: Lengths, limits: Sequence[Slo], loads: Sequence[int], data: PredictionData
) -> tuple[tuple[AggregatedRow, ...], str | None]:
    """The frontier of one pool in replicas on the same GPUs, within all limits but those of TPOT; or why there is none.

    Of the engines that the calibration has data for in this cell, each place has the best; else the engine is the core.
    """
    cases, why_not = list[Case](), "every replica needs a user; raise --concurrency"
    for engine in calibrated_engines(one, data.calibration, data.catalog):
        try:
            cases += _replicated(replace(one, engine=engine), gpus, lengths, loads, data)
        except BadConfig as e:
            why_not = str(e)
    if not cases:
        return (), why_not
    p = predict_cases(cases, calibration=data.calibration, catalog=data.catalog)
    but_tpot = [limit for limit in limits if limit.metric != "tpot"]
    within = excess(but_tpot, lengths, p.ttft_s, p.tpot_s) <= 1
    used = np.array([c.gpus for c in p.cases]) / gpus
    tput, low, high = (x * used for x in (p.total_tput_per_gpu, *p.band("tput")))
    rows = tuple(
        AggregatedRow(
            layout=f"{p.cases[i].replicas}x{worker_kind(p.cases[i].deployment)}",
            engine=p.cases[i].deployment.engine,
            n_gpus=p.cases[i].gpus,
            idle_gpus=gpus - p.cases[i].gpus,
            concurrency=p.cases[i].concurrency,
            origin="predicted",
            new_to_calibration=new_kinds(p.novelty[i]),
            total_tput_per_gpu_tok_s=float(tput[i]),
            total_tput_per_gpu_tok_s_lo=float(low[i]),
            total_tput_per_gpu_tok_s_hi=float(high[i]),
            median_ttft_ms=float(p.ttft_s[i] * 1e3),
            median_tpot_ms=float(p.tpot_s[i] * 1e3),
            interactivity_tok_s=float(1 / p.tpot_s[i]),
        )
        for i in pareto_places(p.tpot_s, tput, within)
    )
    return rows, None if rows else "no aggregated deployment meets the limits"


def _replicated(one: Deployment, gpus: int, lengths: Lengths, loads: Sequence[int], data: PredictionData) -> list[Case]:
    """Every kind of worker in as many replicas as there are GPUs, at each load that gives each a user."""
    return [
        Case(deployment=d, lengths=lengths, concurrency=float(n), replicas=gpus // d.gpus)
        for d in worker_kinds(one, gpus + 1, lengths, data.catalog, prefill=False)
        for n in loads
        if n >= gpus // d.gpus
    ]


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
        of_single_requests(),
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


def crossings(disaggregated: RentedCurve, aggregated: Sequence[AggregatedRow]) -> tuple[float, ...]:
    """The interactivities, rising, at which the lead passes from one frontier to the other; `LEAD` counts as one."""
    if not aggregated:
        return ()
    other = _curve(aggregated)
    a, b = disaggregated.speeds, other.speeds
    x = np.linspace(min(a[0], b[0]), min(a[-1], b[-1]), FINE)
    apart = disaggregated.at(x) - other.at(x)
    ahead, places = 0.0, list[float]()
    for i in np.flatnonzero(np.abs(apart) > LEAD):
        if ahead * apart[i] < 0:
            turn = np.flatnonzero(apart[: i + 1] * ahead > 0)[-1]
            share = apart[turn] / (apart[turn] - apart[turn + 1])
            places.append(float(np.exp(x[turn] + share * (x[turn + 1] - x[turn]))))
        ahead = apart[i]
    return tuple(places)


def worth(
    disaggregated: RentedCurve,
    aggregated: Sequence[AggregatedRow],
    rent_usd: float | None,
    measured: Sequence[MeasuredRow] = (),
) -> tuple[WorthRow, ...]:
    """Both frontiers at each of `INTERACTIVITIES` that both reach."""
    if not aggregated:
        return ()
    other = _curve(aggregated)
    fastest = min(disaggregated.speeds[-1], other.speeds[-1])
    speeds = [tok_s for tok_s in INTERACTIVITIES if np.log(tok_s) <= fastest]
    return tuple(_worth_at(float(tok_s), disaggregated, other, rent_usd, measured) for tok_s in speeds)


def _worth_at(
    tok_s: float, a: RentedCurve, b: RentedCurve, rent_usd: float | None, measured: Sequence[MeasuredRow]
) -> WorthRow:
    x = float(np.log(tok_s))
    (a_low, own, a_high), (b_low, other, b_high) = (
        [float(c.at(x, figure)) for figure in ("low", "tput", "high")] for c in (a, b)
    )
    ratio = exp(own - other)
    return WorthRow(
        interactivity_tok_s=tok_s,
        disaggregated_tput_per_gpu_tok_s=exp(own),
        aggregated_tput_per_gpu_tok_s=exp(other),
        ratio=ratio,
        ratio_lo=ratio * exp(-hypot(own - a_low, b_high - other)),
        ratio_hi=ratio * exp(hypot(a_high - own, other - b_low)),
        measured_ratio=_measured_ratio(x, measured),
        break_even_usd_per_gpu_h=rent_usd and rent_usd * ratio,
    )


def _measured_ratio(speed: float, measured: Sequence[MeasuredRow]) -> float | None:
    """The ratio of the frontiers of both kinds of serving, None where one of them ends."""
    ln = []
    for serving in ("disaggregated", "aggregated"):
        rows = [r for r in measured if r.serving == serving]
        tpot = np.array([r.central_tpot_ms / 1e3 for r in rows])
        tput = np.array([r.total_tput_per_gpu_tok_s for r in rows])
        curve = RentedCurve(tpot, tput, tput, tput)
        if not rows or not curve.speeds[0] <= speed <= curve.speeds[-1]:
            return None
        ln.append(float(curve.at(speed)))
    return exp(ln[0] - ln[1])


def _curve(rows: Sequence[AggregatedRow]) -> RentedCurve:
    return RentedCurve(
        np.array([r.median_tpot_ms / 1e3 for r in rows]),
        np.array([r.total_tput_per_gpu_tok_s for r in rows]),
        np.array([r.total_tput_per_gpu_tok_s_lo for r in rows]),
        np.array([r.total_tput_per_gpu_tok_s_hi for r in rows]),
    )
