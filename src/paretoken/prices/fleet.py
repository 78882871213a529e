"""A fleet under a power limit: GPUs, tokens a day, dollars a year."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, inf

from paretoken.errors import BadConfig

HOURS_PER_YEAR = 8760


@dataclass(frozen=True, slots=True)
class PowerLimitedFleet:
    """What fits under a power limit. `profit_usd_per_gw_year` is None without a price of tokens."""

    gpus: int
    tokens_per_day: float
    cost_usd_per_year: float
    profit_usd_per_gw_year: float | None


def fleet(
    mw: float,
    kw_per_gpu: float,
    usd_per_gpu_h: float,
    tok_s_per_gpu: float,
    serving_load: float = 1.0,
    price_usd_per_mtok: float | None = None,
) -> PowerLimitedFleet:
    """GPUs = ⌊MW·1000 / kW all-in⌋, serving a share of the hours and paid for every hour."""
    if not (0 < mw < inf and 0 < kw_per_gpu < inf):
        raise BadConfig(f"a fleet needs a finite power above 0; got {mw:g} MW and {kw_per_gpu:g} kW per GPU")
    gpus = floor(mw * 1000 / kw_per_gpu)
    per_day = gpus * tok_s_per_gpu * 86400 * serving_load
    cost = gpus * usd_per_gpu_h * HOURS_PER_YEAR
    profit = None if price_usd_per_mtok is None else (per_day * 365 / 1e6 * price_usd_per_mtok - cost) / (mw / 1000)
    return PowerLimitedFleet(gpus, per_day, cost, profit)
