"""Term structure of rents: what a longer commitment saves at the same seller, and the forward rents it implies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

import numpy as np
import polars as pl

from paretoken.errors import BadConfig
from paretoken.plural import counted
from paretoken.prices.finance import level_rent
from paretoken.prices.market.cells import FEWEST, Offer, cell_at
from paretoken.prices.market.terms import COMMITTED, RENTED, TERMS

RECENT_DAYS = 730
"""Two years: how far back ratios to on-demand are taken."""


@dataclass(frozen=True, slots=True)
class TermRatio:
    """A term's rent over on-demand at the same seller on the same day, the median of the sellers' medians.

    `accelerators` are those whose prices show it: the ratio says nothing of any other.
    """

    term: str
    ratio: float
    by_provider: Mapping[str, float]
    accelerators: tuple[str, ...]
    pairs: int

    @property
    def too_few(self) -> bool:
        return len(self.by_provider) < FEWEST


def ratios(
    book: pl.DataFrame, accelerators: list[str] | None = None, since: date | None = None, until: date | None = None
) -> list[TermRatio]:
    """Ratios to on-demand of every term that has any, over the accelerators and dates selected.

    A pair is one provider, accelerator, form and day, and the same GPU count where that is stated.
    """
    rows = book.filter(pl.col("counts"))
    if accelerators:
        rows = rows.filter(pl.col("accelerator").is_in(accelerators))
    rows = rows.filter(pl.col("date").is_between(since or date.min, until or date.max))
    same = ["provider", "region", "accelerator", "form", "count", "date"]
    each = rows.group_by(*same, "term").agg(pl.col("usd_per_gpu_h").median())
    demand = each.filter(pl.col("term") == "on-demand").select(*same, demand="usd_per_gpu_h")
    pairs = each.join(demand, on=same, nulls_equal=True).with_columns(r=pl.col("usd_per_gpu_h") / pl.col("demand"))
    return [ratio for term in RENTED if term != "on-demand" and (ratio := _ratio(pairs, term))]


def _ratio(pairs: pl.DataFrame, term: str) -> TermRatio | None:
    of_term = pairs.filter(pl.col("term") == term)
    by = dict(of_term.group_by("provider").agg(pl.col("r").median()).sort("provider").iter_rows())
    accelerators = tuple(sorted(set(of_term["accelerator"])))
    return TermRatio(term, median(by.values()), by, accelerators, of_term.height) if by else None


def forward_rent(months_1: float, rent_1: float, months_2: float, rent_2: float) -> float:
    """The rent between two terms that makes the longer one cost what the shorter and a renewal do.

    f = (T2·R2 − T1·R1) / (T2 − T1), USD per GPU-hour.
    """
    if not 0 <= months_1 < months_2:
        raise BadConfig(f"a forward rent needs a longer second term; got {months_1:g} and {months_2:g} months")
    return (months_2 * rent_2 - months_1 * rent_1) / (months_2 - months_1)


@dataclass(frozen=True, slots=True)
class ForwardRent:
    """The rent of one term, and the forward rent from the next shorter term's end to its own."""

    term: str
    months: float
    rent_usd: float
    forward_usd: float
    basis: str


def forwards(rents: Mapping[str, tuple[float, str]]) -> list[ForwardRent]:
    """Every term with its forward rent, by months; on-demand counts as one month."""
    steps = sorted((max(TERMS[t].months, 1.0), t, rent, basis) for t, (rent, basis) in rents.items())
    rows, before = [], (0.0, 0.0)
    for months, term, rent, basis in steps:
        if months > before[0]:
            rows.append(ForwardRent(term, months, rent, forward_rent(*before, months, rent), basis))
            before = (months, rent)
    return rows


def levelled(book: pl.DataFrame, rate_per_year: float) -> pl.DataFrame:
    """The book with every rent paid partly upfront as the level rent of the same present value."""
    months = pl.col("term").replace_strict({t.name: t.months for t in TERMS.values()}, default=0.0)
    prepaid = (pl.col("upfront_share") > 0) & (months > 0)
    if rate_per_year == 0 or book.filter(prepaid).is_empty():
        return book
    level = level_rent(
        book["usd_per_gpu_h"].to_numpy(),
        book["upfront_share"].to_numpy(),
        rate_per_year,
        np.maximum(book.select(months).to_series().to_numpy(), 1.0),
    )
    return book.with_columns(
        pl.when(prepaid).then(pl.Series(np.asarray(level))).otherwise("usd_per_gpu_h").alias("usd_per_gpu_h")
    )


def term_rents(
    book: pl.DataFrame, accelerator: str, at: date, *, estimate: bool = False
) -> dict[str, tuple[float, str]]:
    """(rent, its basis) of every term at which the accelerator has a median of its own.

    With `estimate` a committed term without one is the on-demand median times the term's ratio at the same seller,
    over the accelerators that show it, where three sellers or more do. The basis then begins with "estimate".
    """
    cells = {t: cell_at(book, accelerator, t, at) for t in ("on-demand", *COMMITTED)}
    own = {t: (c.median_usd_per_gpu_h, c.evidence) for t, c in cells.items() if c.median_usd_per_gpu_h is not None}
    if not estimate or "on-demand" not in own:
        return own
    for r in ratios(book, None, recent(at), at):
        if r.term in COMMITTED and r.term not in own and not r.too_few:
            own[r.term] = (own["on-demand"][0] * r.ratio, _estimated(r, cells[r.term].offers))
    return own


def _estimated(r: TermRatio, offers: Sequence[Offer]) -> str:
    """The basis of a rent that is estimated from a ratio, beside the offers that are too few for a median."""
    sellers = ", ".join(r.by_provider)
    real = ", ".join(f"{o.provider} {o.usd_per_gpu_h:.4g}" for o in offers)
    return f"estimate: on-demand × {r.ratio:.2f}, the ratio at {sellers} on {', '.join(r.accelerators)}" + (
        f"; real offers, USD per GPU-hour: {real}" if real else "; no real offer"
    )


@dataclass(frozen=True, slots=True)
class SameSellers:
    """The median ratio of a term's rent to on-demand at the sellers that offer both; None where none does."""

    ratio: float | None
    basis: str


def same_sellers(book: pl.DataFrame, accelerator: str, term: str, at: date) -> SameSellers:
    """A term against on-demand of the same sellers: other sellers' prices differ by more than the commitment."""
    committed, hourly = (
        {o.provider: o.usd_per_gpu_h for o in cell_at(book, accelerator, t, at).offers} for t in (term, "on-demand")
    )
    both = sorted(set(committed) & set(hourly))
    if not both:
        names = f"{term} is of {', '.join(sorted(committed))}; on-demand is of {', '.join(sorted(hourly))}"
        return SameSellers(None, f"no turning point, as no seller offers both: {names}")
    prices = ", ".join(f"{p} {committed[p]:.4g} against {hourly[p]:.4g}" for p in both)
    return SameSellers(
        median(committed[p] / hourly[p] for p in both),
        f"turns against on-demand of the {counted(len(both), 'seller')} that "
        f"{'offers' if len(both) == 1 else 'offer'} both, USD per GPU-hour: {prices}",
    )


def recent(today: date) -> date:
    """The first day whose prices count for ratios."""
    return today - timedelta(days=RECENT_DAYS)
