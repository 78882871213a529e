"""Depreciation schedules for income tax, and what the tax adds to the cost of a GPU-hour.

A schedule is a list of pieces: a share of the capital that is written off in equal parts between two months. What is
left at the end of the life is written off there, so every schedule deducts all of the capital.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from paretoken.prices.finance import annuity_factor, discounted
from paretoken.prices.numbers import Number

Depreciation: TypeAlias = Literal["straight-line", "declining-balance", "macrs-5", "observed"]
DEPRECIATIONS: tuple[Depreciation, ...] = get_args(Depreciation)
MACRS_5 = (0.20, 0.32, 0.192, 0.1152, 0.1152, 0.0576)
"""Shares of the six years of five-year property with the half-year convention."""
MACRS_SOURCE = "IRS Publication 946, table A-1, five-year property"
YEAR = 12.0


@dataclass(frozen=True, slots=True)
class WriteOff:
    """A share of the capital, written off in equal parts from the month `start` to the month `end`."""

    start: Number
    end: Number
    share: Number


def schedule(values: Mapping[str, Number]) -> Iterator[WriteOff]:
    """The pieces of the schedule in `values["depreciation"]`, the place of its name in `DEPRECIATIONS`."""
    months = write_off_months(values)
    method = DEPRECIATIONS[int(np.max(values["depreciation"]))]
    if method == "straight-line":
        yield WriteOff(0.0, months, 1.0)
    elif method == "declining-balance":
        yield from _declining_balance(months)
    elif method == "macrs-5":
        yield from (WriteOff(YEAR * k, YEAR * (k + 1), share) for k, share in enumerate(MACRS_5))
    else:
        yield from _observed(values)


def write_off_months(values: Mapping[str, Number]) -> Number:
    """`depreciation_months`, or the life where it is 0."""
    stated, life = values["depreciation_months"], values["life_months"]
    months: Number = stated + np.equal(stated, 0) * life
    return months


def book_share(values: Mapping[str, Number], month: Number) -> Number:
    """The share of the capital that is not yet written off at the end of a month."""
    written = sum(w.share * _months_in(w, month) / (w.end - w.start) for w in schedule(values))
    return 1.0 - written


def deductions_today(values: Mapping[str, Number]) -> Number:
    """The present value of all deductions, as a share of the capital: of the schedule, and of what is left at the end.

    Σ share·(F(end) − F(start)) / (end − start) + book·v^n, with the annuity factor F and everything after the life cut
    off.
    """
    rate, life = values["cost_of_capital_per_year"], values["life_months"]
    parts = sum(
        w.share
        * (annuity_factor(rate, np.minimum(w.end, life)) - annuity_factor(rate, np.minimum(w.start, life)))
        / (w.end - w.start)
        for w in schedule(values)
    )
    return parts + discounted(book_share(values, life), rate, life)


def tax_usd(values: Mapping[str, Number], capital_usd: Number) -> Number:
    """USD a month that income tax adds to the cost before tax: τ / (1 − τ) · (C − A) / F.

    A is the present value of the deductions of the capital C. Running costs are deducted as they are paid, and what is
    sold at the end is taxed on what it brings above its book value; both leave the cost before tax as it is.
    """
    rate, life, tax = values["cost_of_capital_per_year"], values["life_months"], values["tax_rate"]
    if not np.any(tax):
        return capital_usd * 0.0
    not_deducted = capital_usd * (1 - deductions_today(values))
    return tax / (1 - tax) * not_deducted / annuity_factor(rate, life)


def _months_in(piece: WriteOff, month: Number) -> Number:
    """The months of a piece up to a month."""
    return np.minimum(piece.end, month) - np.minimum(piece.start, month)


def _declining_balance(months: Number) -> Iterator[WriteOff]:
    """Twice the straight-line rate of what is left, year by year, and equal parts as soon as they are more."""
    years, book = np.asarray(months) / YEAR, np.asarray(1.0)
    for k in range(int(np.ceil(years.max()))):
        left = np.maximum(years - k, 1e-9)
        length = np.minimum(left, 1.0)
        share = np.minimum(book, book * np.maximum(2 / years, 1 / left) * length)
        yield WriteOff(YEAR * k, YEAR * (k + length), share)
        book = book - share


def _observed(values: Mapping[str, Number]) -> Iterator[WriteOff]:
    """Each year by the factor at which a used one sells: the observed share after the observed months."""
    per_year = values["observed_value_share"] ** (YEAR / values["observed_value_months"])
    for k in range(int(np.ceil(np.max(values["life_months"]) / YEAR))):
        yield WriteOff(YEAR * k, YEAR * (k + 1), per_year**k * (1 - per_year))
