"""How fast a GPU's on-demand rent changes in a year, at the same sellers, with an interval.

Each provider's rate is the median slope of ln price between all pairs of its days at least half a year apart
(Theil–Sen); the rate of the accelerator is the median of the providers'. So a changed set of providers moves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations
from math import comb, exp, log
from statistics import median

import polars as pl

from paretoken.plural import counted
from paretoken.prices.market.names import SERVED

YEARS = 3
"""How far back prices count."""
APART_DAYS = 180
FEWEST_PROVIDERS = 5
"""With five, the lowest and the highest rate enclose the median with 94 %."""
CONFIDENCE = 0.9
DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, slots=True, kw_only=True)
class RentDecline:
    """The change of an on-demand rent in a year as a fraction, negative where it falls, with its interval.

    The interval encloses the median of the providers with at least 90 %, by order statistics. `per_year` and `interval`
    are None where the history is too thin, and `reason` says why. `by_provider` has the rate of each.
    """

    accelerator: str
    per_year: float | None
    interval: tuple[float, float] | None
    by_provider: dict[str, float]
    first: date | None
    last: date | None
    reason: str = ""

    @property
    def text(self) -> str:
        """The change in words, or why there is none."""
        if self.per_year is None or self.interval is None:
            return f"no yearly change of rents: {self.reason}"
        low, high = self.interval
        return (
            f"{self.per_year:+.0%} a year at the same sellers, {low:+.0%} to {high:+.0%} with 90% confidence: "
            f"{counted(len(self.by_provider), 'provider')}, {self.first} to {self.last}"
        )


def rent_decline_per_year(book: pl.DataFrame, accelerator: str, at: date) -> RentDecline:
    """The yearly change of an accelerator's on-demand rent over the three years before a day."""
    since = at - timedelta(days=round(YEARS * DAYS_PER_YEAR))
    rows = book.filter(
        pl.col("counts")
        & (pl.col("accelerator") == accelerator)
        & (pl.col("term") == "on-demand")
        & pl.col("form").is_in(list(SERVED))
        & pl.col("date").is_between(since, at)
    )
    days = rows.group_by("provider", "date").agg(pl.col("usd_per_gpu_h").median()).sort("provider", "date")
    slopes: dict[str, float] = {}
    used: list[date] = []
    for provider in days["provider"].unique().sort():
        of_it = days.filter(pl.col("provider") == provider).select("date", "usd_per_gpu_h").rows()
        if (slope := _slope(of_it)) is not None:
            slopes[provider] = slope
            used += (of_it[0][0], of_it[-1][0])
    rates = {p: exp(s) - 1 for p, s in slopes.items()}
    first, last = min(used, default=None), max(used, default=None)
    if len(slopes) < FEWEST_PROVIDERS:
        reason = (
            f"only {counted(len(slopes), 'provider')} of {accelerator} with on-demand prices half a year apart in the "
            f"{YEARS} years before {at}; {FEWEST_PROVIDERS} are needed"
        )
        return RentDecline(
            accelerator=accelerator,
            per_year=None,
            interval=None,
            by_provider=rates,
            first=first,
            last=last,
            reason=reason,
        )
    ordered = sorted(slopes.values())
    k = _rank(len(ordered))
    return RentDecline(
        accelerator=accelerator,
        per_year=exp(median(ordered)) - 1,
        interval=(exp(ordered[k]) - 1, exp(ordered[-1 - k]) - 1),
        by_provider=rates,
        first=first,
        last=last,
    )


def _slope(days: Sequence[tuple[date, float]]) -> float | None:
    """The median change of ln price a year over pairs of days; None without a pair far enough apart."""
    pairs = [
        log(b / a) / (apart / DAYS_PER_YEAR)
        for (d, a), (e, b) in combinations(days, 2)
        if (apart := (e - d).days) >= APART_DAYS
    ]
    return median(pairs) if pairs else None


def _rank(n: int) -> int:
    """The largest k for which the (k+1)-th lowest and highest of n enclose their median with the confidence."""
    k = 0
    while 1 - 2 * sum(comb(n, j) for j in range(k + 2)) / 2**n >= CONFIDENCE:
        k += 1
    return k
