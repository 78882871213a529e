"""The cost of a GPU-hour from its inputs, component by component.

    $/GPU-h = (annuity of capital less residual + monthly opex + income tax) / (730 h) / share of hours sold

All arithmetic is on plain numbers or on numpy arrays of one shape, so that one formula serves the
table, the tornado and the Monte Carlo. `report/assets/money.js` is its twin; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping

from paretoken.prices.finance import HOURS_PER_MONTH, annuity, annuity_factor, discounted
from paretoken.prices.numbers import Number
from paretoken.prices.owner.depreciation import tax_usd
from paretoken.prices.owner.parameters import CAPITAL

COMPONENTS = {
    "all_in": "Capital, all in",
    "server": "Server",
    "network": "Network",
    "storage": "Storage",
    "install": "Installation",
    "residual": "Residual value",
    "site": "Own site",
    "colocation": "Colocation",
    "electricity": "Electricity",
    "remote_hands": "Remote hands",
    "internet": "Internet",
    "support": "Support",
    "software": "Software licence",
    "staff": "Staff",
    "insurance": "Insurance",
    "tax": "Income tax",
}
"""Every component and its title, in the order shown. The residual is negative."""
CAPITAL_COMPONENTS = ("all_in", "server", "network", "storage", "install", "residual")


def stack(values: Mapping[str, Number]) -> dict[str, Number]:
    """USD per GPU-hour of every component; they sum to the total.

    `values` holds the inputs of `parameters`, capital and `kw` per GPU, the flags `kw_holds_pue` and
    `colo_holds_power` as 0 or 1, and `depreciation` as a place in `DEPRECIATIONS`.
    """
    per_hour = 1 / (HOURS_PER_MONTH * values["sold_share"])
    return {name: usd * per_hour for name, usd in monthly_usd(values).items()}


def monthly_usd(values: Mapping[str, Number]) -> dict[str, Number]:
    """USD per GPU and month of every component, sold or not."""
    monthly = _capital(values) | _opex(values) | {"tax": tax_usd(values, capital_usd(values))}
    return {name: monthly[name] for name in COMPONENTS}


def total(values: Mapping[str, Number]) -> Number:
    """USD per GPU-hour: the sum of the components."""
    return sum(stack(values).values())


def straight_line(values: Mapping[str, Number]) -> Number:
    """USD per GPU-hour with capital written off in equal parts and no interest, for comparison."""
    return total({**values, "cost_of_capital_per_year": 0.0 * values["cost_of_capital_per_year"]})


def capital_usd(values: Mapping[str, Number]) -> Number:
    """All capital of a GPU, USD."""
    return sum(values[name] for name in CAPITAL) * values["capital_factor"]


def it_kw(values: Mapping[str, Number]) -> Number:
    """The IT power of a GPU, kW; a stated power that holds the PUE is divided by it."""
    return values["kw"] / (1 + values["kw_holds_pue"] * (values["pue"] - 1))


def _capital(values: Mapping[str, Number]) -> dict[str, Number]:
    """USD a month of each part of the capital, and what the residual value takes off."""
    rate, life = values["cost_of_capital_per_year"], values["life_months"]
    factor = annuity_factor(rate, life)
    parts = {name.removesuffix("_usd"): values[name] * values["capital_factor"] / factor for name in CAPITAL}
    residual = discounted(capital_usd(values) * values["residual_share"], rate, life)
    return parts | {"residual": -(residual / factor)}


def _opex(values: Mapping[str, Number]) -> dict[str, Number]:
    """USD a month of each running cost."""
    kw, servers = it_kw(values), 1 / values["gpus_per_server"]
    kwh = kw * values["power_draw_share"] * values["pue"] * HOURS_PER_MONTH
    return {
        "site": annuity(
            kw / 1000 * values["site_usd_per_mw"], values["cost_of_capital_per_year"], values["site_life_months"]
        ),
        "colocation": kw * values["colo_usd_per_kw_month"],
        "electricity": kwh * values["electricity_usd_per_kwh"] * (1 - values["colo_holds_power"]),
        "remote_hands": values["remote_hands_usd_per_server_month"] * servers,
        "internet": values["internet_usd_per_server_month"] * servers,
        "support": values["support_usd_per_server_month"] * servers,
        "software": values["software_usd_per_gpu_year"] / 12,
        "staff": values["staff_usd_per_server_month"] * servers,
        "insurance": capital_usd(values) * values["insurance_share_per_year"] / 12,
    }
