"""API list prices by tier, and the price of a million tokens of a use.

A provider bills input, cached input, cache writes and output apart, in up to three tiers: the base (at any hour, or
off-peak), peak hours, and batches. With isl input tokens, of which a share c comes from the cache and a share w is
written to it, and osl output tokens:

    tier = (isl·((1 − c − w)·input + c·cached + w·write) + osl·output) / (isl + osl)
    live = (1 − p)·base + p·peak         p = days/7 · the share of a day's load within the peak hours
    API  = (1 − b)·live + b·batch        b = the share of the tokens that can wait

A kind without a price of its own is billed at the input price. Without a batch tier, tokens that can wait are billed at
the base price if that is below the live price.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite

from paretoken.day_curve import FLAT, DayCurve, share_within
from paretoken.errors import BadConfig

DAYS_A_WEEK = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class TierPrice:
    """USD per million tokens of each kind; None where the provider has no price of its own for it.

    `valid_from` is the first day on which the price is known to hold, "" if no source names one; `collected` the day on
    which it was read.
    """

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None
    valid_from: str = ""
    collected: str = ""
    source: str = ""
    licence: str = ""

    def usd_per_mtok(self, isl: float, osl: float, cached_share: float = 0.0, cache_write_share: float = 0.0) -> float:
        """A million tokens of a mix of isl input and osl output tokens; the shares are of the input."""
        cached = self.input if self.cached is None else self.cached
        written = self.input if self.cache_write is None else self.cache_write
        fresh = 1 - cached_share - cache_write_share
        input_usd = self.input * fresh + cached * cached_share + written * cache_write_share
        return (isl * input_usd + osl * self.output) / (isl + osl)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPrice:
    """The price of a provider for one model under one name.

    `base` holds at all hours; outside `peak_hours` where there is a `peak`. These are (start, end) in hours UTC, on
    `peak_days` days a week. `maker` marks the price of the company that made the model.
    """

    model: str
    provider: str
    name: str
    base: TierPrice
    maker: bool = False
    peak: TierPrice | None = None
    peak_hours: tuple[tuple[float, float], ...] = ()
    peak_days: int = DAYS_A_WEEK
    batch: TierPrice | None = None

    def usd_per_mtok(
        self,
        isl: float,
        osl: float,
        cached_share: float = 0.0,
        *,
        cache_write_share: float = 0.0,
        batch_share: float = 0.0,
        day: DayCurve = FLAT,
    ) -> float:
        """A million tokens of a mix of isl input and osl output tokens, billed as the module says.

        `day` is the load of each hour from midnight UTC, the same on all days.
        """

        def of(tier: TierPrice) -> float:
            return tier.usd_per_mtok(isl, osl, cached_share, cache_write_share)

        live = of(self.base)
        if self.peak:
            share = self.peak_share(day)
            live = (1 - share) * live + share * of(self.peak)
        waiting = of(self.batch) if self.batch else min(live, of(self.base))
        return (1 - batch_share) * live + batch_share * waiting

    def peak_share(self, day: DayCurve = FLAT) -> float:
        """The share of a week's tokens that is billed at the peak price."""
        return self.peak_days / DAYS_A_WEEK * share_within(day, self.peak_hours) if self.peak else 0.0

    @property
    def tier(self) -> str:
        """The name of the tier in which a task that spreads over the day is billed."""
        return "peak/off-peak" if self.peak else "standard"

    @property
    def valid_from(self) -> str:
        """The first day on which its price of live requests is known to hold; "" if no source names one."""
        return self.base.valid_from

    def by_tier(self) -> dict[str, ApiPrice]:
        """Each tier alone, as if all tokens were billed in it, by its name."""
        tiers = {"off-peak" if self.peak else "standard": self.base, "peak": self.peak, "batch": self.batch}
        return {name: replace(self, base=t, peak=None, batch=None) for name, t in tiers.items() if t is not None}


def own_price(model: str, input_usd: float, output_usd: float, cached_usd: float | None = None) -> ApiPrice:
    """A price that the user states."""
    for tokens, usd in (("input", input_usd), ("output", output_usd), ("cached input", cached_usd)):
        if usd is not None and not (usd >= 0 and isfinite(usd)):
            raise BadConfig(f"the price of {tokens} tokens is {usd} USD per million; it must be 0 or more")
    if input_usd + output_usd <= 0:
        raise BadConfig("the API is free at these prices; give its price per million tokens")
    base = TierPrice(input=input_usd, output=output_usd, cached=cached_usd, source="the command line")
    return ApiPrice(model=model, provider="stated", name=model, base=base)
