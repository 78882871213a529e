"""Questions of what to do: the functions behind `advise`, `selfhost` and `outlook`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from paretoken.answers import money
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import NoData
from paretoken.frontier import Axis, Candidate
from paretoken.points.published import published_points
from paretoken.prices import tariff
from paretoken.prices.advise import Advice, Procurement
from paretoken.prices.advise import advise as advised
from paretoken.prices.api_price import ApiPrice, SelfHost, api_prices, cheapest_first, self_host
from paretoken.prices.market.cells import FEWEST, availability
from paretoken.prices.market.prices import market_tariff
from paretoken.prices.outlook.project import State
from paretoken.prices.outlook.scenario import Scenario
from paretoken.prices.outlook.today import play_from_today, wanted
from paretoken.prices.outlook.trend import Trend, trends
from paretoken.prices.owner.price import owner_tariff
from paretoken.prices.tariff import Tariff

TERMS_OF = {
    "enterprise": ("1-year", "2-year", "3-year"),
    "team": ("spot", "on-demand", "1-month", "3-6-month"),
}
SURVEYS = {"enterprise": "rent-3yr", "team": "rent-retail"}
"""The published rental tier that stands beside a layer's market prices."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """A scenario's states by day and cost, the trends its fitted speed-ups rest on, and today's prices."""

    scenario: Scenario
    axis: Axis
    value: float
    states: tuple[State, ...]
    fitted: dict[str, tuple[float, int]]
    price: Tariff


def advise(
    model: str,
    precision: str | None,
    isl: int,
    osl: int,
    *,
    at: date,
    book: pl.DataFrame | None = None,
    sets: Iterable[Path | str | Mapping[str, Any]] = (),
    e2e_s: float | None = None,
    interactivity: float | None = None,
    serving_load: float = 1.0,
    catalog: Catalog | None = None,
    **choice: Any,
) -> tuple[Axis, float, list[Advice]]:
    """(axis, value, the advice of every layer of the market) for one model, workload and latency."""
    catalog = catalog or load_catalog()
    axis, value, found = money.all_at_latency(
        model, precision, isl, osl, e2e_s=e2e_s, interactivity=interactivity, catalog=catalog, **choice
    )
    book = money.rental_prices(catalog=catalog) if book is None else book
    ways = ways_of(catalog, book, at, list(dict.fromkeys(c.accelerator for c in found)), list(sets))
    rents, _ = market_tariff(book, "on-demand", at, [c.accelerator for c in found])
    return axis, value, advised(found, ways, serving_load, rents.usd_per_gpu_h)


def ways_of(
    catalog: Catalog,
    book: pl.DataFrame,
    at: date,
    accelerators: Sequence[str],
    sets: Sequence[Path | str | Mapping[str, Any]] = (),
) -> list[Procurement]:
    """Every way of every layer to get a GPU: owned bottom up, rented on the market, rented at surveyed prices."""
    ways = []
    offered = dict(availability(book, at).select("accelerator", "any").iter_rows())
    for operator in ("hyperscaler", "neocloud", "enterprise"):
        owned = owner_tariff(money.tco(operator=operator, sets=sets, catalog=catalog))
        said = {
            a: "capital implied from published cost" if a in owned.placeholders else "public capital"
            for a in owned.usd_per_gpu_h
        }
        ways.append(Procurement(operator, "own", owned, said))
    for layer, terms in TERMS_OF.items():
        for term in terms:
            rented, cells = market_tariff(book, term, at, accelerators)
            ways.append(Procurement(layer, f"rent, {term}", rented, {a: c.thin for a, c in cells.items()}))
    for layer, tier in SURVEYS.items():
        newest = max(
            (k for k, s in catalog.tco.items() if tier in s.tiers), key=lambda k: catalog.tco[k].date, default=None
        )
        if newest:
            surveyed = tariff(catalog, newest, tier)
            rent_out = {a: f"{_n(offered.get(a, 0))} found to rent it out" for a in surveyed.usd_per_gpu_h}
            scarce = {a: text for a, text in rent_out.items() if offered.get(a, 0) < FEWEST}
            survey = f"survey, TCO set {newest}"
            said = {a: survey if a in scarce else f"{survey}; {text}" for a, text in rent_out.items()}
            ways.append(Procurement(layer, f"{surveyed.name.lower()}, survey", surveyed, said, scarce))
    return ways


def _n(providers: int) -> str:
    return f"{providers or 'no'} provider{'' if providers == 1 else 's'}"


def selfhost(
    model: str,
    precision: str | None,
    isl: int,
    osl: int,
    *,
    prices: Sequence[ApiPrice] | None = None,
    price: Tariff | None = None,
    cached_share: float = 0.0,
    catalog: Catalog | None = None,
    **asked: Any,
) -> tuple[Candidate, Tariff, list[SelfHost]]:
    """(the cheapest self-hosted candidate, its tariff, that against every API price of the model).

    The smallest deployment is the one that the points around the latency were measured on.
    """
    catalog = catalog or load_catalog()
    _, _, found = money.at_latency(model, precision, isl, osl, catalog=catalog, **asked)
    price = price or tariff(catalog)
    priced = [c for c in found if c.accelerator in price.usd_per_gpu_h]
    if not priced:
        raise NoData(f"none of {', '.join(c.accelerator for c in found)} has a price under {price.name}; name another")
    best = min(priced, key=lambda c: price.usd_per_gpu_h[c.accelerator] / c.tput_per_gpu)
    model_id = catalog.models.id_of(model) if model in catalog.models else model
    offers = [p for p in (api_prices() if prices is None else prices) if p.model in (model_id, model)]
    if not offers:
        raise NoData(
            f"no API price of {model_id} is known; give --input-price and --output-price, or --api-prices FILE"
        )
    gpus = max((r["n_gpus"] or 1) for r in best.around)
    usd = price.usd_per_gpu_h[best.accelerator]
    held = [self_host(p, usd, best.tput_per_gpu, gpus, isl, osl, cached_share) for p in offers]
    return best, price, cheapest_first(held)


def outlook(
    scenario: Scenario,
    *,
    at: date,
    book: pl.DataFrame | None = None,
    catalog: Catalog | None = None,
    of: pl.DataFrame | None = None,
) -> Outlook:
    """A scenario from today's frontier and prices, played through to cost and break-even."""
    catalog = catalog or load_catalog()
    table = published_points() if of is None else of
    work = catalog.workload(scenario.workload)
    axis, value, found = money.at_latency(
        scenario.model,
        scenario.precision,
        work.isl,
        work.osl,
        e2e_s=scenario.e2e_s,
        interactivity=scenario.interactivity,
        serving=scenario.serving,
        catalog=catalog,
        of=table,
        accelerators=wanted(scenario) or None,
    )
    book = money.rental_prices(catalog=catalog) if book is None else book
    tput = {c.accelerator: c.tput_per_gpu for c in found}
    runs = trends(table) if scenario.speedup else []
    price, fitted, states = play_from_today(scenario, tput, catalog, book, at, runs)
    return Outlook(scenario, axis, value, tuple(states), fitted, price)


def dated_trends(of: pl.DataFrame | None = None, accelerator: str | None = None) -> list[Trend]:
    """The trends of every configuration with dated runs, or of one accelerator."""
    found = trends(published_points() if of is None else of)
    return [t for t in found if accelerator in (None, t.configuration["accelerator"])]
