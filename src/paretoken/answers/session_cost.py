"""What a session of an agent costs: the price of its GPUs over the sessions that they complete in an hour."""

from __future__ import annotations

from dataclasses import dataclass

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.prices.cost import usd_per_session
from paretoken.prices.tariff import tariff


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCost:
    """USD per session, at a price of the accelerator: the tier of a price set, and the date of the set."""

    usd: float
    usd_per_gpu_h: float
    price_set: str
    tier: str
    tier_name: str
    date: str

    @property
    def basis(self) -> str:
        """Where the price is from, in words."""
        return f"{self.tier_name}, {self.date}"


def session_cost(
    accelerator: str, sessions_per_gpu_h: float | None, catalog: Catalog | None = None
) -> SessionCost | None:
    """The cost at the newest price set's first tier; None where it has no price, or no session was done."""
    prices = tariff(catalog or load_catalog())
    usd_per_gpu_h = prices.usd_per_gpu_h.get(accelerator)
    if usd_per_gpu_h is None or not sessions_per_gpu_h:
        return None
    return SessionCost(
        usd=usd_per_session(usd_per_gpu_h, sessions_per_gpu_h),
        usd_per_gpu_h=usd_per_gpu_h,
        price_set=prices.price_set,
        tier=prices.tier,
        tier_name=prices.name,
        date=prices.date,
    )
