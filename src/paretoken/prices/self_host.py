"""Self-hosting against an API: the cost of a million tokens and of a day on both sides, and the break-even load.

GPUs cost the same at any load, and there are enough of them for the busiest hour. At the load L of its capacity a
deployment costs as much as the API's bill. Above L it pays, if the day's curve lets it reach that mean load:

    L = own/API      own = $/M tokens at full load      L ≤ mean/max of the 24 hours

For a daily volume, the deployment is repeated until the busiest hour fits. Tokens that can wait for an API's batch tier
run in one's own quiet hours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from paretoken.day_curve import FLAT, HOURS, DayCurve, filled, load_factor
from paretoken.errors import BadConfig
from paretoken.prices.api_price import ApiPrice
from paretoken.prices.cost import SECONDS_PER_HOUR, usd_per_mtok

SECONDS_PER_DAY = SECONDS_PER_HOUR * HOURS
ROUNDING = 1e-9
"""Tolerance of a share of load and of a number of deployments, so that rounding does not undo an exact fit."""
MOST_TOKENS = 1e18
"""Tokens a day above which a volume is taken for a mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiUse:
    """The tokens of a task: mean lengths, shares of the input, and how they come. `day` is as in `day_curve`."""

    isl: float
    osl: float
    cached_share: float = 0.0
    cache_write_share: float = 0.0
    batch_share: float = 0.0
    day: DayCurve = FLAT

    def __post_init__(self) -> None:
        for name, share in (
            ("cached share of the input", self.cached_share),
            ("share of the input written to the cache", self.cache_write_share),
            ("share of the tokens that can wait", self.batch_share),
        ):
            if not 0 <= share <= 1:
                raise BadConfig(f"the {name} is {share:g}; it must be between 0 and 1")
        if self.cached_share + self.cache_write_share > 1:
            raise BadConfig(
                f"{self.cached_share:g} of the input comes from the cache and {self.cache_write_share:g} is written "
                "to it; together they must be at most 1"
            )

    @property
    def own_day(self) -> DayCurve:
        """The load of one's own GPUs: batches run in the quiet hours."""
        return filled(self.day, self.batch_share)

    def usd_per_mtok(self, price: ApiPrice) -> float:
        """What a million of its tokens cost."""
        return price.usd_per_mtok(
            self.isl,
            self.osl,
            self.cached_share,
            cache_write_share=self.cache_write_share,
            batch_share=self.batch_share,
            day=self.day,
        )


@dataclass(frozen=True, slots=True)
class OwnDeployment:
    """The GPUs that one deployment needs, what each costs an hour, and its throughput."""

    gpus: int
    usd_per_gpu_h: float
    tok_s_per_gpu: float

    @property
    def tok_s(self) -> float:
        """Tokens per second of the deployment at full load."""
        return self.gpus * self.tok_s_per_gpu


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnDay:
    """A day's tokens on one's own GPUs, of which there are enough for the busiest hour.

    `utilisation` is the mean load of their capacity, `idle_gpus` the number of them that idle in the quietest hour.
    """

    tokens_per_day: float
    deployments: int
    gpus: int
    idle_gpus: int
    utilisation: float
    usd_per_day: float
    usd_per_mtok: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfHost:
    """Self-hosting against one API price.

    `load` is the share of the day's capacity, at the stated throughput, from which self-hosting is cheaper: the
    smallest deployment then serves `tokens_per_day`. Above `most_load`, the highest that the day's curve lets GPUs
    reach, the API is cheaper at any volume. `api_usd_per_day` is the API's bill of a stated volume.
    """

    api: ApiPrice
    tier: str
    api_usd_per_mtok: float
    own_usd_per_mtok: float
    load: float
    most_load: float
    gpus: int
    tokens_per_day: float
    api_usd_per_day: float | None = None

    @property
    def pays(self) -> bool:
        return self.load <= self.most_load + ROUNDING


def self_host(
    api: ApiPrice,
    deployment: OwnDeployment,
    use: ApiUse,
    *,
    tier: str | None = None,
    tokens_per_day: float | None = None,
) -> SelfHost:
    """A deployment of one's own against the API's price for the same use."""
    api_usd = use.usd_per_mtok(api)
    own_usd = usd_per_mtok(deployment.usd_per_gpu_h, deployment.tok_s_per_gpu)
    if api_usd <= 0:
        raise BadConfig(f"{api.name} of {api.provider} is free at its prices; leave it out, no load can pay for a GPU")
    load = own_usd / api_usd
    return SelfHost(
        api=api,
        tier=tier or (f"{api.tier}, batch" if api.batch and use.batch_share else api.tier),
        api_usd_per_mtok=api_usd,
        own_usd_per_mtok=own_usd,
        load=load,
        most_load=load_factor(use.own_day),
        gpus=deployment.gpus,
        tokens_per_day=load * deployment.tok_s * SECONDS_PER_DAY,
        api_usd_per_day=None if tokens_per_day is None else tokens_per_day / 1e6 * api_usd,
    )


def own_day(deployment: OwnDeployment, tokens_per_day: float, day: DayCurve = FLAT) -> OwnDay:
    """What a day's tokens cost on one's own GPUs."""
    if not 0 < tokens_per_day <= MOST_TOKENS:
        raise BadConfig(f"the volume of a day is {tokens_per_day:g} tokens; give more than 0, at most {MOST_TOKENS:g}")
    mean_tok_s = tokens_per_day / SECONDS_PER_DAY
    of_mean = HOURS / sum(day)
    busiest, quietest = (
        ceil(mean_tok_s * weight * of_mean / deployment.tok_s - ROUNDING) for weight in (max(day), min(day))
    )
    busiest = max(busiest, 1)
    gpus = busiest * deployment.gpus
    usd = gpus * deployment.usd_per_gpu_h * HOURS
    return OwnDay(
        tokens_per_day=tokens_per_day,
        deployments=busiest,
        gpus=gpus,
        idle_gpus=gpus - quietest * deployment.gpus,
        utilisation=mean_tok_s / (busiest * deployment.tok_s),
        usd_per_day=usd,
        usd_per_mtok=usd / (tokens_per_day / 1e6),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnOrApi:
    """The decision: the cheapest comparable API, the price of the model's maker, and the cheaper side for a volume.

    `maker` is None where the maker lists no price. `cheaper` is "own" or "API", None without a volume;
    `saved_usd_per_day` is what it saves against the other.
    """

    cheapest: SelfHost
    maker: SelfHost | None
    cheaper: str | None = None
    saved_usd_per_day: float | None = None


def own_or_api(comparisons: Iterable[SelfHost], day: OwnDay | None) -> OwnOrApi:
    """The decision among comparisons at one volume, or at none."""
    ranked = cheapest_first(comparisons)
    cheapest, maker = ranked[0], next((s for s in ranked if s.api.maker), None)
    if day is None or cheapest.api_usd_per_day is None:
        return OwnOrApi(cheapest=cheapest, maker=maker)
    saved = cheapest.api_usd_per_day - day.usd_per_day
    return OwnOrApi(cheapest=cheapest, maker=maker, cheaper="own" if saved > 0 else "API", saved_usd_per_day=abs(saved))


def cheapest_first(comparisons: Iterable[SelfHost]) -> list[SelfHost]:
    """By rising API cost, so by falling load."""
    return sorted(comparisons, key=lambda s: (s.api_usd_per_mtok, s.api.provider, s.api.name, s.tier))


def cheapest_by_provider(comparisons: Iterable[SelfHost]) -> list[SelfHost]:
    """The cheapest of each provider, by rising API cost."""
    first: dict[str, SelfHost] = {}
    for s in cheapest_first(comparisons):
        first.setdefault(s.api.provider, s)
    return list(first.values())
