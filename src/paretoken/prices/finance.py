"""Money over time: annuities, level rents, present values, payback, internal rate of return.

Rates are nominal per year and compounded monthly (i = r / 12); payments fall at the end of a month.
Every function takes floats or numpy arrays of one shape.
"""

from __future__ import annotations

import numpy as np

HOURS_PER_MONTH = 730.0


def annuity(capital, rate_per_year, months):
    """The monthly payment, USD, that pays `capital` back over `months`: C·i / (1 − (1 + i)^−n); C / n at i = 0.

    361,255 USD at 10.25 % over 72 months: 6,738.18 a month.
    """
    return capital / annuity_factor(rate_per_year, months)


def annuity_factor(rate_per_year, months):
    """Months' worth of a level payment today: (1 − (1 + i)^−n) / i, n at i = 0."""
    i = np.asarray(rate_per_year, dtype=float) / 12
    safe = np.where(i == 0, 1.0, i)
    factor = np.where(i == 0, months, -np.expm1(-months * np.log1p(safe)) / safe)
    return factor if factor.ndim else float(factor)


def discounted(value, rate_per_year, months):
    """What `value` in so many months is worth today, USD."""
    return value * np.exp(-months * np.log1p(rate_per_year / 12))


def level_rent(rent, upfront_share, rate_per_year, months):
    """The level rent with the present value of `rent` of which a share of the whole term is paid upfront.

    Upfront p·N·R today and (1 − p)·R at the end of each of N months; 0 upfront gives R back.
    """
    today = upfront_share * months * rent + (1 - upfront_share) * rent * annuity_factor(rate_per_year, months)
    return today / annuity_factor(rate_per_year, months)


def npv(cash_usd, rate_per_year: float) -> float:
    """Net present value, USD, of cash flows at months 0, 1, 2, …"""
    cash = np.asarray(cash_usd, dtype=float)
    return float(np.sum(discounted(cash, rate_per_year, np.arange(len(cash)))))


def irr_per_year(cash_usd) -> float | None:
    """The yearly rate, compounded monthly, at which the cash flows are worth nothing; None if none is below 1000 %."""
    from scipy.optimize import brentq

    low, high = -0.99 * 12, 10.0
    ends = npv(cash_usd, low), npv(cash_usd, high)
    if not np.isfinite(ends).all() or ends[0] * ends[1] > 0:
        low = -0.6
        ends = npv(cash_usd, low), ends[1]
    return float(brentq(lambda r: npv(cash_usd, r), low, high)) if ends[0] * ends[1] <= 0 else None


def payback_months(cash_usd) -> int | None:
    """The first month at whose end the undiscounted flows sum to 0 or more; None if that never comes."""
    whole = np.cumsum(np.asarray(cash_usd, dtype=float))
    paid = np.flatnonzero(whole >= 0)
    return int(paid[0]) if len(paid) else None
