"""Cost per million tokens, energy, break-even rent, and the dated prices they rest on."""

from paretoken.prices.cost import (
    break_even_rent,
    joules_per_token,
    split_usd_per_mtok,
    tok_s_per_mw,
    usd_per_mtok,
)
from paretoken.prices.tariff import Tariff, tariff, tariffs, with_prices

__all__ = [
    "Tariff",
    "break_even_rent",
    "joules_per_token",
    "split_usd_per_mtok",
    "tariff",
    "tariffs",
    "tok_s_per_mw",
    "usd_per_mtok",
    "with_prices",
]
