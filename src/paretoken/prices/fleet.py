"""A fleet under a power limit: GPUs, tokens a day, dollars a year.

The limit is what the utility delivers to the site. Cooling and conversion take their share of it, so the power of
servers counts times the site's PUE.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, inf

from paretoken.errors import BadConfig
from paretoken.prices.finance import HOURS_PER_YEAR
from paretoken.prices.owner.layers import operator_pue, operators
from paretoken.prices.tariff import Tariff

OPERATOR_OF_RENTS = "neocloud"
"""Whose sites rented GPUs are taken to stand in: price lists do not state a PUE."""


@dataclass(frozen=True, slots=True)
class UtilityPower:
    """Power at the utility's meter, kW per GPU by accelerator; `basis` says in words what it is made of."""

    kw_per_gpu: dict[str, float]
    basis: str


@dataclass(frozen=True, slots=True)
class PowerLimitedFleet:
    """What fits under a power limit. `profit_usd_per_gw_year` is None without a price of tokens."""

    gpus: int
    tokens_per_day: float
    cost_usd_per_year: float
    profit_usd_per_gw_year: float | None


def operator_of(prices: Tariff) -> str:
    """The operator whose tier a tariff is; for rents the one whose sites they are taken to stand in."""
    operator = prices.tier.split()[0].removeprefix("own-")
    return operator if operator in operators() else OPERATOR_OF_RENTS


def utility_power(prices: Tariff) -> UtilityPower:
    """The power of a tariff as the site draws it: IT power times the operator's PUE, unless the PUE is in it."""
    if not prices.kw_per_gpu or prices.kw_holds_pue:
        return UtilityPower(dict(prices.kw_per_gpu), prices.kw_basis)
    operator = operator_of(prices)
    pue, source = operator_pue(operator)
    kw = {name: power * pue for name, power in prices.kw_per_gpu.items()}
    return UtilityPower(kw, f"utility power: IT power times PUE {pue:g} ({operators()[operator]}: {source})")


def fleet(
    mw: float,
    kw_per_gpu: float,
    usd_per_gpu_h: float,
    tok_s_per_gpu: float,
    serving_load: float = 1.0,
    price_usd_per_mtok: float | None = None,
) -> PowerLimitedFleet:
    """GPUs = ⌊MW·1000 / kW⌋ at the utility's meter, serving a share of the hours and paid for every hour."""
    if not (0 < mw < inf and 0 < kw_per_gpu < inf):
        raise BadConfig(f"a fleet needs a finite power above 0; got {mw:g} MW and {kw_per_gpu:g} kW per GPU")
    gpus = floor(mw * 1000 / kw_per_gpu)
    per_day = gpus * tok_s_per_gpu * 86400 * serving_load
    cost = gpus * usd_per_gpu_h * HOURS_PER_YEAR
    profit = None if price_usd_per_mtok is None else (per_day * 365 / 1e6 * price_usd_per_mtok - cost) / (mw / 1000)
    return PowerLimitedFleet(gpus, per_day, cost, profit)
