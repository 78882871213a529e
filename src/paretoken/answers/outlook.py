"""A scenario projected from today's frontier and prices, and the trends of dated runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from paretoken.answers.bundles import StoredPointsQuestion
from paretoken.answers.latency import LatencyQuestion, candidates_at, selection
from paretoken.answers.market import Market, MarketQuestion
from paretoken.answers.own_prices import PricesQuestion
from paretoken.answers.points import Data
from paretoken.answers.scenario_rack import rack_starts, undecided, unlike
from paretoken.answers.scenario_start import ScenarioStart, fitted_growth, needed_accelerators, starts
from paretoken.answers.takes import takes
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.errors import NoData
from paretoken.frontier import Verdict, verdict_at
from paretoken.frontier.trend import ThroughputTrend
from paretoken.frontier.trend import trends as trends_of
from paretoken.points.selection import Axis
from paretoken.prices.market.prices import market_tariff
from paretoken.prices.outlook.project import ScenarioState, Today, project, winners
from paretoken.prices.outlook.scenario import Scenario, find_scenario
from paretoken.prices.tariff import Tariff, tariff, with_prices


@dataclass(frozen=True, kw_only=True)
class OutlookQuestion(MarketQuestion, StoredPointsQuestion, PricesQuestion):
    """Project a scenario: a shipped one by name, a TOML file, or one stated in full; from your own prices of today."""

    scenario: str | Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlookAnswer(TypedAnswer):
    """A scenario's states by day and cost, and what it starts from.

    `starts_from` has the frontier of today of every accelerator, `verdict_today` who has the cheapest tokens among
    them, None without prices: its warnings hold for the whole scenario. `price` and `price_set` name the tariff of
    today; `fitted_trends` is the number of trends behind each fitted growth. `winners` are (day, cheapest, next,
    margin) of every day that has a price. `unlike` says why the accelerators are not comparable systems, `undecided`
    which pairs of them have overlapping intervals. A scenario of racks starts from predictions and has no verdict of
    today.
    """

    TABLE: ClassVar[str] = "states"
    scenario: str
    origin: str = "scenario"
    axis: Axis
    value: float | None
    limits: str
    price: str
    price_set: str
    starts_from: dict[str, ScenarioStart]
    verdict_today: Verdict | None
    fitted_per_quarter: dict[str, float]
    fitted_trends: dict[str, int]
    states: tuple[ScenarioState, ...]
    winners: tuple[tuple[date, str, str | None, float | None], ...]
    unlike: tuple[str, ...]
    undecided: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TrendsQuestion(StoredPointsQuestion):
    """How fast did the measured throughput of each configuration grow over its dated runs?"""

    accelerator: str | None = None


@dataclass(frozen=True, slots=True)
class TrendRow:
    """The trend of one configuration with its title."""

    title: str
    trend: ThroughputTrend


@dataclass(frozen=True, slots=True)
class TrendsAnswer(TypedAnswer):
    """The trends of every configuration with dated runs, by configuration."""

    TABLE: ClassVar[str] = "trends"
    trends: tuple[TrendRow, ...]


@takes(OutlookQuestion)
def outlook(
    question: OutlookQuestion,
    data: Data | None = None,
    market: Market | None = None,
    dated_trends: Sequence[ThroughputTrend] | None = None,
) -> OutlookAnswer:
    """A scenario from today's frontier and prices, projected to cost and break-even.

    `dated_trends` are those of the data's points, where the caller has them already.
    """
    scenario = find_scenario(question.scenario) if isinstance(question.scenario, str) else question.scenario
    data = data or Data.of(question)
    at_latency = _question_at_latency(scenario)
    started = rack_starts(scenario, data.catalog) if scenario.on_racks else starts(candidates_at(at_latency, data))
    tput = {accelerator: start.tput_per_gpu for accelerator, start in started.items()}
    price = _price_today(scenario, question, data, market, tput)
    if dated_trends is None:
        dated_trends = trends_of(data.points) if scenario.speedup else ()
    fitted = fitted_growth(scenario, dated_trends, tput)
    growth = {a: fit.per_quarter for a, fit in fitted.items()}
    own = question.own_prices(data.catalog, data.accelerators)
    price = with_prices(price, own)
    usd_per_gpu_h = price.usd_per_gpu_h | dict(scenario.usd_per_gpu_h) | own
    states = project(scenario, _today(started, usd_per_gpu_h, growth))
    limit = at_latency.limit()
    return OutlookAnswer(
        scenario=scenario.name,
        axis=limit.axis,
        value=limit.value,
        limits=limit.text,
        price=price.name,
        price_set=price.price_set,
        starts_from=started,
        verdict_today=None if scenario.on_racks else _verdict(at_latency, usd_per_gpu_h, data),
        fitted_per_quarter=growth,
        fitted_trends={a: fit.trends for a, fit in fitted.items()},
        states=tuple(states),
        winners=tuple(winners(states)),
        unlike=tuple(unlike(scenario, started, data.catalog)),
        undecided=tuple(undecided(states)),
    )


def _today(started: dict[str, ScenarioStart], usd_per_gpu_h: dict[str, float], growth: dict[str, float]) -> Today:
    return Today(
        {accelerator: start.tput_per_gpu for accelerator, start in started.items()},
        usd_per_gpu_h,
        growth,
        {accelerator: start.interval for accelerator, start in started.items() if start.interval},
        {accelerator: f"predicted {start.layout}" for accelerator, start in started.items() if start.layout},
    )


def _verdict(at_latency: LatencyQuestion, usd_per_gpu_h: dict[str, float], data: Data) -> Verdict | None:
    """Who has the cheapest tokens today."""
    limit = at_latency.limit()
    curves = data.curves(selection(at_latency, data), limit.axis)
    weight = {accelerator: 1 / usd for accelerator, usd in usd_per_gpu_h.items()}
    return verdict_at(curves, limit.latency_s, weight, data.hardware_order)


@takes(TrendsQuestion)
def trends(question: TrendsQuestion, data: Data | None = None) -> TrendsAnswer:
    """The trends of every configuration with dated runs, or of one accelerator; NoData if there are none."""
    data = data or Data.of(question)
    accelerator = question.accelerator and data.catalog.accelerators.id_of(question.accelerator)
    rows = tuple(
        TrendRow(t.title, t) for t in trends_of(data.points) if accelerator in (None, t.configuration["accelerator"])
    )
    if not rows:
        raise NoData("no configuration has dated runs on at least four days among these points")
    return TrendsAnswer(rows)


def _question_at_latency(scenario: Scenario) -> LatencyQuestion:
    """The question that the scenario's start answers."""
    return LatencyQuestion(
        model=scenario.model,
        precision=scenario.precision,
        workload=scenario.workload,
        serving="any" if scenario.serving == "rack" else scenario.serving,
        speculative=scenario.speculative,
        accelerators=needed_accelerators(scenario),
        e2e_s=scenario.e2e_s,
        interactivity=scenario.interactivity,
    )


def _price_today(
    scenario: Scenario, question: OutlookQuestion, data: Data, market: Market | None, tput: dict[str, float]
) -> Tariff:
    """The tariff that the scenario starts from: the market's at its term, or its tier of a price set."""
    if not scenario.term:
        return tariff(data.catalog, scenario.tco or None, scenario.tier or None)
    market = market or Market.of(question, data.catalog)
    return market_tariff(market.book, scenario.term, market.at, tput)[0]
