"""What a scenario starts from: the accelerators it needs, today's prices, fitted speed-ups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import polars as pl

from paretoken.catalog.loader import Catalog
from paretoken.errors import NoData
from paretoken.prices.market.prices import market_tariff
from paretoken.prices.outlook.project import ALL, State, play
from paretoken.prices.outlook.scenario import Scenario
from paretoken.prices.outlook.trend import Trend, growth_per_quarter
from paretoken.prices.tariff import Tariff, tariff


def wanted(scenario: Scenario) -> tuple[str, ...]:
    """The accelerators whose points the scenario needs; none asks for all."""
    if not scenario.accelerators:
        return ()
    like = {c.name: c.like for c in scenario.coming}
    return tuple(dict.fromkeys(like.get(a, a) for a in (scenario.reference, *scenario.accelerators, *like)))


def price_today(scenario: Scenario, catalog: Catalog, book: pl.DataFrame, at: date, names: Iterable[str]) -> Tariff:
    """The tariff that the scenario starts from."""
    if scenario.term:
        return market_tariff(book, scenario.term, at, names)[0]
    return tariff(catalog, scenario.tco or None, scenario.tier or None)


def play_from_today(
    scenario: Scenario,
    tput: Mapping[str, float],
    catalog: Catalog,
    book: pl.DataFrame,
    at: date,
    found: Sequence[Trend],
) -> tuple[Tariff, dict[str, tuple[float, int]], list[State]]:
    """(today's tariff, the fitted speed-ups, the states) of a scenario; `tput` is today's at its latency."""
    price = price_today(scenario, catalog, book, at, tput)
    fitted = fitted_growth(scenario, found, tput)
    usd = price.usd_per_gpu_h | dict(scenario.usd_per_gpu_h)
    return price, fitted, play(scenario, tput, usd, {a: growth for a, (growth, _) in fitted.items()})


def fitted_growth(scenario: Scenario, found: Sequence[Trend], names: Iterable[str]) -> dict[str, tuple[float, int]]:
    """(growth a quarter, number of trends) of the accelerators whose speed-up is to be fitted."""
    asked = {s.accelerator for s in scenario.speedup if s.per_quarter == "fitted"}
    needed = [*names, *(c.name for c in scenario.coming)] if ALL in asked else sorted(asked)
    fits = {a: growth_per_quarter(found, a, scenario.precision) for a in needed}
    missing = [a for a, fit in fits.items() if fit is None]
    if missing:
        raise NoData(
            f"no speed-up can be fitted for {', '.join(missing)}: no configuration of it has runs on four dated days "
            "over two months that agree on one; give per_quarter a number"
        )
    return fits
