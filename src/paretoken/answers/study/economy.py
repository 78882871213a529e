"""The money of a study: owners' costs and their uncertainty, the rental market, trends and scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from paretoken.answers.study.config import Study
from paretoken.catalog.loader import Catalog
from paretoken.errors import NoData, UnknownName
from paretoken.frontier import Selection, candidates, curves, to_axis
from paretoken.prices.market.book import price_book
from paretoken.prices.market.cells import Cell, availability, cells_at, vendors_offered
from paretoken.prices.market.facts import Fact, market_facts
from paretoken.prices.market.history import Period, index_of
from paretoken.prices.market.structure import Ratio, ratios, recent
from paretoken.prices.market.terms import RENTED
from paretoken.prices.market.quality_flags import flagged
from paretoken.prices.outlook.project import State
from paretoken.prices.outlook.scenario import Scenario, find_scenario
from paretoken.prices.outlook.today import play_from_today, wanted
from paretoken.prices.outlook.trend import Trend, trends
from paretoken.prices.owner.checks import Check, public_checks
from paretoken.prices.owner.layers import Inputs, operators, read_set, shipped_accelerators
from paretoken.prices.owner.levelised import total
from paretoken.prices.owner.montecarlo import SPREADS, Quantiles, Throughput, quantiles, simulate
from paretoken.prices.owner.price import owner_inputs
from paretoken.prices.tariff import Tariff


@dataclass(frozen=True, slots=True)
class Played:
    """A scenario with today's prices and its states, or why it cannot be played with these points."""

    scenario: Scenario
    price: Tariff | None
    states: tuple[State, ...]
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Economy:
    """`owners` are the inputs by operator; `book_rows` how many rental prices there are, `trapped` how many each trap
    has caught. `bands` are quantiles of a cost over the one with every input at its value, by operator and
    accelerator: "hour" of a GPU-hour, and by origin of the points of a token, in which throughput is uncertain too."""

    at: date
    owners: Mapping[str, tuple[Inputs, ...]]
    bands: Mapping[str, Mapping[str, Mapping[str, Quantiles]]]
    checks: tuple[Check, ...]
    cells: tuple[Cell, ...]
    index: Mapping[str, tuple[Period, ...]]
    ratios: tuple[Ratio, ...]
    offered: tuple[dict, ...]
    vendors: Mapping[str, int]
    facts: tuple[Fact, ...]
    book_rows: int
    trapped: Mapping[str, int]
    trends: tuple[Trend, ...]
    played: tuple[Played, ...]


TOK_S_OF_A_DOLLAR = 1e6 / 3600
"""At this throughput a million tokens cost what the hour does."""
INDEXED = 2
"""Quarters with a median that an accelerator needs to have an index shown."""


def economy(study: Study, catalog: Catalog, points: pl.DataFrame, at: date) -> Economy:
    """All of it for the study's accelerators on a day."""
    if study.operator not in operators():
        raise UnknownName("operator", study.operator, list(operators()))
    own = [read_set(path) for path in study.owner_sets]
    owned = [a for a in study.accelerators if a in shipped_accelerators()]
    owners = {op: tuple(owner_inputs(catalog, op, owned, own)) if owned else () for op in operators()}
    book = flagged(price_book(study.rental_prices), catalog)
    found = tuple(trends(points))
    caught = book["flags"].explode(empty_as_null=True).drop_nulls().value_counts(sort=True)
    index = {a: tuple(index_of(book, a)) for a in study.accelerators}
    return Economy(
        at,
        owners,
        {op: _bands(sets, study) for op, sets in owners.items()},
        tuple(public_checks(catalog)),
        tuple(cells_at(book, study.accelerators, RENTED, at)),
        {a: periods for a, periods in index.items() if sum(p.median is not None for p in periods) >= INDEXED},
        tuple(ratios(book, None, recent(at), at)),
        tuple(availability(book, at).to_dicts()),
        vendors_offered(book, {k: a.vendor for k, a in catalog.accelerators.items()}, at),
        market_facts(),
        book.height,
        dict(caught.iter_rows()),
        found,
        tuple(_played(find_scenario(name), catalog, points, book, at, found) for name in study.outlooks),
    )


def _bands(sets: tuple[Inputs, ...], study: Study) -> dict[str, dict[str, Quantiles]]:
    """By accelerator: of the hour, and by origin of the points of the tokens, over the cost with all at its value."""
    names = {i.accelerator: float(total(i.values)) for i in sets}
    found: dict[str, dict[str, Quantiles]] = {a: {} for a in names}
    for origin, spread in SPREADS.items():
        draws = simulate(sets, study.draws, study.seed, {a: Throughput(TOK_S_OF_A_DOLLAR, spread) for a in names})
        for a, whole in names.items():
            found[a]["hour"] = quantiles(draws.usd_per_gpu_h[a] / whole)
            found[a][origin] = quantiles(draws.usd_per_mtok[a] / whole)
    return found


def _played(scenario, catalog, points, book, at, found) -> Played:
    try:
        return _play(scenario, catalog, points, book, at, found)
    except (NoData, UnknownName) as e:
        return Played(scenario, None, (), str(e))


def _play(scenario, catalog, points, book, at, found) -> Played:
    axis = "e2e" if scenario.e2e_s is not None else "interactivity"
    work = catalog.workload(scenario.workload)
    model = catalog.models.id_or_own(scenario.model, points["model"])
    asked = Selection(
        model, scenario.precision, work.isl, work.osl, scenario.serving, accelerators=wanted(scenario) or None
    )
    there = candidates(curves(asked.select(points), axis), to_axis(scenario.e2e_s or scenario.interactivity, axis))
    tput: dict[str, float] = {}
    for c in there:
        tput[c.accelerator] = max(tput.get(c.accelerator, 0.0), c.tput_per_gpu)
    price, _, states = play_from_today(scenario, tput, catalog, book, at, found)
    return Played(scenario, price, tuple(states))
