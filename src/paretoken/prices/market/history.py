"""A chained rental price index over time, beside the plain median and the effect of a changing provider mix.

The plain median moves when prices move and when the set of providers changes. A link of the chain
compares only providers that have a price in both periods, so it holds the mix fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log
from statistics import median, quantiles

import polars as pl

from paretoken.prices.market.cells import FEWEST
from paretoken.prices.market.names import SERVED


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """One quarter. Prices in USD per GPU-hour, None under three providers, as everywhere.

    `link` is the ratio to the previous quarter with a median, over the `linked` providers in both; None with fewer
    than three. `index` is chained back from the median of the last linked quarter. `from_mix` is the part of the
    plain median's change that the changed set of providers makes, as a fraction.
    """

    period: str
    median: float | None = None
    q1: float | None = None
    q3: float | None = None
    providers: int
    rows: int
    link: float | None = None
    linked: int = 0
    index: float | None = None
    entered: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    from_mix: float | None = None


def index_of(book: pl.DataFrame, accelerator: str, term: str = "on-demand") -> list[Period]:
    """The index of an accelerator by quarter. A chain ends at its last quarter's median; a gap begins another."""
    periods: list[Period] = []
    before: dict[str, float] = {}
    for name, (rows, prices) in _provider_medians(book, accelerator, term).items():
        periods.append(_period(name, rows, prices, before))
        before = prices if len(prices) >= FEWEST else before
    return _chained(periods)


def basket(
    book: pl.DataFrame,
    accelerator: str,
    providers: Sequence[str],
    term: str = "on-demand",
) -> list[tuple[str, float | None]]:
    """The geometric mean price of a fixed set of providers by quarter; None where one of them has no price."""
    means: list[tuple[str, float | None]] = []
    for name, (_, prices) in _provider_medians(book, accelerator, term).items():
        complete = bool(providers) and all(p in prices for p in providers)
        mean = exp(sum(log(prices[p]) for p in providers) / len(providers)) if complete else None
        means.append((name, mean))
    return means


def _period(name: str, rows: int, prices: dict[str, float], before: dict[str, float]) -> Period:
    """A quarter, not yet chained; `before` are the prices of the last one with a median."""
    if len(prices) < FEWEST:
        return Period(period=name, providers=len(prices), rows=rows)
    q1, middle, q3 = quantiles(prices.values(), n=4, method="inclusive")
    both = sorted(set(prices) & set(before))
    link = exp(median(log(prices[p] / before[p]) for p in both)) if len(both) >= FEWEST else None
    return Period(
        period=name,
        median=middle,
        q1=q1,
        q3=q3,
        providers=len(prices),
        rows=rows,
        link=link,
        linked=len(both) if link else 0,
        entered=tuple(sorted(set(prices) - set(before))) if before else (),
        left=tuple(sorted(set(before) - set(prices))),
        from_mix=middle / median(before.values()) / link - 1 if link else None,
    )


def _chained(periods: Sequence[Period]) -> list[Period]:
    """Back from the newest: each quarter's index is the next one's over their link, else its own median."""
    chained: list[Period] = []
    next_index: float | None = None
    next_link: float | None = None
    for period in reversed(periods):
        if period.median is not None:
            index = period.median if next_index is None or next_link is None else next_index / next_link
            period = replace(period, index=index)
            next_index, next_link = index, period.link
        chained.append(period)
    return chained[::-1]


def _provider_medians(book: pl.DataFrame, accelerator: str, term: str) -> dict[str, tuple[int, dict[str, float]]]:
    """(rows, price by provider) of every quarter, in order: the median on its latest day there, as in a cell."""
    rows = book.filter(
        pl.col("counts")
        & (pl.col("accelerator") == accelerator)
        & (pl.col("term") == term)
        & pl.col("form").is_in(list(SERVED))
    ).with_columns(period=pl.format("{} Q{}", pl.col("date").dt.year(), pl.col("date").dt.quarter()))
    latest = pl.col("usd_per_gpu_h").filter(pl.col("date") == pl.col("date").max())
    each = rows.group_by("period", "provider").agg(latest.median(), pl.len()).sort("period", "provider")
    quarters: dict[str, tuple[int, dict[str, float]]] = {}
    for period, provider, price, n in each.iter_rows():
        count, prices = quarters.get(period, (0, {}))
        quarters[period] = (count + n, prices | {provider: price})
    return quarters
