"""Money over time: annuities, level rents, present values, payback, internal rate of return.

Rates are nominal per year and compounded monthly (i = r / 12); payments fall at the end of a month.
`annuity`, `annuity_factor`, `discounted` and `level_rent` take floats or arrays of one shape.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paretoken.prices.numbers import FloatArray, Number

HOURS_PER_MONTH = 730.0
HOURS_PER_YEAR = 12 * HOURS_PER_MONTH


def annuity(capital: Number, rate_per_year: Number, months: Number) -> Number:
    """The monthly payment, USD, that pays `capital` back over `months`: C·i / (1 − (1 + i)^−n); C / n at i = 0.

    361,255 USD at 10.25 % over 72 months: 6,738.18 a month.
    """
    return capital / annuity_factor(rate_per_year, months)


def annuity_factor(rate_per_year: Number, months: Number) -> Number:
    """Months' worth of a level payment today: (1 − (1 + i)^−n) / i, n at i = 0."""
    i = np.asarray(rate_per_year, dtype=np.float64) / 12
    safe = np.where(i == 0, 1.0, i)
    factor: FloatArray = np.where(i == 0, months, -np.expm1(-months * np.log1p(safe)) / safe)
    return factor if factor.ndim else float(factor)


def discounted(value: Number, rate_per_year: Number, months: Number) -> Number:
    """The value today of `value` due in `months`, USD."""
    factor: Number = np.exp(-months * np.log1p(rate_per_year / 12))
    return value * factor


def level_rent(rent: Number, upfront_share: Number, rate_per_year: float, months: Number) -> Number:
    """The level rent with the present value of `rent` of which a share of the whole term is paid upfront.

    Upfront p·N·R today and (1 − p)·R at the end of each of N months; 0 upfront gives R back.
    """
    factor = annuity_factor(rate_per_year, months)
    return (upfront_share * months * rent + (1 - upfront_share) * rent * factor) / factor


def npv(cash_usd: Sequence[float] | FloatArray, rate_per_year: float) -> float:
    """Net present value, USD, of cash flows at months 0, 1, 2, …"""
    cash = np.asarray(cash_usd, dtype=np.float64)
    return float(np.sum(discounted(cash, rate_per_year, np.arange(len(cash), dtype=np.float64))))


def irr_per_year(cash_usd: Sequence[float] | FloatArray) -> float | None:
    """The yearly rate, compounded monthly, at which the NPV is 0; None if there is none below 1000 %."""
    from scipy.optimize import brentq

    low, high = -0.99 * 12, 10.0
    ends = npv(cash_usd, low), npv(cash_usd, high)
    if not np.isfinite(ends).all() or ends[0] * ends[1] > 0:
        low = -0.6
        ends = npv(cash_usd, low), ends[1]
    return float(brentq(lambda rate: npv(cash_usd, rate), low, high)) if ends[0] * ends[1] <= 0 else None


def payback_months(cash_usd: Sequence[float] | FloatArray) -> int | None:
    """The first month at whose end the undiscounted flows sum to 0 or more; None if that never comes."""
    balance = np.cumsum(np.asarray(cash_usd, dtype=np.float64))
    paid_back = np.flatnonzero(balance >= 0)
    return int(paid_back[0]) if len(paid_back) else None
