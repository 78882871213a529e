"""The inputs of an owner's TCO: name, unit, allowed range, and what each one is."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite

CAPITAL = ("all_in_usd", "server_usd", "network_usd", "storage_usd", "install_usd")
PARTS = CAPITAL[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """`raises` is +1 if the cost per GPU-hour grows with it, −1 if it falls, 0 if it is a count of the machine."""

    name: str
    title: str
    unit: str
    text: str
    least: float
    most: float
    raises: int
    open_below: bool = False

    def allows(self, value: float) -> bool:
        above = self.least < value if self.open_below else self.least <= value
        return above and value <= self.most and isfinite(value)

    @property
    def rule(self) -> str:
        below = f"above {self.least:g}" if self.open_below else f"{self.least:g} or more"
        return below if self.most == inf else f"{below} and at most {self.most:g}"


def _p(
    name: str,
    title: str,
    unit: str,
    text: str,
    *,
    least: float = 0.0,
    most: float = inf,
    raises: int = 1,
    open_below: bool = False,
) -> Parameter:
    return Parameter(
        name=name, title=title, unit=unit, text=text, least=least, most=most, raises=raises, open_below=open_below
    )


PARAMETERS = {
    p.name: p
    for p in (
        _p("all_in_usd", "Capital, all in", "USD", "capital with server, network, storage and installation"),
        _p("server_usd", "Server", "USD", "server"),
        _p("network_usd", "Network", "USD", "network"),
        _p("storage_usd", "Storage", "USD", "storage"),
        _p("install_usd", "Installation", "USD", "installation"),
        _p("capital_factor", "Price of capital, ×", "×", "multiple of all capital", open_below=True),
        _p(
            "cost_of_capital_per_year",
            "Cost of capital",
            "1/year",
            "cost of capital, nominal, monthly compounding",
            most=2.0,
        ),
        _p("life_months", "Life", "months", "life", least=1.0, most=600.0, raises=-1),
        _p(
            "residual_share",
            "Residual value",
            "share of capital",
            "residual value at the end of life",
            most=1.0,
            raises=-1,
        ),
        _p("gpus_per_server", "GPUs per server", "GPU", "GPUs in a server", raises=0, open_below=True),
        _p("gpus_per_rack", "GPUs per rack", "GPU", "GPUs in a rack", raises=0, open_below=True),
        _p("kw", "Power", "kW", "power at full draw", open_below=True),
        _p("power_draw_share", "Power drawn", "share", "share of that power drawn on average", most=1.0),
        _p("pue", "PUE", "×", "power usage effectiveness of the site", least=1.0, most=5.0),
        _p("electricity_usd_per_kwh", "Electricity", "USD/kWh", "electricity"),
        _p("colo_usd_per_kw_month", "Colocation", "USD/kW/month", "colocation"),
        _p("site_usd_per_mw", "Own site", "USD/MW of IT", "owner-built site"),
        _p("site_life_months", "Life of the site", "months", "life of the site", least=1.0, most=1200.0, raises=-1),
        _p("remote_hands_usd_per_server_month", "Remote hands", "USD/server/month", "remote hands"),
        _p("internet_usd_per_server_month", "Internet", "USD/server/month", "internet"),
        _p("support_usd_per_server_month", "Support", "USD/server/month", "support"),
        _p("software_usd_per_gpu_year", "Software licence", "USD/GPU/year", "software licence"),
        _p("staff_usd_per_server_month", "Staff", "USD/server/month", "staff"),
        _p("insurance_share_per_year", "Insurance", "share of capital/year", "insurance", most=1.0),
        _p("tax_rate", "Income tax", "share of profit", "income tax", most=0.95),
        _p("depreciation_months", "Depreciation", "months", "write-off for tax, the life if 0", most=600.0),
        _p(
            "observed_value_share",
            "Observed resale value",
            "share of capital",
            "what a used one brings after observed_value_months",
            most=1.0,
            raises=0,
            open_below=True,
        ),
        _p(
            "observed_value_months",
            "Age of the observed resale",
            "months",
            "age at which observed_value_share was observed",
            least=1.0,
            most=600.0,
            raises=0,
        ),
        _p(
            "sold_share",
            "Hours sold or used",
            "share of hours",
            "share of hours sold or in use",
            most=1.0,
            raises=-1,
            open_below=True,
        ),
    )
}
"""Every input by name."""
