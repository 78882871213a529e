"""Own or rent: the share of hours from which owning pays, how soon it pays back, and what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paretoken.errors import BadConfig
from paretoken.prices.finance import HOURS_PER_MONTH, irr_per_year, npv, payback_months
from paretoken.prices.owner.layers import Inputs
from paretoken.prices.owner.levelised import CAPITAL_COMPONENTS, capital_usd, stack, total


@dataclass(frozen=True, slots=True)
class OwnOrRent:
    """One GPU owned instead of rented at `rent_usd` per hour, if it is needed in `needed_share` of the hours.

    `break_even_share` a* = (annuity + opex) / (730 h · rent): over it owning is the cheaper. `payback_months`
    and `irr_per_year` are None if it never pays back. `npv_usd` is over the life at the cost of capital.
    """

    rent_usd: float
    needed_share: float
    owned_usd_per_gpu_h: float
    break_even_share: float
    payback_months: int | None
    npv_usd: float
    irr_per_year: float | None

    @property
    def owning_pays(self) -> bool:
        return self.npv_usd > 0


def own_or_rent(inputs: Inputs, rents_usd: float | Sequence[float], needed_share: float = 1.0) -> OwnOrRent:
    """Owning against renting by the hour at one rent, or at the rent of each month ahead (a forward curve)."""
    v = {**inputs.values, "sold_share": 1.0}
    months = round(v["life_months"])
    rents = np.full(months, rents_usd, dtype=float) if np.ndim(rents_usd) == 0 else np.array(rents_usd[:months])
    if not 0 < needed_share <= 1:
        raise BadConfig(f"the share of hours is {needed_share:g}; it must be above 0 and at most 1")
    if len(rents) < months:
        raise BadConfig(f"{len(rents)} monthly rents are given for a life of {months} months")
    if not (rents > 0).all():
        raise BadConfig(f"a rent is {rents.min():g} USD per GPU-hour; it must be above 0")
    cash = _cash(v, rents, needed_share)
    owned, level = float(total(v)), _level(rents, v["cost_of_capital_per_year"])
    return OwnOrRent(
        level,
        needed_share,
        owned,
        owned / level,
        payback_months(cash),
        npv(cash, v["cost_of_capital_per_year"]),
        irr_per_year(cash),
    )


def owner_margin(rent_usd: float, cost_usd: float) -> float:
    """What is left of a rent, as a share of it: (rent − cost) / rent."""
    return (rent_usd - cost_usd) / rent_usd


def _cash(v: dict, rents: np.ndarray, needed_share: float) -> np.ndarray:
    """Capital out at month 0, then the rent saved less the running costs, and the residual value at the end."""
    running = sum(x for k, x in stack(v).items() if k not in CAPITAL_COMPONENTS) * HOURS_PER_MONTH
    cash = np.concatenate([[-capital_usd(v)], rents * HOURS_PER_MONTH * needed_share - running])
    cash[-1] += capital_usd(v) * v["residual_share"]
    return cash


def _level(rents: np.ndarray, rate_per_year: float) -> float:
    """The level rent with the present value of the rents."""
    weights = np.exp(-np.arange(1, len(rents) + 1) * np.log1p(rate_per_year / 12))
    return float(rents @ weights / weights.sum())
