"""The economy of a study: owners' costs and their uncertainty, the rental market, trends and scenarios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from paretoken.answers.market import Market, MarketQuestion
from paretoken.answers.outlook import OutlookAnswer, OutlookQuestion, outlook
from paretoken.answers.points import Data
from paretoken.answers.rent import providers_by_vendor
from paretoken.answers.study.config import Study
from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig, NoData, UnknownName
from paretoken.frontier.trend import ThroughputTrend, trends
from paretoken.prices.cost import UNIT_TOK_S
from paretoken.prices.market.cells import MarketCell, availability, cells_at
from paretoken.prices.market.facts import Fact, market_facts
from paretoken.prices.market.history import Period, index_of
from paretoken.prices.market.quality_flags import flag_counts
from paretoken.prices.market.structure import TermRatio, ratios, recent
from paretoken.prices.market.terms import RENTED
from paretoken.prices.outlook.scenario import Scenario, find_scenario
from paretoken.prices.owner.checks import CapitalCheck, public_checks
from paretoken.prices.owner.layers import Inputs, operators, read_sets, shipped_accelerators
from paretoken.prices.owner.levelised import total
from paretoken.prices.owner.montecarlo import (
    SPREADS,
    Quantiles,
    UncertainThroughput,
    quantiles,
    simulate,
    with_throughput,
)
from paretoken.prices.owner.price import owner_inputs

INDEXED = 2
"""Quarters with a median that an accelerator needs to have an index shown."""


@dataclass(frozen=True, slots=True)
class ScenarioOutcome:
    """A scenario with its answer, or why these points cannot answer it."""

    scenario: Scenario
    answer: OutlookAnswer | None
    why_not: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Economy:
    """Costs, rents and scenarios for the accelerators of a study on a day.

    `owners` are the inputs by operator. `bands` are quantiles of a cost over the one with every input at its value,
    by operator and accelerator: "hour" of a GPU-hour, and by origin of the points of a token, in which throughput is
    uncertain too. `offered` is the number of providers by accelerator and term, `vendors` by vendor. `book_rows`
    counts the rental prices, `flagged` those with each quality flag.
    """

    at: date
    owners: Mapping[str, tuple[Inputs, ...]]
    bands: Mapping[str, Mapping[str, Mapping[str, Quantiles]]]
    checks: tuple[CapitalCheck, ...]
    cells: tuple[MarketCell, ...]
    index: Mapping[str, tuple[Period, ...]]
    ratios: tuple[TermRatio, ...]
    offered: tuple[Mapping[str, object], ...]
    vendors: Mapping[str, int]
    facts: tuple[Fact, ...]
    book_rows: int
    flagged: Mapping[str, int]
    trends: tuple[ThroughputTrend, ...]
    scenarios: tuple[ScenarioOutcome, ...]


def economy(study: Study, data: Data, at: date) -> Economy:
    """All of it for the study's accelerators on a day."""
    if study.operator not in operators():
        raise UnknownName("operator", study.operator, list(operators()))
    market = Market.of(MarketQuestion(price_folders=tuple(study.rental_prices), at=at), data.catalog)
    owners = _owners(study, data.catalog)
    dated_trends = tuple(trends(data.points))
    return Economy(
        at=at,
        owners=owners,
        bands={operator: _bands(all_inputs, study) for operator, all_inputs in owners.items()},
        checks=tuple(public_checks(data.catalog)),
        cells=tuple(cells_at(market.book, study.accelerators, RENTED, at)),
        index=_indices(market.book, study.accelerators),
        ratios=tuple(ratios(market.book, None, recent(at), at)),
        offered=tuple(availability(market.book, at).to_dicts()),
        vendors=providers_by_vendor(market),
        facts=market_facts(),
        book_rows=market.book.height,
        flagged=flag_counts(market.book),
        trends=dated_trends,
        scenarios=tuple(_outcome(study, find_scenario(name), data, market, dated_trends) for name in study.outlooks),
    )


def _owners(study: Study, catalog: Catalog) -> dict[str, tuple[Inputs, ...]]:
    own_sets = read_sets(study.owner_sets)
    owned = [a for a in study.accelerators if a in shipped_accelerators()]
    return {o: tuple(owner_inputs(catalog, o, owned, own_sets)) if owned else () for o in operators()}


def _indices(book: pl.DataFrame, accelerators: Sequence[str]) -> dict[str, tuple[Period, ...]]:
    """The price index of every accelerator with enough quarters."""
    indices = {a: tuple(index_of(book, a)) for a in accelerators}
    return {a: periods for a, periods in indices.items() if sum(p.median is not None for p in periods) >= INDEXED}


def _bands(all_inputs: Sequence[Inputs], study: Study) -> dict[str, dict[str, Quantiles]]:
    """By accelerator: of the hour, and by origin of the points of the tokens, over the cost with all at its value."""
    costs = {i.accelerator: float(total(i.values)) for i in all_inputs}
    hours = simulate(all_inputs, study.draws, study.seed)
    bands = {a: {"hour": quantiles(hours.usd_per_gpu_h[a] / cost)} for a, cost in costs.items()}
    for origin, spread in SPREADS.items():
        tokens = with_throughput(hours, {a: UncertainThroughput(UNIT_TOK_S, spread) for a in costs})
        for a, cost in costs.items():
            bands[a][origin] = quantiles(tokens.usd_per_mtok[a] / cost)
    return bands


def _outcome(
    study: Study, scenario: Scenario, data: Data, market: Market, dated_trends: Sequence[ThroughputTrend]
) -> ScenarioOutcome:
    question = OutlookQuestion(scenario=scenario, price_usd_per_gpu_h=study.price_usd_per_gpu_h)
    try:
        return ScenarioOutcome(scenario, outlook(question, data, market, dated_trends))
    except (NoData, UnknownName, BadConfig) as e:
        return ScenarioOutcome(scenario, None, str(e))
