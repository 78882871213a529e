"""Own or rent: the share of hours from which owning pays, how soon it pays back, and its present value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from paretoken.errors import BadConfig
from paretoken.prices.finance import HOURS_PER_MONTH, irr_per_year, npv, payback_months
from paretoken.prices.numbers import FloatArray
from paretoken.prices.owner.depreciation import book_share
from paretoken.prices.owner.layers import Inputs
from paretoken.prices.owner.levelised import CAPITAL_COMPONENTS, capital_usd, monthly_usd, total


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnOrRent:
    """One GPU owned instead of rented at `rent_usd` per hour, if it is needed in `needed_share` of the hours.

    `break_even_share` a* = owner's cost / rent, both per hour: above it owning is cheaper. `payback_months` and
    `irr_per_year` are None if it never pays back. They and `npv_usd`, at the cost of capital, are over the owner's
    life of `months` and after income tax, whose rate is `tax_rate`.
    """

    months: int
    tax_rate: float
    rent_usd: float
    needed_share: float
    owned_usd_per_gpu_h: float
    break_even_share: float
    payback_months: int | None
    npv_usd: float
    irr_per_year: float | None


def own_or_rent(
    inputs: Inputs, rents_usd: float | Sequence[float] | FloatArray, needed_share: float = 1.0
) -> OwnOrRent:
    """Owning against renting by the hour at one rent, or at the rent of each month ahead (a forward curve)."""
    values = {**inputs.values, "sold_share": 1.0}
    rents = _monthly(rents_usd, round(values["life_months"]))
    if not 0 < needed_share <= 1:
        raise BadConfig(f"the share of hours is {needed_share:g}; it must be above 0 and at most 1")
    if not (rents > 0).all():
        raise BadConfig(f"a rent is {rents.min():g} USD per GPU-hour; it must be above 0")
    cash = _cash_flows(values, rents, needed_share)
    owned, level = float(total(values)), _level(rents, values["cost_of_capital_per_year"])
    return OwnOrRent(
        months=len(rents),
        tax_rate=float(values["tax_rate"]),
        rent_usd=level,
        needed_share=needed_share,
        owned_usd_per_gpu_h=owned,
        break_even_share=owned / level,
        payback_months=payback_months(cash),
        npv_usd=npv(cash, values["cost_of_capital_per_year"]),
        irr_per_year=irr_per_year(cash),
    )


def _monthly(rents_usd: float | Sequence[float] | FloatArray, months: int) -> FloatArray:
    """One rent a month over the life."""
    rents = np.asarray(rents_usd, dtype=np.float64)
    if rents.ndim == 0:
        return np.full(months, float(rents))
    if len(rents) < months:
        raise BadConfig(f"{len(rents)} monthly rents are given for a life of {months} months")
    return rents[:months]


def _cash_flows(values: Mapping[str, float], rents: FloatArray, needed_share: float) -> FloatArray:
    """Capital out at month 0; then (1 − τ)·(rent saved − running costs) + τ·write-off of each month; USD.

    The end brings the residual value, of which tax takes τ above what is left in the books.
    """
    capital, tax = float(capital_usd(values)), values["tax_rate"]
    untaxed = {*CAPITAL_COMPONENTS, "tax"}
    opex = sum(float(usd) for name, usd in monthly_usd(values).items() if name not in untaxed)
    saved = rents * HOURS_PER_MONTH * needed_share - opex
    book = capital * _book_shares(values, len(rents))
    cash = np.concatenate([[-capital], (1 - tax) * saved + tax * (book[:-1] - book[1:])])
    cash[-1] += (1 - tax) * capital * values["residual_share"] + tax * book[-1]
    return cash


def _book_shares(values: Mapping[str, float], months: int) -> FloatArray:
    """The share of the capital in the books today and at the end of each month."""
    shares = book_share(values, np.arange(months + 1, dtype=np.float64))
    return np.broadcast_to(np.asarray(shares, dtype=np.float64), months + 1)


def _level(rents: FloatArray, rate_per_year: float) -> float:
    """The level rent with the present value of the rents."""
    weights = np.exp(-np.arange(1, len(rents) + 1) * np.log1p(rate_per_year / 12))
    return float(rents @ weights / weights.sum())
