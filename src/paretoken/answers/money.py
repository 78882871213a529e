"""Questions of money: the functions behind `tco`, `rent`, `advise`, `api` and `outlook`.

They join the frontier of one model and workload with what a GPU-hour costs an owner or on the market.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from paretoken.answers.latency import LatencyQuestion, candidates_at
from paretoken.answers.points import Data
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import BadConfig
from paretoken.frontier import Axis, Candidate, best_per_accelerator
from paretoken.points.published import published_points
from paretoken.prices import Tariff, tariff, with_prices
from paretoken.prices.market.book import price_book
from paretoken.prices.market.prices import market_tariff
from paretoken.prices.market.structure import forward_curve, levelled, term_rents
from paretoken.prices.market.traps import flagged
from paretoken.prices.outlook.trend import repeat_spread
from paretoken.prices.own_or_rent import OwnOrRent, own_or_rent
from paretoken.prices.owner.layers import Inputs, read_set
from paretoken.prices.owner.montecarlo import SPREADS, Simulation, Throughput, simulate
from paretoken.prices.owner.price import owner_inputs


def rental_prices(
    folders: Iterable[Path | str] = (),
    *,
    shipped: bool = True,
    cost_of_capital: float = 0.0,
    catalog: Catalog | None = None,
) -> pl.DataFrame:
    """The price book with its flags: the shipped prices and those of the user's folders.

    What is paid upfront counts at the cost of capital a year.
    """
    if not 0 <= cost_of_capital <= 2:
        raise BadConfig(f"the cost of capital is {cost_of_capital:g} a year; give 0 to 2, as in 0.10 for 10 %")
    return levelled(flagged(price_book(folders, shipped=shipped), catalog or load_catalog()), cost_of_capital)


def tco(
    accelerators: Sequence[str] | None = None,
    *,
    operator: str = "neocloud",
    sets: Iterable[Path | str | Mapping[str, Any]] = (),
    catalog: Catalog | None = None,
) -> list[Inputs]:
    """The inputs of an owner's TCO; `sets` are shipped names, TOML files, or tables of figures, later ones on top."""
    catalog = catalog or load_catalog()
    own = [("the call", s) if isinstance(s, Mapping) else read_set(s) for s in sets]
    return owner_inputs(catalog, operator, accelerators or None, own)


def own_against_rent(
    sets: Sequence[Inputs], book: pl.DataFrame, at: date, rent_usd: float | None = None, needed_share: float = 1.0
) -> list[tuple[Inputs, OwnOrRent | None, str]]:
    """Each accelerator owned instead of rented: at one rent, or at the forward rents of the market's terms.

    None, with the reason, where nobody rents it out at a price.
    """
    return [(i, *_own_or_rent(i, book, at, rent_usd, needed_share)) for i in sets]


def _own_or_rent(
    inputs: Inputs, book: pl.DataFrame, at: date, rent_usd: float | None, needed_share: float
) -> tuple[OwnOrRent | None, str]:
    if rent_usd is not None:
        return own_or_rent(inputs, rent_usd, needed_share), "the stated rent for the whole life"
    terms = term_rents(book, inputs.accelerator, at)
    if not terms:
        return None, f"no market price within 180 days before {at}; give --rent"
    curve = forward_curve({t: rent for t, (rent, _) in terms.items()}, round(inputs.values["life_months"]))
    said = "; ".join(f"{t} {rent:.2f} ({basis})" for t, (rent, basis) in terms.items())
    return own_or_rent(inputs, curve, needed_share), f"forward rents of {said}"


def spreads_of(found: Iterable[Candidate], of: pl.DataFrame) -> dict[str, float]:
    """Relative half width of the central 90 % of throughput by accelerator.

    A measured candidate has the spread of the repeated measured runs among the points, if there are any.
    """
    measured = repeat_spread(of.filter(pl.col("origin") == "measured"))
    own = {"measured": measured} if measured is not None else {}
    return {c.accelerator: (SPREADS | own)[c.origin] for c in found}


def gpu_price(
    catalog: Catalog,
    *,
    tco: str | None = None,
    tier: str | None = None,
    term: str | None = None,
    rent_usd: float | None = None,
    book: pl.DataFrame,
    at: date,
) -> Tariff:
    """What a GPU-hour costs: a stated rent for every accelerator, the market's at a term, or a tier of a TCO set.

    The market's on-demand rents if none is named.
    """
    if sum(x is not None for x in (term, rent_usd)) > 1 or ((tco or tier) and (term or rent_usd is not None)):
        raise BadConfig("give one price of a GPU-hour: --rent, --term, or --tco and --tier")
    if tco is None and tier is None and term is None and rent_usd is None:
        term = "on-demand"
    base = tariff(catalog, tco, tier)
    if rent_usd is not None:
        names = [*catalog.accelerators]
        return replace(
            with_prices(base, dict.fromkeys(names, rent_usd)),
            name="stated rent",
            tier="stated",
            source="the command line",
        )
    return base if term is None else market_tariff(book, term, at, [*catalog.accelerators])[0]


def all_at_latency(
    model: str,
    precision: str | None,
    isl: int,
    osl: int,
    *,
    e2e_s: float | None = None,
    interactivity: float | None = None,
    catalog: Catalog | None = None,
    of: pl.DataFrame | None = None,
    **choice: Any,
) -> tuple[Axis, float, list[Candidate]]:
    """(axis, value, every accelerator and engine that has data at the latency)."""
    question = LatencyQuestion(
        model=model,
        precision=precision,
        isl=isl,
        osl=osl,
        e2e_s=e2e_s,
        interactivity=interactivity,
        **{k: tuple(v) if isinstance(v, list | tuple) else v for k, v in choice.items() if v},
    )
    data = Data(catalog or load_catalog(), published_points() if of is None else of)
    return *question.axis_value(), candidates_at(question, data)


def at_latency(*asked: Any, **choice: Any) -> tuple[Axis, float, list[Candidate]]:
    """(axis, value, the best engine of every accelerator that has data at the latency)."""
    axis, value, found = all_at_latency(*asked, **choice)
    return axis, value, best_per_accelerator(found)[0]


def uncertain(
    sets: Sequence[Inputs],
    n: int,
    seed: int,
    found: Sequence[Candidate] = (),
    *,
    spread: float | None = None,
    spreads: Mapping[str, float] | None = None,
    serving_load: float = 1.0,
) -> Simulation:
    """Draws of the cost of a GPU-hour, and of a million tokens for the candidates.

    `spread` is the relative half width of the central 90 % of throughput for all, `spreads` by accelerator;
    by default it follows from the origin of the points.
    """
    throughput = {
        c.accelerator: Throughput(
            c.tput_per_gpu, (spreads or {}).get(c.accelerator, SPREADS[c.origin] if spread is None else spread)
        )
        for c in found
    }
    return simulate(sets, n, seed, throughput, serving_load)
