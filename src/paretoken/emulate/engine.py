"""The emulated engine: one described by figures, or a predicted deployment."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import BadConfig
from paretoken.predict.cache_tiers import cache_tiers
from paretoken.predict.deployment import Deployment, Lengths, check, check_lengths, resolve
from paretoken.predict.memory import BLOCK_TOKENS
from paretoken.predict.settings import EngineSettings
from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.pools import WorkerPools
from paretoken.predict.simulation.run import MOST_ACCEPTED, ServingOptions
from paretoken.predict.speculation import check_speculation
from paretoken.predict.steptime import AffineStepTime, StepTime

if TYPE_CHECKING:
    from paretoken.predict.calibration.file import Calibration
    from paretoken.predict.pools.layout import Pools

CONTEXT = 131_072
"""Longest request, tokens, where neither a setting nor the catalog states one."""
MOST_SEQUENCES, BATCHED_TOKENS, KV_TOKENS = 256, 8192, 500_000
"""Default limits of an engine described by figures."""
USERS = 16
"""Users of each decode worker at whose load a calibration predicts disaggregated serving."""


@dataclass(frozen=True, slots=True)
class EmulatedEngine:
    """A served model: its step time, the limits of a batch, and the longest prompt with its output, in tokens.

    With `pools` the step time and the limits are those of a decode worker. `cache` is its prefix cache, if any.
    """

    model: str
    step_time: StepTime
    limits: SchedulerLimits
    serving: ServingOptions
    context: int
    pools: WorkerPools | None = None
    cache: CacheOptions | None = None


def described(
    step_time: AffineStepTime,
    settings: EngineSettings,
    acceptance_length: float | None = None,
    speculative_tokens: int | None = None,
) -> EmulatedEngine:
    """An engine described by figures; BadConfig for a setting that no engine takes.

    It drafts the fewest tokens that allow the acceptance length, if their number is not stated.
    """
    settings.check()
    accepted = acceptance_length or 1.0
    if not 1 <= accepted <= MOST_ACCEPTED:
        raise BadConfig(f"acceptance_length is {accepted:g}; a step yields 1 to {MOST_ACCEPTED} tokens")
    if speculative_tokens is not None:
        check_speculation("mtp", speculative_tokens, accepted, "")
    return EmulatedEngine(
        "emulated",
        step_time,
        SchedulerLimits(
            max_num_seqs=settings.max_num_seqs or MOST_SEQUENCES,
            max_batched_tokens=settings.max_batched_tokens or BATCHED_TOKENS,
            kv_blocks=max((settings.kv_tokens or KV_TOKENS) // BLOCK_TOKENS, 1),
            block_tokens=BLOCK_TOKENS,
            receive_interval=settings.receive_interval,
            batch_wait=settings.batch_wait,
            drafted_tokens=speculative_tokens or ceil(accepted) - 1,
        ),
        ServingOptions(settings.prefix_hits, accepted),
        settings.max_model_len or CONTEXT,
    )


def predicted(
    deployment: Deployment,
    lengths: Lengths,
    *,
    calibration: Calibration | None = None,
    catalog: Catalog | None = None,
) -> EmulatedEngine:
    """A deployment, under any names of the catalog, as a calibration predicts it at these lengths.

    Raises UnknownName, BadConfig.
    """
    from paretoken.predict.serving import served

    catalog = catalog or load_catalog()
    deployment = resolve(deployment, catalog)
    check(deployment, catalog)
    check_lengths(deployment, lengths, catalog)
    engine = served(deployment, lengths, calibration=calibration, catalog=catalog)
    settings = deployment.settings
    context = settings.max_model_len or catalog.models[deployment.model].max_context or CONTEXT
    return EmulatedEngine(deployment.model, engine.step_time, engine.limits, engine.serving, context)


def prefix_cache(
    deployment: Deployment, catalog: Catalog, *, host_gb: float = 0.0, ssd_gb: float = 0.0
) -> CacheOptions:
    """The prefix cache of a deployment, with the policy of its engine's core, above tiers of these sizes."""
    from paretoken.predict.traces.server import cache_policy

    deployment = resolve(deployment, catalog)
    tiers = cache_tiers(deployment, catalog, host_gb=host_gb, ssd_gb=ssd_gb) if host_gb or ssd_gb else ()
    return CacheOptions(policy=cache_policy(deployment.engine, catalog), tiers=tiers)


def predicted_pools(
    pools: Pools, lengths: Lengths, *, calibration: Calibration | None = None, catalog: Catalog | None = None
) -> EmulatedEngine:
    """A disaggregated deployment as a calibration predicts it at these lengths. Raises UnknownName, BadConfig."""
    from paretoken.predict.pools.layout import checked_pools
    from paretoken.predict.pools.simulated import served_pools

    catalog = catalog or load_catalog()
    pools = checked_pools(pools, catalog)
    engine = served_pools(pools, lengths, USERS * pools.decode_workers, calibration=calibration, catalog=catalog)
    decode, settings = engine.workers.decode[0], pools.decode.settings
    context = settings.max_model_len or catalog.models[pools.model].max_context or CONTEXT
    return EmulatedEngine(pools.model, decode.step_time, decode.limits, engine.serving, context, engine.workers)
