"""Questions of money: the functions behind `tco`, `rent`, `advise`, `api` and `outlook`.

They join the frontier of one model and workload with what a GPU-hour costs an owner or on the market.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from paretoken.answers import api
from paretoken.answers.study.result import BreakEven, Comparison
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import BadConfig, NoData
from paretoken.frontier import Axis, Candidate, best_per_accelerator, candidates, curves, from_axis, to_axis
from paretoken.points.published import published_points
from paretoken.prices import Tariff, tariff, with_prices
from paretoken.prices.fleet import Fleet, fleet
from paretoken.prices.market.book import price_book
from paretoken.prices.market.cells import cell_at
from paretoken.prices.market.prices import Held, held, market_tariff
from paretoken.prices.market.structure import forward_curve, levelled, term_rents
from paretoken.prices.market.terms import RENTED
from paretoken.prices.market.quality_flags import flagged
from paretoken.prices.outlook.trend import repeat_spread
from paretoken.prices.own_or_rent import OwnOrRent, own_or_rent
from paretoken.prices.owner.layers import Inputs, read_set
from paretoken.prices.owner.montecarlo import SPREADS, Simulation, Throughput, simulate
from paretoken.prices.owner.price import owner_inputs, owner_tariff


@dataclass(frozen=True, slots=True)
class AgainstMarket:
    """The rent at which one accelerator equals another over latency, held against prices term by term.

    `ratio` is throughput of the accelerator over that of the other at each latency.
    """

    accelerator: str
    against: str
    axis: Axis
    latency_s: tuple[float, ...]
    ratio: tuple[float, ...]
    switching_usd_per_h: float
    terms: tuple[Held, ...]

    @property
    def values(self) -> list[float]:
        """The latencies in the axis' own unit."""
        return [from_axis(x, self.axis) for x in self.latency_s]


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


def fleets(answer: Comparison, mw: float, serving_load: float = 1.0) -> dict[str, Fleet]:
    """What fits under a power limit of each ranked accelerator whose price and power are known."""
    power = answer.tariff.kw_per_gpu
    return {
        p.candidate.accelerator: fleet(
            mw, power[p.candidate.accelerator], p.usd_per_gpu_h, p.candidate.tput_per_gpu, serving_load
        )
        for p in answer.ranking.ranked
        if p.usd_per_gpu_h and p.candidate.accelerator in power
    }


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
    *asked: Any,
    e2e_s: float | None = None,
    interactivity: float | None = None,
    of: pl.DataFrame | None = None,
    **choice: Any,
) -> tuple[Axis, float, list[Candidate]]:
    """(axis, value, every accelerator and engine that has data at the latency), asked as `api.question` is."""
    axis, value = api.axis_value(e2e_s, interactivity)
    table = published_points() if of is None else of
    question = api.question(*asked, of=table, **choice)
    found = candidates(curves(question.select(table), axis), to_axis(value, axis))
    if not found:
        raise NoData(
            f"no accelerator has data for {question.model} {question.isl}/{question.osl} at that latency; "
            "'paretoken frontier' shows the ranges"
        )
    return axis, value, found


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


def against_rent(
    *args: Any, rent_usd: float, switching_usd: float = 0.0, hours: float = float("inf"), **asked: Any
) -> BreakEven:
    """`api.breakeven`, less a one-off switching cost per GPU spread over the hours of use."""
    per_hour = _per_hour(switching_usd, hours)
    found = api.breakeven(*args, rent_usd=rent_usd, **asked)
    return replace(found, rent_usd=tuple(r - per_hour for r in found.rent_usd))


def against_owner(
    *args: Any,
    operator: str,
    accelerator: str,
    against: str,
    sets: Iterable[Path | str | Mapping[str, Any]] = (),
    catalog: Catalog | None = None,
    **asked: Any,
) -> tuple[BreakEven, Tariff]:
    """(the break-even of one accelerator against the other's cost to its owner, the owner's tariff of both)."""
    owned = owner_tariff(tco((accelerator, against), operator=operator, sets=sets, catalog=catalog))
    rent = list(owned.usd_per_gpu_h.values())[1]
    return against_rent(*args, rent_usd=rent, accelerator=accelerator, against=against, catalog=catalog, **asked), owned


def against_market(
    *args: Any,
    at: date,
    terms: Sequence[str] = (),
    book: pl.DataFrame | None = None,
    rent_usd: float | None = None,
    switching_usd: float = 0.0,
    hours: float = float("inf"),
    **asked: Any,
) -> AgainstMarket:
    """The break-even rent of one accelerator against another's market rent, at every term or those named.

    Where `rent_usd` is given it stands for the other's rent at every term.
    """
    book = rental_prices(catalog=asked.get("catalog")) if book is None else book
    per_hour = _per_hour(switching_usd, hours)
    unit = api.breakeven(*args, rent_usd=1.0 if rent_usd is None else rent_usd, **asked)
    ratio = np.array(unit.rent_usd) / unit.rent_against_usd
    held_terms = []
    for term in terms or RENTED:
        of_a, of_b = (cell_at(book, name, term, at) for name in (unit.against, unit.accelerator))
        reference = of_a.median if rent_usd is None else rent_usd
        if reference is not None and (rent_usd is None or of_b.offers or term in (terms or ("on-demand",))):
            held_terms.append(held(term, reference, reference * ratio - per_hour, of_b))
    if not held_terms:
        raise NoData(
            f"{unit.against} has no market price at {', '.join(terms or RENTED)} within 180 days before {at}; "
            "give --rent, another --term, or import prices"
        )
    return AgainstMarket(
        unit.accelerator, unit.against, unit.axis, unit.latency_s, tuple(map(float, ratio)), per_hour, tuple(held_terms)
    )


def against_market_json(found: AgainstMarket) -> dict[str, Any]:
    """As plain values, the break-even curve of every term in it."""
    return {
        "accelerator": found.accelerator,
        "against": found.against,
        "axis": found.axis,
        "values": found.values,
        "terms": [
            {
                "term": h.term,
                "against_usd_per_gpu_h": h.against_usd,
                "break_even_usd_per_gpu_h": [h.against_usd * r - found.switching_usd_per_h for r in found.ratio],
                "market_usd_per_gpu_h": h.price,
                "listed_usd_per_gpu_h": h.listed,
                "spread_usd_per_gpu_h": h.spread,
                "verdict": h.verdict(found.accelerator, found.against),
                "data": h.thin,
            }
            for h in found.terms
        ],
    }


def _per_hour(switching_usd: float, hours: float) -> float:
    if not switching_usd >= 0 or not hours > 0:
        raise BadConfig(
            f"a switching cost of {switching_usd:g} USD over {hours:g} h; give 0 USD or more over hours above 0"
        )
    return switching_usd / hours
