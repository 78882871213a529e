"""What a prefix cache and its tiers are worth: the same sessions without a cache, then with one tier more at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, TypedDict

from paretoken.answers.deployment_row import DeploymentRow, deployment_fields
from paretoken.answers.prediction import PredictionData
from paretoken.answers.rows import Row
from paretoken.answers.takes import takes
from paretoken.answers.trace_figures import INTERVALS, TimeQuantiles
from paretoken.answers.trace_prices import gpu_price, usd_of
from paretoken.answers.trace_question import ReplayQuestion
from paretoken.answers.trace_replays import (
    Progress,
    ReplayOutcome,
    ReplaySetting,
    few_sessions,
    read_replay,
    replay_settings,
    replayed,
)
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.errors import BadConfig
from paretoken.predict.rows import SOURCE
from paretoken.predict.traces.figures import SessionFigures
from paretoken.prices.api_table import api_prices
from paretoken.prices.cached_tokens import (
    PromptRates,
    prompt_prices,
    tier_usd_per_gb_month,
    tier_usd_per_gpu_h,
)
from paretoken.sessions.graph import SessionTrace

NO_CACHE, GPU, HOST, SSD = "none", "gpu", "host", "ssd"


@dataclass(frozen=True, kw_only=True)
class CacheWorthQuestion(ReplayQuestion):
    """What is each tier of the prefix cache worth, at one concurrency or within an SLO?

    Without a cache, with that of the GPUs, then with host memory and SSD where the question has them.
    """

    def check(self) -> None:
        """BadConfig without one load at which caches can be compared."""
        super().check()
        if len(self.concurrency) > 1 or (not self.concurrency and self.slo is None):
            raise BadConfig(
                "the worth of a cache is that at one load; state one number of concurrent sessions, or an SLO"
            )
        if not self.prefix_cache:
            raise BadConfig("the worth of a cache compares with and without one; leave the prefix cache on")


@dataclass(frozen=True, kw_only=True)
class CacheRow:
    """The sessions with the cache up to one tier: `none`, `gpu`, `host`, `ssd`.

    `saved_tokens` are prompt tokens that this tier leaves out of the computation, compared with the row before. The
    three prices per million tokens are those at which a GPU-hour earns the same without a cache and with this one; a
    hit below a computed token is what the cache saves. `tier_usd_per_gpu_h` is the most that the tier may cost for each
    GPU and hour; `tier_usd_per_gb_month` is that for each GB of it a month. Both are 0 or less where the tier gains
    nothing. None is what has no price, or is not defined for the row.
    """

    cache: str
    concurrency: int
    or_more: bool
    session_s: TimeQuantiles
    ttft_ms: TimeQuantiles
    tpot_ms: TimeQuantiles
    total_tput_per_gpu_tok_s: float
    sessions_per_gpu_h: float
    computed_tokens: int
    saved_tokens: int | None
    hit_tokens: Mapping[str, int]
    hit_share: float
    possible_hit_share: float
    usd_per_mtok: float | None
    usd_per_session: float | None
    computed_usd_per_mtok: float | None
    hit_usd_per_mtok: float | None
    output_usd_per_mtok: float | None
    tier_gb_per_gpu: float | None
    tier_usd_per_gpu_h: float | None
    tier_usd_per_gb_month: float | None


@dataclass(frozen=True, kw_only=True)
class ApiCachedPrice:
    """What a provider bills for a name of the model, USD per million tokens; `cached_share` is cached over input."""

    provider: str
    name: str
    input_usd_per_mtok: float
    cached_usd_per_mtok: float
    cached_share: float


@dataclass(frozen=True, kw_only=True)
class CacheWorthRow(DeploymentRow):
    """One deployment with each cache. `missed` are the caches with which one session alone misses the SLO."""

    usd_per_gpu_h: float | None
    price_source: str
    caches: tuple[CacheRow, ...]
    missed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CacheWorthAnswer(TypedAnswer):
    """One row for each deployment. `api` are the list prices of providers with a separate price of cached input."""

    TABLE: ClassVar[str] = "rows"
    STATED: ClassVar[Row] = {"origin": "predicted", "source": SOURCE}
    rows: tuple[CacheWorthRow, ...]
    api: tuple[ApiCachedPrice, ...]
    notes: tuple[str, ...]


@takes(CacheWorthQuestion)
def cache_worth(
    question: CacheWorthQuestion,
    data: PredictionData | None = None,
    trace: SessionTrace | None = None,
    on_progress: Progress = lambda text: None,
) -> CacheWorthAnswer:
    """Replay the trace with each cache of a question."""
    question, data, trace = read_replay(question, data, trace)
    caches = dict(_caches(question))
    settings = [[*replay_settings(variant, trace, data)] for variant in caches.values()]
    notes = [*trace.notes(), *(note for setting in settings[-1] for note in setting.notes), INTERVALS]
    rows = []
    for of_deployment in zip(*settings, strict=True):
        replays = dict[str, ReplayOutcome | None]()
        for cache, setting in zip(caches, of_deployment, strict=True):
            replays[cache] = next(replayed(setting, on_progress, cache))
        notes += few_sessions(of_deployment[-1], list(replays.values()))
        rows.append(_row(of_deployment[-1], replays, data))
    api = tuple(_api_prices(question.model))
    return CacheWorthAnswer(rows=tuple(rows), api=api, notes=tuple(dict.fromkeys(notes)))


def _caches(question: CacheWorthQuestion) -> Iterator[tuple[str, CacheWorthQuestion]]:
    """The question with each cache."""
    yield NO_CACHE, replace(question, prefix_cache=False, host_cache_gb=0.0, ssd_cache_gb=0.0)
    yield GPU, replace(question, host_cache_gb=0.0, ssd_cache_gb=0.0)
    if question.host_cache_gb:
        yield HOST, replace(question, ssd_cache_gb=0.0)
    if question.ssd_cache_gb:
        yield SSD, question


def _row(setting: ReplaySetting, replays: Mapping[str, ReplayOutcome | None], data: PredictionData) -> CacheWorthRow:
    """The row of a deployment."""
    question, server = setting.question, setting.server
    usd, source = gpu_price(question, setting.deployment.accelerator, data)
    met = [(cache, replay) for cache, replay in replays.items() if replay is not None]
    befores = [None, *(replay for _, replay in met)]
    sizes = {HOST: question.host_cache_gb, SSD: question.ssd_cache_gb}
    gb_per_gpu = {cache: gb / setting.deployment.gpus for cache, gb in sizes.items()}
    without = replays.get(NO_CACHE)
    return CacheWorthRow(
        **deployment_fields(setting.deployment, server.replicas, question.settings, data),
        usd_per_gpu_h=usd,
        price_source=source,
        caches=tuple(
            _cache_row(cache, replay, before, without, usd, gb_per_gpu.get(cache))
            for (cache, replay), before in zip(met, befores, strict=False)
        ),
        missed=tuple(cache for cache, replay in replays.items() if replay is None),
    )


def _cache_row(
    cache: str,
    replay: ReplayOutcome,
    before: ReplayOutcome | None,
    without: ReplayOutcome | None,
    usd: float | None,
    gb_per_gpu: float | None,
) -> CacheRow:
    f = replay.figures
    return CacheRow(
        cache=cache,
        concurrency=replay.users or 0,
        or_more=replay.or_more,
        session_s=TimeQuantiles.of(f.session_s),
        ttft_ms=TimeQuantiles.of(f.ttft_s, 1e3),
        tpot_ms=TimeQuantiles.of(f.tpot_s, 1e3),
        total_tput_per_gpu_tok_s=f.total_tput_per_gpu,
        sessions_per_gpu_h=f.sessions_per_gpu_h,
        computed_tokens=f.prompt_tokens - f.hits,
        saved_tokens=None if before is None else f.hits - before.figures.hits,
        hit_tokens=dict(f.hit_tokens),
        hit_share=f.hit_share,
        possible_hit_share=f.possible_share,
        tier_gb_per_gpu=gb_per_gpu,
        **usd_of(f, usd),
        **_prompt_prices(f, without, usd),
        **_tier_prices(f, before, usd, gb_per_gpu),
    )


class _PromptPrices(TypedDict):
    computed_usd_per_mtok: float | None
    hit_usd_per_mtok: float | None
    output_usd_per_mtok: float | None


def _prompt_prices(figures: SessionFigures, without: ReplayOutcome | None, usd: float | None) -> _PromptPrices:
    """The prices of a million tokens; none without a run without a cache, a price, or a hit."""
    if without is None or usd is None or not figures.hit_tput_per_gpu:
        return {"computed_usd_per_mtok": None, "hit_usd_per_mtok": None, "output_usd_per_mtok": None}
    prices = prompt_prices(usd, _rates(without.figures), _rates(figures), without.figures.prefill_share)
    return {
        "computed_usd_per_mtok": prices.computed_usd,
        "hit_usd_per_mtok": prices.hit_usd,
        "output_usd_per_mtok": prices.output_usd,
    }


class _TierPrices(TypedDict):
    tier_usd_per_gpu_h: float | None
    tier_usd_per_gb_month: float | None


def _tier_prices(
    figures: SessionFigures, before: ReplayOutcome | None, usd: float | None, gb_per_gpu: float | None
) -> _TierPrices:
    """The most that a tier may cost, against the caches without it."""
    if before is None or usd is None:
        return {"tier_usd_per_gpu_h": None, "tier_usd_per_gb_month": None}
    most = tier_usd_per_gpu_h(usd, before.figures.sessions_per_gpu_h, figures.sessions_per_gpu_h)
    monthly = None if gb_per_gpu is None else tier_usd_per_gb_month(most, gb_per_gpu)
    return {"tier_usd_per_gpu_h": most, "tier_usd_per_gb_month": monthly}


def _rates(figures: SessionFigures) -> PromptRates:
    return PromptRates(
        computed=figures.computed_tput_per_gpu, hits=figures.hit_tput_per_gpu, output=figures.output_tput_per_gpu
    )


def _api_prices(model: str) -> Iterator[ApiCachedPrice]:
    """List prices of the model with one for cached input, the maker's first."""
    offers = [price for price in api_prices() if price.model == model and price.base.cached is not None]
    for price in sorted(offers, key=lambda price: (not price.maker, price.provider, price.name)):
        cached = price.base.cached or 0.0
        yield ApiCachedPrice(
            provider=price.provider,
            name=price.name,
            input_usd_per_mtok=price.base.input,
            cached_usd_per_mtok=cached,
            cached_share=cached / price.base.input,
        )
