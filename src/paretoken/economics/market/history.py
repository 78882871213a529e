"""A rental price index over time: like providers with like, chained, beside the plain median and its mix.

The plain median moves when prices move and when other providers are asked. A link of the chain
compares only providers that have a price in both periods, so it holds the mix fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import median, quantiles

import polars as pl

from paretoken.economics.market.names import SERVED


@dataclass(frozen=True, slots=True)
class Period:
    """One quarter. Prices in USD per GPU-hour; `index` is the chained price of the first quarter's median.

    `link` is the ratio to the period before over the `linked` providers in both, None with none of them.
    `from_mix` is how much of the plain median's change the other providers make, as a fraction.
    """

    period: str
    median: float
    q1: float | None
    q3: float | None
    providers: int
    rows: int
    link: float | None
    linked: int
    index: float | None
    entered: tuple[str, ...]
    left: tuple[str, ...]
    from_mix: float | None


def index_of(
    book: pl.DataFrame, accelerator: str, term: str = "on-demand", forms: Sequence[str] = SERVED
) -> list[Period]:
    """The index of an accelerator by quarter. A gap in the chain starts it anew at the plain median."""
    by_period = _provider_medians(book, accelerator, term, forms)
    periods: list[Period] = []
    before: dict[str, float] = {}
    for name, (rows, prices) in by_period.items():
        periods.append(_period(name, rows, prices, before, periods[-1] if periods else None))
        before = prices
    return periods


def basket(
    book: pl.DataFrame,
    accelerator: str,
    providers: Sequence[str],
    term: str = "on-demand",
    forms: Sequence[str] = SERVED,
) -> list[tuple[str, float | None]]:
    """The geometric mean price of a fixed set of providers by quarter; None where one of them has no price."""
    found = []
    for name, (_, prices) in _provider_medians(book, accelerator, term, forms).items():
        whole = all(p in prices for p in providers)
        found.append(
            (name, exp(sum(log(prices[p]) for p in providers) / len(providers)) if whole and providers else None)
        )
    return found


def _period(name: str, rows: int, prices: dict[str, float], before: dict[str, float], last: Period | None) -> Period:
    values = sorted(prices.values())
    quartiles = quantiles(values, n=4, method="inclusive") if len(values) > 1 else [None, values[0], None]
    both = sorted(set(prices) & set(before))
    link = exp(median(log(prices[p] / before[p]) for p in both)) if both else None
    index = median(values) if last is None or link is None or last.index is None else last.index * link
    change = median(values) / last.median if last else None
    return Period(
        name, median(values), quartiles[0], quartiles[2], len(prices), rows, link, len(both), index,
        tuple(sorted(set(prices) - set(before))) if last else (), tuple(sorted(set(before) - set(prices))),
        change / link - 1 if change and link else None,
    )  # fmt: skip


def _provider_medians(
    book: pl.DataFrame, accelerator: str, term: str, forms: Sequence[str]
) -> dict[str, tuple[int, dict[str, float]]]:
    """(rows, median price by provider) of every quarter, in order."""
    rows = book.filter(
        pl.col("counts")
        & (pl.col("accelerator") == accelerator)
        & (pl.col("term") == term)
        & pl.col("form").is_in(list(forms))
    ).with_columns(period=pl.format("{} Q{}", pl.col("date").dt.year(), pl.col("date").dt.quarter()))
    each = (
        rows.group_by("period", "provider").agg(pl.col("usd_per_gpu_h").median(), pl.len()).sort("period", "provider")
    )
    found: dict[str, tuple[int, dict[str, float]]] = {}
    for period, provider, price, n in each.iter_rows():
        count, prices = found.get(period, (0, {}))
        found[period] = (count + n, prices | {provider: price})
    return found
