"""`compare`: every accelerator at one latency, the cheapest tokens first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from paretoken.answers.latency import LatencyQuestion, selection
from paretoken.answers.points import Data
from paretoken.answers.priced import PricedCandidate, rank
from paretoken.frontier.compare import no_data, to_axis
from paretoken.frontier.verdict import better_at_lower_latency
from paretoken.points.selection import Axis
from paretoken.prices.fleet import PowerLimitedFleet, fleet
from paretoken.prices.tariff import Tariff, tariff


@dataclass(frozen=True, kw_only=True)
class CompareQuestion(LatencyQuestion):
    """Which accelerator has the cheapest tokens at this latency?"""

    tco: Annotated[str | None, Field(description="TCO set; the newest by default")] = None
    tier: Annotated[str | None, Field(description="Tier of the TCO set; its first by default")] = None
    serving_load: Annotated[float, Field(description="Share of hours served at the throughput", gt=0, le=1)] = 1.0
    mw: Annotated[float | None, Field(description="Power limit of a fleet, MW")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareAnswer:
    """The ranking at one latency. `value` is in the axis' own unit: s, or tok/s/user.

    `candidates` holds the best engine of each accelerator. `margin` is how much cheaper the winner's tokens are
    than the second's. `better_at_lower_latency` names the accelerator with cheaper tokens than the winner's at a
    lower latency, where its data end. `no_data` says why an accelerator is missing. `fleet` is what fits under the
    power limit, if one is given.
    """

    axis: Axis
    value: float
    unit: Literal["s", "tok/s/user"]
    tco: str
    tier: str
    ranked_by: Literal["usd_per_mtok_total"] = "usd_per_mtok_total"
    candidates: tuple[PricedCandidate, ...]
    other_engines: tuple[PricedCandidate, ...]
    winner: str | None
    margin: float | None
    throughput_winner: str | None
    throughput_margin: float | None
    better_at_lower_latency: str | None
    no_data: dict[str, str]
    fleet: Annotated[dict[str, PowerLimitedFleet], Field(exclude_if=lambda fleets: not fleets)]
    tariff: Annotated[Tariff, Field(exclude=True)]


def compare(question: CompareQuestion, data: Data | None = None) -> CompareAnswer:
    """Every accelerator at one E2E latency (s) or one interactivity (tok/s/user), cheapest tokens first.

    >>> import paretoken
    >>> question = paretoken.CompareQuestion(model="llama-3-70b", precision="fp8", workload="chat", e2e_s=15)
    >>> answer = paretoken.compare(question)
    >>> answer.winner == answer.candidates[0].accelerator
    True
    """
    axis, value = question.axis_value()
    data = data or Data.of(question)
    chosen = selection(question, data)
    curves, latency_s = data.curves(chosen, axis), to_axis(value, axis)
    accelerators = chosen.accelerators or data.accelerators
    absent = data.absences(chosen, axis, accelerators)
    prices = tariff(data.catalog, question.tco, question.tier)
    ranking = rank(data.candidates(chosen, axis, latency_s), prices, question.serving_load)
    return CompareAnswer(
        axis=axis,
        value=value,
        unit="s" if axis == "e2e" else "tok/s/user",
        tco=prices.price_set,
        tier=prices.tier,
        candidates=ranking.candidates,
        other_engines=ranking.other_engines,
        winner=ranking.winner,
        margin=ranking.margin,
        throughput_winner=ranking.throughput_winner,
        throughput_margin=ranking.throughput_margin,
        better_at_lower_latency=better_at_lower_latency(curves, latency_s, prices.tokens_per_usd_weight),
        no_data=no_data(absent, curves, axis, latency_s, accelerators),
        fleet=_fleets(ranking.candidates, prices, question.mw, question.serving_load),
        tariff=prices,
    )


def _fleets(
    ranked: tuple[PricedCandidate, ...], prices: Tariff, mw: float | None, serving_load: float
) -> dict[str, PowerLimitedFleet]:
    """What fits under a power limit of each candidate whose price and power are known."""
    if mw is None:
        return {}
    power = prices.kw_per_gpu
    return {
        p.accelerator: fleet(mw, power[p.accelerator], p.usd_per_gpu_h, p.tput_per_gpu, serving_load)
        for p in ranked
        if p.usd_per_gpu_h and p.accelerator in power
    }
