"""Term structure of rents: what committing longer saves at the same seller, and the forward rents it implies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

import polars as pl

from paretoken.economics.market.cells import FEWEST
from paretoken.economics.market.terms import RENTED, TERMS
from paretoken.errors import BadConfig


@dataclass(frozen=True, slots=True)
class Ratio:
    """A term's rent over on-demand at the same seller on the same day, the median of the sellers' medians."""

    term: str
    ratio: float
    by_provider: Mapping[str, float]
    pairs: int

    @property
    def too_few(self) -> bool:
        return len(self.by_provider) < FEWEST


def ratios(
    book: pl.DataFrame, accelerators: list[str] | None = None, since: date | None = None, until: date | None = None
) -> list[Ratio]:
    """Ratios to on-demand of every term that has any, over the accelerators and dates asked for.

    A pair is one provider, accelerator, form and day, and as many GPUs where that is stated.
    """
    rows = book.filter(pl.col("counts"))
    if accelerators:
        rows = rows.filter(pl.col("accelerator").is_in(accelerators))
    rows = rows.filter(pl.col("date").is_between(since or date.min, until or date.max))
    same = ["provider", "region", "accelerator", "form", "count", "date"]
    each = rows.group_by(*same, "term").agg(pl.col("usd_per_gpu_h").median())
    demand = each.filter(pl.col("term") == "on-demand").select(*same, demand="usd_per_gpu_h")
    pairs = each.join(demand, on=same, nulls_equal=True).with_columns(r=pl.col("usd_per_gpu_h") / pl.col("demand"))
    return [found for term in RENTED if term != "on-demand" and (found := _ratio(pairs, term))]


def _ratio(pairs: pl.DataFrame, term: str) -> Ratio | None:
    of_term = pairs.filter(pl.col("term") == term)
    by = dict(of_term.group_by("provider").agg(pl.col("r").median()).sort("provider").iter_rows())
    return Ratio(term, median(by.values()), by, of_term.height) if by else None


def forward_rent(months_1: float, rent_1: float, months_2: float, rent_2: float) -> float:
    """The rent between two terms that makes the longer one cost what the shorter and a renewal do.

    f = (T2·R2 − T1·R1) / (T2 − T1), USD per GPU-hour.
    """
    if not 0 <= months_1 < months_2:
        raise BadConfig(f"a forward rent needs a longer second term; got {months_1:g} and {months_2:g} months")
    return (months_2 * rent_2 - months_1 * rent_1) / (months_2 - months_1)


def forward_curve(rents: Mapping[str, float], months: int) -> list[float]:
    """The rent of each month ahead that the term rents imply, held at the last forward beyond the longest term.

    `rents` by term; on-demand or spot stands for the first month if no committed rent is known that short.
    """
    known = sorted((max(TERMS[t].months, 1.0), r) for t, r in rents.items() if TERMS[t].rented and t != "spot")
    if not known:
        raise BadConfig("no rent is known for any term; a forward curve needs one")
    by_months = dict(reversed(known))
    steps = sorted(by_months.items())
    curve: list[float] = []
    for (m1, r1), (m2, r2) in zip([(0.0, 0.0), *steps], steps, strict=False):
        curve += [forward_rent(m1, r1, m2, r2)] * round(m2 - m1)
    curve += [curve[-1]] * max(0, months - len(curve))
    return curve[:months]


def recent(today: date, days: int = 730) -> date:
    """The first day that still counts as recent for ratios."""
    return today - timedelta(days=days)
