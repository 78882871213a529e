"""`cost`: the frontiers in money, at every tier of a TCO set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, TypeAlias

from pydantic import Field

from paretoken.answers.frontier import frontier_curves
from paretoken.answers.own_prices import PricesQuestion
from paretoken.answers.plot import PlotAxes, over_latency
from paretoken.answers.points import AxisQuestion, Data
from paretoken.answers.takes import takes
from paretoken.answers.token_split import TokenSplit, splittable, token_split
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.errors import NoData
from paretoken.foreign_text import one_line
from paretoken.frontier.compare import tp_label
from paretoken.frontier.curve import Curve
from paretoken.points.selection import Axis
from paretoken.predict.phases import PhaseShares
from paretoken.prices.cost import gco2_per_mtok, idle_usd_per_gpu_day, joules_per_token, tok_s_per_mw, usd_per_mtok
from paretoken.prices.fleet import utility_power
from paretoken.prices.tariff import Tariff, tariffs, with_prices
from paretoken.significant import significant

Split: TypeAlias = PhaseShares | float | str | None
"""What a point is split by; the reason if it cannot be, None if the question does not want it."""


@dataclass(frozen=True, kw_only=True)
class CostQuestion(AxisQuestion, PricesQuestion):
    """What do tokens cost at every Pareto point?"""

    tco: Annotated[str | None, Field(description="TCO set; the newest by default")] = None
    tiers: Annotated[tuple[str, ...], Field(description="Tiers of the TCO set; all by default")] = ()
    serving_load: Annotated[float, Field(description="Share of hours served at the throughput", gt=0, le=1)] = 1.0
    grid_gco2_per_kwh: Annotated[float | None, Field(description="Carbon of the grid, g CO2 per kWh", ge=0)] = None
    split: Annotated[
        str | None, Field(description="Also split the hour between input and output tokens: compute, or ratio:4")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPoint:
    """One Pareto point at one tier. Costs of total, output and input tokens each attribute the whole hour.

    `gco2_per_mtok` counts the power at the utility's meter. `split` divides the hour between input and output tokens
    instead, where the question wants that; `no_split` says why it cannot.
    """

    axis: Axis
    accelerator: str
    engine: str
    origin: str
    tp: str
    concurrency: float | None
    e2e_s: float | None
    interactivity_tok_s: float | None
    tput_per_gpu: float
    tco: str
    tier: str
    usd_per_gpu_h: float
    usd_per_mtok_total: float
    usd_per_mtok_output: float | None
    usd_per_mtok_input: float | None
    tok_s_per_mw: float | None
    joules_per_token: float | None
    kw_basis: str | None
    price_is_placeholder: bool
    source: str
    idle_usd_per_gpu_day: float
    gco2_per_mtok: Annotated[float | None, Field(exclude_if=lambda grams: grams is None)] = None
    split: Annotated[TokenSplit | None, Field(exclude_if=lambda split: split is None)] = None
    no_split: Annotated[str | None, Field(exclude_if=lambda reason: reason is None)] = None


@dataclass(frozen=True, slots=True)
class CostAnswer(TypedAnswer):
    """The priced points, tier by tier; accelerators without a price are left out. `tariffs` are the tiers' prices."""

    TABLE: ClassVar[str] = "points"
    points: tuple[CostPoint, ...]
    tariffs: Annotated[tuple[Tariff, ...], Field(exclude=True)]

    @property
    def sentence(self) -> str:
        """`Cheapest tokens: 0.05 USD per million on B200 with trtllm, at the tier hyperscaler`."""
        if not self.points:
            return "No point has a price"
        best = min(self.points, key=lambda p: p.usd_per_mtok_total)
        usd = significant(best.usd_per_mtok_total, 3)
        return (
            f"Cheapest tokens: {usd} USD per million on {best.accelerator} with {best.engine}, at the tier {best.tier}"
        )

    def plot_axes(self) -> PlotAxes | None:
        if not self.points:
            return None
        return over_latency(
            self.points[0].axis, "usd_per_mtok_total", "Cost (USD per million tokens)", "{accelerator} {engine} {tier}"
        )


@takes(CostQuestion)
def cost(question: CostQuestion, data: Data | None = None) -> CostAnswer:
    """Every frontier at every tier of the question; NoData where none of the accelerators has a price."""
    data = data or Data.of(question)
    answer = costs(question, data)
    if not answer.points:
        names = ", ".join(sorted({c.accelerator for c in frontier_curves(question, question.axis, data)}))
        raise NoData(
            f"TCO set {answer.tariffs[0].price_set} has no price for the accelerator of these points "
            f"({one_line(names)}); name it with --accelerator when you measure or import them, or state a price with "
            "--price"
        )
    return answer


def costs(question: CostQuestion, data: Data) -> CostAnswer:
    """The same, without points where none of the accelerators has a price."""
    curves = frontier_curves(question, question.axis, data)
    own = question.own_prices(data.catalog, data.accelerators)
    tiers = tuple(with_prices(t, own) for t in tariffs(data.catalog, question.tco, question.tiers or None))
    split = question.split
    splits: list[Sequence[Split]] = [
        [splittable(point, split, data.catalog) if split else None for point in curve.records] for curve in curves
    ]
    priced = (p for t in tiers for c, by in zip(curves, splits, strict=True) for p in _points(c, t, question, by))
    return CostAnswer(tuple(priced), tiers)


def _points(curve: Curve, tariff: Tariff, question: CostQuestion, splits: Sequence[Split]) -> Iterator[CostPoint]:
    usd = tariff.usd_per_gpu_h.get(curve.accelerator)
    if usd is None:
        return
    kw = tariff.kw_per_gpu.get(curve.accelerator)
    utility_kw = utility_power(tariff).kw_per_gpu.get(curve.accelerator)
    serving_load, grid = question.serving_load, question.grid_gco2_per_kwh
    for point, by in zip(curve.records, splits, strict=True):
        total, output, inputs = (point[f"{side}tput_per_gpu"] for side in ("", "output_", "input_"))
        yield CostPoint(
            axis=curve.axis,
            accelerator=curve.accelerator,
            engine=curve.engine,
            origin=curve.origin,
            tp=tp_label(point),
            concurrency=point["concurrency"],
            e2e_s=point["e2e_s"],
            interactivity_tok_s=point["interactivity_tok_s"],
            tput_per_gpu=total,
            tco=tariff.price_set,
            tier=tariff.tier,
            usd_per_gpu_h=usd,
            usd_per_mtok_total=usd_per_mtok(usd, total, serving_load),
            usd_per_mtok_output=usd_per_mtok(usd, output, serving_load) if output else None,
            usd_per_mtok_input=usd_per_mtok(usd, inputs, serving_load) if inputs else None,
            tok_s_per_mw=tok_s_per_mw(total, kw) if kw else None,
            joules_per_token=joules_per_token(total, kw) if kw else None,
            kw_basis=tariff.kw_basis if kw else None,
            source=point["source"],
            price_is_placeholder=curve.accelerator in tariff.placeholders,
            idle_usd_per_gpu_day=idle_usd_per_gpu_day(usd, serving_load),
            gco2_per_mtok=gco2_per_mtok(joules_per_token(total, utility_kw), grid) if utility_kw and grid else None,
            split=None if by is None or isinstance(by, str) else token_split(point, usd, by, serving_load),
            no_split=by if isinstance(by, str) else None,
        )
