"""Questions of money: the functions behind `tco`, `rent`, `advise`, `api` and `outlook`.

They join the frontier of one model and workload with what a GPU-hour costs an owner or on the market.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from paretoken import api
from paretoken.catalog import Catalog, load_catalog
from paretoken.economics import Tariff
from paretoken.economics.market import Cell, Held, flagged, held, market_tariff, price_book
from paretoken.economics.tco import Inputs, Simulation, Throughput, owner_inputs, owner_tariff, read_set, simulate
from paretoken.errors import BadConfig, NoData
from paretoken.frontier import Axis, Candidate, best_per_accelerator, candidates, curves, to_axis
from paretoken.records import published_points

SPREADS = {"published": 0.09, "measured": 0.034, "predicted": 0.228}
"""Relative half width of the central 90 % of throughput by origin, unless one is given.

Published medians drift 9 % within five months of software, a run 3.4 % within six weeks; a prediction
for an accelerator that was left out of the fit is off by 22.8 % (mean).
"""


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
    terms: tuple[Held, ...]
    cells: Mapping[tuple[str, str], Cell]


def prices(folders: Iterable[Path | str] = (), *, shipped: bool = True, catalog: Catalog | None = None) -> pl.DataFrame:
    """The price book with its flags: the shipped prices and those of the user's folders."""
    return flagged(price_book(folders, shipped=shipped), catalog or load_catalog())


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
    sections = [k for _, content in own for k in content]
    names = [
        a if a in sections and a not in catalog.accelerators else catalog.accelerators.id_of(a)
        for a in accelerators or ()
    ]
    return owner_inputs(catalog, operator, names or None, own)


def at_latency(
    model: str, precision: str | None, isl: int, osl: int, *, e2e_s: float | None = None,
    interactivity: float | None = None, catalog: Catalog | None = None, of: pl.DataFrame | None = None, **choice,
) -> tuple[Axis, float, list[Candidate]]:  # fmt: skip
    """(axis, value, the best engine of every accelerator that has data at the latency)."""
    axis, value = api.axis_value(e2e_s, interactivity)
    table = published_points() if of is None else of
    asked = api.question(model, precision, isl, osl, catalog=catalog, of=table, **choice)
    first, _ = best_per_accelerator(candidates(curves(asked.select(table), axis), to_axis(value, axis)))
    if not first:
        raise NoData(
            f"no accelerator has data for {model} {isl}/{osl} at that latency; 'paretoken frontier' shows the ranges"
        )
    return axis, value, first


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
        c.accelerator: Throughput(c.tput_per_gpu, (spreads or {}).get(c.accelerator, SPREADS[c.origin] if spread is None else spread))
        for c in found
    }  # fmt: skip
    return simulate(sets, n, seed, throughput, serving_load)


def against_market(
    model: str, precision: str | None, isl: int, osl: int, *, accelerator: str, against: str, at: date,
    terms: Sequence[str], book: pl.DataFrame | None = None, rent_usd: float | None = None, axis: Axis = "e2e",
    switching_usd: float = 0.0, hours: float = float("inf"), catalog: Catalog | None = None, **choice,
) -> AgainstMarket:  # fmt: skip
    """The break-even rent of one accelerator against another's market rent, term by term.

    Where `rent_usd` is given it stands for the other's rent at every term.
    """
    catalog = catalog or load_catalog()
    unit = api.breakeven(
        model, precision, isl, osl, accelerator=accelerator, against=against, rent_usd=1.0, axis=axis, catalog=catalog, **choice
    )  # fmt: skip
    book = prices(catalog=catalog) if book is None else book
    found, seen = [], {}
    for term in terms:
        _, cells = market_tariff(book, term, at, (unit.accelerator, unit.against))
        seen |= {(term, a): c for a, c in cells.items()}
        reference = cells[unit.against].median if rent_usd is None else rent_usd
        if reference is not None:
            ends = (
                min(unit.rent_usd) - switching_usd / hours / reference,
                max(unit.rent_usd) - switching_usd / hours / reference,
            )
            found.append(held(term, reference, ends, cells[unit.accelerator]))
    if not found:
        raise NoData(
            f"{unit.against} has no market price at {', '.join(terms)} within 180 days before {at}; "
            "give --rent, another --term, or import prices"
        )
    return AgainstMarket(unit.accelerator, unit.against, axis, unit.latency_s, unit.rent_usd, tuple(found), seen)


def against_owner(
    model: str, precision: str | None, isl: int, osl: int, *, accelerator: str, against: str, operator: str,
    sets: Iterable[Path | str | Mapping[str, Any]] = (), axis: Axis = "e2e", catalog: Catalog | None = None, **choice,
) -> tuple[Any, Tariff]:  # fmt: skip
    """(the break-even of one accelerator against the other's cost to its owner, the owner's tariff of both)."""
    tariff = owner_tariff(tco((accelerator, against), operator=operator, sets=sets, catalog=catalog))
    name = (catalog or load_catalog()).accelerators.id_of(against)
    found = api.breakeven(
        model, precision, isl, osl, accelerator=accelerator, against=against, rent_usd=tariff.usd_per_gpu_h[name], axis=axis,
        catalog=catalog, **choice,
    )  # fmt: skip
    return found, tariff


def switched(rent_usd: Iterable[float], switching_usd: float, hours: float) -> tuple[float, ...]:
    """Break-even rents less a one-off switching cost per GPU spread over the hours of use."""
    if switching_usd < 0 or hours <= 0:
        raise BadConfig(
            f"a switching cost of {switching_usd:g} USD over {hours:g} h; give 0 USD or more over hours above 0"
        )
    return tuple(float(r) for r in np.asarray(list(rent_usd)) - switching_usd / hours)
