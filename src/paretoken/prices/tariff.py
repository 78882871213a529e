"""What a GPU-hour costs: one tier of one dated TCO set, or prices given by the user."""

from __future__ import annotations

from dataclasses import dataclass

from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig, UnknownName


@dataclass(frozen=True, slots=True)
class Tariff:
    """USD per GPU-hour and all-in kW per GPU, by accelerator id, with the set and tier they come from."""

    tco: str
    tier: str
    name: str
    usd_per_gpu_h: dict[str, float]
    kw_per_gpu: dict[str, float]
    kw_basis: str
    source: str
    date: str
    placeholders: tuple[str, ...] = ()

    @property
    def tokens_per_usd_weight(self) -> dict[str, float]:
        """1 / price: throughput times it ranks by the cheapest tokens."""
        return {name: 1 / usd for name, usd in self.usd_per_gpu_h.items()}


def tariff(catalog: Catalog, tco: str | None = None, tier: str | None = None) -> Tariff:
    """One tier of a TCO set; the newest set and its first tier unless named."""
    key = catalog.tco.id_of(tco) if tco else catalog.newest_tco()
    chosen = catalog.tco[key]
    tier = tier or next(iter(chosen.tiers))
    if tier not in chosen.tiers:
        raise UnknownName(f"tier of TCO set {key}", tier, list(chosen.tiers))
    prices = chosen.tiers[tier]
    return Tariff(
        key,
        tier,
        prices.name,
        dict(prices.usd_per_gpu_h),
        dict(chosen.kw_per_gpu),
        chosen.kw_basis,
        chosen.source,
        chosen.date,
        prices.placeholders,
    )


def tariffs(catalog: Catalog, tco: str | None = None, tiers: tuple[str, ...] | None = None) -> list[Tariff]:
    """The tiers asked for, or all tiers, of a TCO set."""
    key = catalog.tco.id_of(tco) if tco else catalog.newest_tco()
    return [tariff(catalog, key, tier) for tier in (tiers or catalog.tco[key].tiers)]


def with_prices(base: Tariff, prices: dict[str, float]) -> Tariff:
    """The tariff with the user's own prices over it, named so."""
    for name, usd in prices.items():
        if not 0 < usd < float("inf"):
            raise BadConfig(f"the price of {name} is {usd} USD per GPU-hour; it must be above 0")
    return Tariff(
        base.tco,
        f"{base.tier} + own prices",
        f"{base.name}, own prices",
        base.usd_per_gpu_h | prices,
        base.kw_per_gpu,
        base.kw_basis,
        f"{base.source}; own prices for {', '.join(prices)}",
        base.date,
        base.placeholders,
    )
