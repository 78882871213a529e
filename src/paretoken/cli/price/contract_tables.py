"""The tables of own, reserve or rent by the hour."""

from __future__ import annotations

from collections.abc import Sequence

from paretoken.answers.own_or_rent import OwnOrRentRow
from paretoken.cli.cells import TableCell
from paretoken.cli.money import currency, money_figure
from paretoken.cli.output import console, percent, print_table
from paretoken.plural import counted
from paretoken.prices.contracts import ContractChoice, ContractCost
from paretoken.prices.own_or_rent import OwnOrRent


def own_or_rent(rows: Sequence[OwnOrRentRow]) -> None:
    """A table of contracts for each accelerator, the cheapest first, and what its prices rest on."""
    for row in rows:
        if row.contracts is None:
            console().print(f"{row.accelerator}: no price to rent it; --rent or --reserved gives one", style="dim")
        else:
            _contracts(row, row.contracts)


def _contracts(row: OwnOrRentRow, choice: ContractChoice) -> None:
    print_table(
        f"{row.accelerator}, needed in {choice.needed_share:.0%} of the hours for {counted(choice.months, 'month')}: "
        f"{choice.cheapest.contract.name}",
        (
            "contract",
            "$/GPU-h",
            f"{currency().sign}/needed GPU-h",
            f"present value, {currency().code}",
            "committed months",
            "cheaper than on-demand above, % of hours",
            f"turns at on-demand, {currency().sign}/GPU-h",
        ),
        [
            (
                cost.contract.name,
                cost.contract.usd_per_gpu_h,
                money_figure(cost.usd_per_needed_gpu_h, ".4f"),
                money_figure(cost.present_value_usd, ",.0f"),
                cost.committed_months,
                _turning_share(cost),
                money_figure(cost.turns_at_on_demand_usd, ".2f"),
            )
            for cost in choice.costs
        ],
        "on-demand bills the hours needed; commitments and owning bill every hour of their term",
    )
    lines = [f"{name}: {basis}" for name, basis in row.basis.items()]
    lines += [f"{term}: {sellers.basis}" for term, sellers in row.turns_against.items()]
    for why in dict.fromkeys(row.without_price.values()):
        terms = ", ".join(t for t, reason in row.without_price.items() if reason == why)
        lines.append(f"{terms}: no price, {why}")
    if row.own_or_rent:
        lines.append(_return(row.own_or_rent))
    for line in (*lines, row.price_decline_basis):
        console().print(line, style="dim")


def _return(owning: OwnOrRent) -> str:
    """Payback and internal rate of return, with their own horizon and tax."""
    pays = counted(owning.payback_months, "month") if owning.payback_months else "never"
    tax = f", after {owning.tax_rate:.0%} income tax" if owning.tax_rate else ""
    life = f"over the owner's life of {counted(owning.months, 'month')}{tax}"
    return f"owning against on-demand, {life}: payback {pays}, IRR {percent(owning.irr_per_year)}"


def _turning_share(cost: ContractCost) -> TableCell | None:
    """The share of needed hours above which a contract is cheaper than hourly on-demand."""
    if cost.turns_at_share is None:
        return None
    text = f"{cost.turns_at_share:.1%}" if cost.turns_at_share < 1 else f"never ({cost.turns_at_share:.0%})"
    return TableCell(text, (cost.turns_at_share * 100,))
