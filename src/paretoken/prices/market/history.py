"""A rental price index over time: like providers with like, chained, beside the plain median and its mix.

The plain median moves when prices move and when other providers are asked. A link of the chain
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


@dataclass(frozen=True, slots=True)
class Period:
    """One quarter. Prices in USD per GPU-hour, None under three providers, as everywhere.

    `link` is the ratio to the shown quarter before over the `linked` providers in both; under three nobody links
    them. `index` is chained back from the median of the last quarter that links reach. `from_mix` is how much
    of the plain median's change the other providers make, as a fraction.
    """

    period: str
    median: float | None
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
    """The index of an accelerator by quarter. A chain ends at its last quarter's median; a gap begins another."""
    periods: list[Period] = []
    before: dict[str, float] = {}
    for name, (rows, prices) in _provider_medians(book, accelerator, term, forms).items():
        periods.append(_period(name, rows, prices, before))
        before = prices if len(prices) >= FEWEST else before
    return _chained(periods)


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


def _period(name: str, rows: int, prices: dict[str, float], before: dict[str, float]) -> Period:
    """A quarter, not yet chained; `before` are the prices of the last one shown."""
    if len(prices) < FEWEST:
        return Period(name, None, None, None, len(prices), rows, None, 0, None, (), (), None)
    q1, middle, q3 = quantiles(prices.values(), n=4, method="inclusive")
    both = sorted(set(prices) & set(before))
    link = exp(median(log(prices[p] / before[p]) for p in both)) if len(both) >= FEWEST else None
    return Period(
        name,
        middle,
        q1,
        q3,
        len(prices),
        rows,
        link,
        len(both) if link else 0,
        None,
        tuple(sorted(set(prices) - set(before))) if before else (),
        tuple(sorted(set(before) - set(prices))),
        middle / median(before.values()) / link - 1 if link else None,
    )


def _chained(periods: Sequence[Period]) -> list[Period]:
    """Back from the newest: each quarter's index is the next one's over their link, else its own median."""
    found: list[Period] = []
    after: Period | None = None
    for period in reversed(periods):
        if period.median is not None:
            linked = after is not None and after.link is not None
            period = after = replace(period, index=after.index / after.link if linked else period.median)
        found.append(period)
    return found[::-1]


def _provider_medians(
    book: pl.DataFrame, accelerator: str, term: str, forms: Sequence[str]
) -> dict[str, tuple[int, dict[str, float]]]:
    """(rows, price by provider) of every quarter, in order: the median on its latest day there, as in a cell."""
    rows = book.filter(
        pl.col("counts")
        & (pl.col("accelerator") == accelerator)
        & (pl.col("term") == term)
        & pl.col("form").is_in(list(forms))
    ).with_columns(period=pl.format("{} Q{}", pl.col("date").dt.year(), pl.col("date").dt.quarter()))
    latest = pl.col("usd_per_gpu_h").filter(pl.col("date") == pl.col("date").max())
    each = rows.group_by("period", "provider").agg(latest.median(), pl.len()).sort("period", "provider")
    found: dict[str, tuple[int, dict[str, float]]] = {}
    for period, provider, price, n in each.iter_rows():
        count, prices = found.get(period, (0, {}))
        found[period] = (count + n, prices | {provider: price})
    return found
