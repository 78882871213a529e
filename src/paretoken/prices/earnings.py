"""What a GPU earns at a price of tokens: revenue, margin, profit per megawatt of utility power, and payback.

    revenue = tok/s · 3600 / 10⁶ · USD per million tokens · serving load        USD per GPU-hour
    margin  = revenue − USD per GPU-hour
    per MW  = that · GPUs per MW, 1000 / kW at the utility's meter
    payback = capital / (730 h · (revenue − running costs of the owner))         months, undiscounted

The payback is the same per GPU and per MW, because capital and surplus both grow with the GPUs. A GPU that is not paid
back within the owner's life of it never is: it is written off by then.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from paretoken.prices.cost import SECONDS_PER_HOUR
from paretoken.prices.finance import HOURS_PER_MONTH, HOURS_PER_YEAR
from paretoken.prices.owner.layers import Inputs
from paretoken.prices.owner.levelised import CAPITAL_COMPONENTS, capital_usd, stack


@dataclass(frozen=True, slots=True)
class OwnerCapital:
    """The capital of a GPU, USD, its running costs without capital, USD per hour, and the months that it is kept."""

    usd_per_gpu: float
    running_usd_per_gpu_h: float
    operator: str
    life_months: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Earnings:
    """Money of one GPU at a price of tokens and a serving load, and of a megawatt of utility power filled with them.

    `margin_share` is of the revenue. Figures per MW are None without a power, capital and payback without figures of
    an owner; `payback_months` also if it does not pay back within `life_months`. `payback_basis` names the owner.
    """

    token_price_usd_per_mtok: float
    revenue_usd_per_gpu_h: float
    margin_usd_per_gpu_h: float
    margin_share: float
    revenue_usd_per_mw_year: float | None
    profit_usd_per_mw_year: float | None
    capital_usd_per_gpu: float | None
    capital_usd_per_mw: float | None
    payback_months: float | None
    life_months: float | None
    payback_basis: str | None


def owner_capital(inputs: Inputs) -> OwnerCapital:
    """The capital and the running costs of an owner's inputs; all hours are paid, sold or not."""
    values = {**inputs.values, "sold_share": 1.0}
    running = sum(float(usd) for name, usd in stack(values).items() if name not in CAPITAL_COMPONENTS)
    return OwnerCapital(float(capital_usd(values)), running, inputs.operator, float(values["life_months"]))


def revenue_usd_per_gpu_h(tok_s_per_gpu: float, usd_per_mtok: float, serving_load: float = 1.0) -> float:
    """What the tokens of a GPU sell for, USD per hour. 2,000 tok/s at 0.60 USD per million, load 50 %: 2.1600."""
    return tok_s_per_gpu * SECONDS_PER_HOUR / 1e6 * usd_per_mtok * serving_load


def payback_months(capital: OwnerCapital, revenue_usd: float) -> float | None:
    """Months until revenue less running costs has paid the capital back, undiscounted; None if not within its life."""
    surplus = revenue_usd - capital.running_usd_per_gpu_h
    months = capital.usd_per_gpu / (surplus * HOURS_PER_MONTH) if surplus > 0 else inf
    return months if months <= capital.life_months else None


def earnings(
    tok_s_per_gpu: float,
    usd_per_gpu_h: float,
    token_price_usd_per_mtok: float,
    serving_load: float = 1.0,
    utility_kw_per_gpu: float | None = None,
    capital: OwnerCapital | None = None,
) -> Earnings:
    """What a GPU earns. 2,000 tok/s, 1.73 USD/h, 0.60 USD per million, load 50 %, 2 kW: margin 0.43, 1,883,400 a MW."""
    revenue = revenue_usd_per_gpu_h(tok_s_per_gpu, token_price_usd_per_mtok, serving_load)
    per_mw = 1000 / utility_kw_per_gpu if utility_kw_per_gpu else None
    return Earnings(
        token_price_usd_per_mtok=token_price_usd_per_mtok,
        revenue_usd_per_gpu_h=revenue,
        margin_usd_per_gpu_h=revenue - usd_per_gpu_h,
        margin_share=(revenue - usd_per_gpu_h) / revenue,
        revenue_usd_per_mw_year=per_mw and revenue * HOURS_PER_YEAR * per_mw,
        profit_usd_per_mw_year=per_mw and (revenue - usd_per_gpu_h) * HOURS_PER_YEAR * per_mw,
        capital_usd_per_gpu=capital.usd_per_gpu if capital else None,
        capital_usd_per_mw=capital.usd_per_gpu * per_mw if capital and per_mw else None,
        payback_months=payback_months(capital, revenue) if capital else None,
        life_months=capital.life_months if capital else None,
        payback_basis=f"capital and running costs of the {capital.operator}" if capital else None,
    )
