"""What a GPU-hour costs: one tier of a dated price set (`catalog.tco`), or the user's own prices.

What an owner pays from the bottom up is another thing: `prices/owner`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig, UnknownName
from paretoken.plural import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """USD per GPU-hour and all-in kW per GPU, by accelerator id, with the price set and tier they come from.

    `kw_holds_pue` says that the power is at the utility's meter; else the site's losses come on top: `prices/fleet.py`.
    `own_prices` names the accelerators whose price the user states. `placeholders` names those whose price is stale in
    a market, then with its age in `stale_days`, or an estimate in a price set.
    """

    price_set: str
    tier: str
    name: str
    usd_per_gpu_h: dict[str, float]
    kw_per_gpu: dict[str, float]
    kw_basis: str
    source: str
    date: str
    placeholders: tuple[str, ...] = ()
    kw_holds_pue: bool = False
    own_prices: tuple[str, ...] = ()
    stale_days: Mapping[str, int] = field(default_factory=dict)

    @property
    def tokens_per_usd_weight(self) -> dict[str, float]:
        """1 / price: throughput times it ranks by the cheapest tokens."""
        return {name: 1 / usd for name, usd in self.usd_per_gpu_h.items()}

    def doubt(self, accelerator: str) -> str | None:
        """Why a price is not firm: `stale, newest 100 days old`, or `estimated`; None if it is."""
        if accelerator not in self.placeholders:
            return None
        days = self.stale_days.get(accelerator)
        return "estimated" if days is None else f"stale, newest {counted(days, 'day')} old"


def tariff(catalog: Catalog, price_set: str | None = None, tier: str | None = None) -> Tariff:
    """One tier of a price set; the newest set and its first tier unless named."""
    key = catalog.tco.id_of(price_set) if price_set else catalog.newest_tco()
    chosen = catalog.tco[key]
    tier = tier or next(iter(chosen.tiers))
    if tier not in chosen.tiers:
        having = [other for other, tco in catalog.tco.items() if tier in tco.tiers]
        elsewhere = f"; --tco {having[-1]} has it" if having else ""
        raise UnknownName(f"tier of TCO set {key}", tier, list(chosen.tiers), other=elsewhere.removeprefix("; "))
    prices = chosen.tiers[tier]
    return Tariff(
        price_set=key,
        tier=tier,
        name=prices.name,
        usd_per_gpu_h=dict(prices.usd_per_gpu_h),
        kw_per_gpu=dict(chosen.kw_per_gpu),
        kw_basis=chosen.kw_basis,
        source=chosen.source,
        date=chosen.date,
        placeholders=prices.placeholders,
        kw_holds_pue=chosen.kw_holds_pue,
    )


def tariffs(catalog: Catalog, price_set: str | None = None, tiers: tuple[str, ...] | None = None) -> list[Tariff]:
    """The tiers named, or all tiers, of a price set."""
    key = catalog.tco.id_of(price_set) if price_set else catalog.newest_tco()
    return [tariff(catalog, key, tier) for tier in (tiers or catalog.tco[key].tiers)]


def newest_set_with(catalog: Catalog, tier: str) -> str | None:
    """The newest price set that has a tier; None if none has it."""
    sets = [key for key, entry in catalog.tco.entries.items() if tier in entry.tiers]
    return max(sets, key=lambda key: catalog.tco[key].date, default=None)


def with_prices(base: Tariff, prices: Mapping[str, float]) -> Tariff:
    """The tariff with the user's own prices over it, named so; the tariff itself without any."""
    if not prices:
        return base
    for name, usd in prices.items():
        if not 0 < usd < float("inf"):
            raise BadConfig(f"the price of {name} is {usd} USD per GPU-hour; it must be above 0")
    return replace(
        base,
        name=f"{base.name}, own prices",
        usd_per_gpu_h={**base.usd_per_gpu_h, **prices},
        source=f"{base.source}; own prices for {', '.join(prices)}",
        placeholders=tuple(name for name in base.placeholders if name not in prices),
        own_prices=tuple(dict.fromkeys((*base.own_prices, *prices))),
    )


def at_one_rent(catalog: Catalog, rent_usd: float) -> Tariff:
    """The same stated rent for every accelerator of the catalog; power is the newest price set's."""
    priced = with_prices(tariff(catalog), dict.fromkeys(catalog.accelerators.entries, rent_usd))
    return replace(priced, name="stated rent", tier="stated", source="the command line", own_prices=())
