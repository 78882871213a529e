"""What to run for the cheapest tokens of a panel: a point that was run, and the rent that would change the answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log

from paretoken.answers.study.result import FrontierVerdict, Panel, StudyResult
from paretoken.frontier.curve import Curve
from paretoken.frontier.verdict import Segment, leaders
from paretoken.prices.cost import usd_per_mtok
from paretoken.prices.tariff import Tariff
from paretoken.report.point_words import load, software_words
from paretoken.report.summary import headline_curves, span

ON_ENVELOPE = 0.999
"""A Pareto point this close to the accelerator's best curve lies on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """The winner of the longest contested stretch, at the real point nearest to its middle.

    `latency_s` is the point's own. If the winner has no point in the stretch, the point is the last before the
    middle, and `interpolated_usd_per_mtok` the cost at that middle, `limit_s`, on which the verdict rests; else None.
    `level_usd_per_gpu_h` is the rent at which the rival breaks even at `limit_s`.
    """

    accelerator: str
    engine: str
    software: str
    date: str | None
    run: str
    latency_s: float
    limit_s: float
    usd_per_mtok: float
    interpolated_usd_per_mtok: float | None
    rival: str | None
    rival_usd_per_gpu_h: float | None
    level_usd_per_gpu_h: float | None
    fragile: str | None
    predicted: bool


def pick(result: StudyResult, panel: Panel, verdict: FrontierVerdict, parts: Sequence[Segment]) -> Pick | None:
    """The pick of a verdict over these segments; None where nothing is left that is not withheld."""
    stretch = longest(parts)
    if stretch is None:
        return None
    tariff = verdict.tariff
    priced = [c for c in headline_curves(panel, verdict.axis) if c.accelerator in tariff.usd_per_gpu_h]
    curve, place, limit_s = _point([c for c in priced if c.accelerator == stretch.winner], stretch)
    point = curve.rows[place]
    best = leaders(priced, limit_s)
    serving_load = result.study.serving_load
    costs = {n: usd_per_mtok(tariff.usd_per_gpu_h[n], x.tput_per_gpu, serving_load) for n, x in best.items()}
    rival = min((n for n in costs if n != stretch.winner), key=lambda n: costs[n], default=None)
    origins = {stretch.origin, *([best[rival].curve.origin] if rival else [])}
    own_rent = tariff.usd_per_gpu_h[stretch.winner]
    latency_s = _latency_s(curve, place)
    return Pick(
        accelerator=stretch.winner,
        engine=engine_name(result, curve.engine),
        software=software_words(curve.software, curve.origin),
        date=point["date"],
        run=load(point),
        latency_s=latency_s,
        limit_s=limit_s,
        usd_per_mtok=usd_per_mtok(own_rent, point["tput_per_gpu"], serving_load),
        interpolated_usd_per_mtok=costs[stretch.winner] if limit_s != latency_s else None,
        rival=rival,
        rival_usd_per_gpu_h=tariff.usd_per_gpu_h[rival] if rival else None,
        level_usd_per_gpu_h=_level(tariff, rival, costs, stretch.winner),
        fragile=stretch.fragile,
        predicted="predicted" in origins,
    )


def longest(parts: Sequence[Segment]) -> Segment | None:
    """The longest contested segment that is not withheld; the longest of all where none is contested."""
    contested = [s for s in parts if s.margin is not None]
    return max((s for s in contested or parts if s.withheld is None), key=span, default=None)


def engine_name(result: StudyResult, engine: str) -> str:
    return result.catalog.engines[engine].name if engine in result.catalog.engines else engine


def _level(tariff: Tariff, rival: str | None, costs: dict[str, float], winner: str) -> float | None:
    return tariff.usd_per_gpu_h[rival] * costs[winner] / costs[rival] if rival else None


def _point(own: Sequence[Curve], stretch: Segment) -> tuple[Curve, int, float]:
    """(curve, place of the point on it, limit): the best point within the stretch nearest to its middle.

    Without one, the point to run at the middle.
    """
    middle = (stretch.low_s * stretch.high_s) ** 0.5
    inside = [(abs(log(x / middle)), i, j) for i, j, x in _best_points(own) if stretch.low_s <= x <= stretch.high_s]
    if inside:
        _, i, j = min(inside)
        return own[i], j, _latency_s(own[i], j)
    curve = leaders(own, middle)[stretch.winner].curve
    return curve, curve.best_point(middle), middle


def _best_points(own: Sequence[Curve]) -> Iterator[tuple[int, int, float]]:
    """(curve, place, latency) of the points that no other engine of the accelerator beats."""
    for i, curve in enumerate(own):
        for j, point in enumerate(curve.rows):
            x = _latency_s(curve, j)
            best = max(c.value_within(x) for c in own if c.range_s[0] <= x)
            if point["tput_per_gpu"] >= ON_ENVELOPE * best:
                yield i, j, x


def _latency_s(curve: Curve, place: int) -> float:
    return float(curve.latency_s[place])
