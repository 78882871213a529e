"""Own, reserve or rent by the hour: what each contract costs over a horizon, and where the choice turns.

An hourly contract bills the hours that are needed. A commitment, and owning, bill every hour of their term.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from paretoken.errors import BadConfig
from paretoken.prices.finance import HOURS_PER_MONTH, annuity_factor, discounted

ON_DEMAND = "on-demand"
OWN = "own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One GPU at `usd_per_gpu_h`, agreed today for `term_months`; 0 months bills only the hours used.

    Signed n months from now, it costs the price times (1 − `price_decline_per_year`)^(n/12).
    """

    name: str
    usd_per_gpu_h: float
    term_months: int = 0
    price_decline_per_year: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.usd_per_gpu_h < np.inf:
            raise BadConfig(f"{self.name} costs {self.usd_per_gpu_h:g} USD per GPU-hour; a price is above 0")
        if not -1 < self.price_decline_per_year < 1:
            raise BadConfig(f"the price decline is {self.price_decline_per_year:.0%} a year; it must be below 100 %")

    def price_at(self, month: int) -> float:
        """The price of a contract signed `month` months from now, USD per GPU-hour."""
        decline = 1.0 - self.price_decline_per_year
        return float(self.usd_per_gpu_h * decline ** (month / 12))


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractCost:
    """A contract over the horizon.

    `present_value_usd` covers everything that one GPU costs; `usd_per_needed_gpu_h` divides it by the discounted hours
    needed. `committed_months` are billed whether needed or not, `hourly_months` only by the hour. The contract costs
    the same as hourly on-demand at `turns_at_share` of the hours, above which it is cheaper, and at an on-demand price
    of `turns_at_on_demand_usd`. Both are None without an on-demand price to compare with.
    """

    contract: Contract
    present_value_usd: float
    usd_per_needed_gpu_h: float
    committed_months: int
    hourly_months: int
    turns_at_share: float | None = None
    turns_at_on_demand_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractChoice:
    """Every contract over one horizon, the cheapest first, for a GPU that is needed in a share of the hours."""

    needed_share: float
    months: int
    cost_of_capital_per_year: float
    costs: tuple[ContractCost, ...]

    @property
    def cheapest(self) -> ContractCost:
        return self.costs[0]


def compare_contracts(
    contracts: Sequence[Contract],
    needed_share: float,
    months: int,
    cost_of_capital_per_year: float,
    ratios: Mapping[str, float | None] | None = None,
) -> ContractChoice:
    """The present value of every contract over the horizon, and where it turns against on-demand.

    With i a twelfth of the yearly rate, v = 1/(1+i), and a(n) = (1 − vⁿ)/i the annuity factor:

    - on-demand at p, needed in a share u of the hours: PV = 730·u·p·S, S = v·(1 − (g·v)^N)/(1 − g·v), where
      g = (1 − decline)^(1/12);
    - a term of T months at c, signed at months 0, T, 2T, …: PV = 730·a(T)·Σ c·(1 − decline)^(kT/12)·v^(kT). As many
      terms are signed as fit, at least one; the months left over are rented on demand, at u, or without an
      on-demand price by one more term;
    - owning is a term of the owner's life at the levelised cost, whose present value is that of capital, running
      costs and residual value.

    A contract with present value F + B·u·p, of which B·u·p is the rent of the months left over, equals on-demand at
    u* = F / (p·(730·S − B)) and p* = F / (u·(730·S − B)).

    `ratios` are prices over on-demand at the same sellers, r for c/p in u*, by contract. A contract with None has no
    turning point: its price and that of on-demand are of different sellers.
    """
    if not 0 < needed_share <= 1:
        raise BadConfig(f"the share of hours is {needed_share:g}; it must be above 0 and at most 1")
    if not 1 <= months <= 600:
        raise BadConfig(f"the horizon is {months} months; give 1 to 600")
    if not 0 <= cost_of_capital_per_year <= 2:
        raise BadConfig(f"the cost of capital is {cost_of_capital_per_year:g} a year; give 0 to 2, as in 0.10 for 10 %")
    hourly = next((c for c in contracts if c.term_months == 0), None)
    horizon = _Horizon(months, cost_of_capital_per_year, hourly, ratios or {})
    costs = sorted((horizon.cost(c, needed_share) for c in contracts), key=lambda c: c.present_value_usd)
    if not costs:
        raise BadConfig("no contract has a price; give --rent, --reserved or import prices")
    return ContractChoice(
        needed_share=needed_share,
        months=months,
        cost_of_capital_per_year=cost_of_capital_per_year,
        costs=tuple(costs),
    )


@dataclass(frozen=True, slots=True)
class _Horizon:
    """Months ahead at a cost of capital, with the hourly contract that fills what terms leave over."""

    months: int
    rate: float
    hourly: Contract | None
    ratios: Mapping[str, float | None]

    def cost(self, contract: Contract, share: float) -> ContractCost:
        needed_hours = HOURS_PER_MONTH * share * float(annuity_factor(self.rate, self.months))
        if contract.term_months == 0:
            usd = share * self.hourly_usd(contract, 0)
            return ContractCost(
                contract=contract,
                present_value_usd=usd,
                usd_per_needed_gpu_h=usd / needed_hours,
                committed_months=0,
                hourly_months=self.months,
            )
        starts = self._starts(contract.term_months)
        committed = len(starts) * contract.term_months
        fixed = self.committed_usd(contract, starts)
        left_over = self.hourly_usd(self.hourly, committed) if self.hourly else 0.0
        turns_at_share, turns_at_usd = self._turning(contract, fixed, left_over)
        usd = fixed + share * left_over
        return ContractCost(
            contract=contract,
            present_value_usd=usd,
            usd_per_needed_gpu_h=usd / needed_hours,
            committed_months=committed,
            hourly_months=max(0, self.months - committed),
            turns_at_share=turns_at_share,
            turns_at_on_demand_usd=turns_at_usd and turns_at_usd / share,
        )

    def _turning(self, contract: Contract, fixed: float, left_over: float) -> tuple[float | None, float | None]:
        """The share of hours at which a contract turns, and the on-demand price if every hour is needed; or None."""
        if self.hourly is None or self.ratios.get(contract.name, 1.0) is None:
            return None, None
        per_usd = fixed / contract.usd_per_gpu_h * self.hourly.usd_per_gpu_h
        factor = per_usd / (self.hourly_usd(self.hourly, 0) - left_over)
        ratio = self.ratios.get(contract.name) or contract.usd_per_gpu_h / self.hourly.usd_per_gpu_h
        return factor * ratio, factor * contract.usd_per_gpu_h

    def _starts(self, term_months: int) -> range:
        """The months at which terms are signed: the full ones that fit; all that are needed without an hourly price."""
        fitting = max(1, self.months // term_months)
        terms = fitting if self.hourly else -(-self.months // term_months)
        return range(0, terms * term_months, term_months)

    def committed_usd(self, contract: Contract, starts: Iterable[int]) -> float:
        """The present value of terms signed at these months, which bill every hour."""
        term = HOURS_PER_MONTH * float(annuity_factor(self.rate, contract.term_months))
        return sum(float(discounted(contract.price_at(m) * term, self.rate, m)) for m in starts)

    def hourly_usd(self, contract: Contract, first_month: int) -> float:
        """The present value of every hour from a month to the end of the horizon, by the hour."""
        n = self.months - first_month
        if n <= 0:
            return 0.0
        falling = (1 - contract.price_decline_per_year) ** (1 / 12) / (1 + self.rate / 12)
        total = float(n) if abs(falling - 1) < 1e-12 else (1 - falling**n) / (1 - falling)
        first = HOURS_PER_MONTH * contract.price_at(first_month) / (1 + self.rate / 12)
        return float(discounted(first * total, self.rate, first_month))
