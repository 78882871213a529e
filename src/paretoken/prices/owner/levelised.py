"""The cost of a GPU-hour from its inputs, component by component.

    $/GPU-h = (annuity of capital less residual + monthly opex) / (730 h) / share of hours sold

All arithmetic is on plain numbers or on numpy arrays of one shape, so that one formula serves the
table, the tornado and the Monte Carlo. `report/assets/tco.js` is its twin; a test holds them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretoken.prices.finance import HOURS_PER_MONTH, annuity, discounted
from paretoken.prices.owner.parameters import CAPITAL

Number = Any
"""A float, or a numpy array of draws."""

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
}
"""Every component and its title, in the order shown. The residual is negative."""
CAPITAL_COMPONENTS = ("all_in", "server", "network", "storage", "install", "residual")


def stack(v: Mapping[str, Number]) -> dict[str, Number]:
    """USD per GPU-hour of every component; they sum to the total.

    `v` holds the inputs of `parameters`, capital and `kw` per GPU, and the flags `kw_holds_pue` and
    `colo_holds_power` as 0 or 1.
    """
    per_hour = 1 / (HOURS_PER_MONTH * v["sold_share"])
    monthly = _capital(v) | _opex(v)
    return {name: monthly[name] * per_hour for name in COMPONENTS}


def total(v: Mapping[str, Number]) -> Number:
    """USD per GPU-hour: the sum of the components."""
    return sum(stack(v).values())


def straight_line(v: Mapping[str, Number]) -> Number:
    """USD per GPU-hour with capital written off in equal parts and no interest, for comparison."""
    return total({**v, "cost_of_capital_per_year": 0.0 * v["cost_of_capital_per_year"]})


def capital_usd(v: Mapping[str, Number]) -> Number:
    """All capital of a GPU, USD."""
    return sum(v[name] for name in CAPITAL) * v["capital_factor"]


def it_kw(v: Mapping[str, Number]) -> Number:
    """The IT power of a GPU, kW; a stated power that holds the PUE is divided by it."""
    return v["kw"] / (1 + v["kw_holds_pue"] * (v["pue"] - 1))


def _capital(v: Mapping[str, Number]) -> dict[str, Number]:
    """USD a month of each part of the capital, and what the residual value takes off."""
    rate, life = v["cost_of_capital_per_year"], v["life_months"]
    parts = {name.removesuffix("_usd"): annuity(v[name] * v["capital_factor"], rate, life) for name in CAPITAL}
    left = discounted(capital_usd(v) * v["residual_share"], rate, life)
    return parts | {"residual": -annuity(left, rate, life)}


def _opex(v: Mapping[str, Number]) -> dict[str, Number]:
    """USD a month of each running cost."""
    kw, servers = it_kw(v), 1 / v["gpus_per_server"]
    kwh = kw * v["power_draw_share"] * v["pue"] * HOURS_PER_MONTH
    return {
        "site": annuity(kw / 1000 * v["site_usd_per_mw"], v["cost_of_capital_per_year"], v["site_life_months"]),
        "colocation": kw * v["colo_usd_per_kw_month"],
        "electricity": kwh * v["electricity_usd_per_kwh"] * (1 - v["colo_holds_power"]),
        "remote_hands": v["remote_hands_usd_per_server_month"] * servers,
        "internet": v["internet_usd_per_server_month"] * servers,
        "support": v["support_usd_per_server_month"] * servers,
        "software": v["software_usd_per_gpu_year"] / 12,
    }
