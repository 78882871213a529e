"""The emulated engine: one described by figures, or a predicted deployment."""

from __future__ import annotations

from dataclasses import dataclass, replace

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.predict.deployment import Deployment, Lengths, check, check_lengths, resolve
from paretoken.predict.settings import EngineSettings
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.run import ServingOptions
from paretoken.predict.steptime import AffineStepTime, StepTime

BLOCK_TOKENS = 16
CONTEXT = 131_072
MOST_SEQUENCES, BATCHED_TOKENS, KV_TOKENS = 256, 8192, 500_000


@dataclass(frozen=True, slots=True)
class EmulatedEngine:
    """A served model: how long steps take, what bounds a batch, and the longest prompt with its answer, tokens."""

    model: str
    step_time: StepTime
    limits: SchedulerLimits
    serving: ServingOptions
    context: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOverrides:
    """Limits set by the user; None leaves one to the engine."""

    max_num_seqs: int | None = None
    max_batched_tokens: int | None = None
    kv_tokens: int | None = None
    context: int | None = None
    prefix_hits: float = 0.0
    acceptance: float | None = None


def described(step_time: AffineStepTime, overrides: EngineOverrides) -> EmulatedEngine:
    """An engine described by figures."""
    return EmulatedEngine(
        "emulated",
        step_time,
        SchedulerLimits(
            max_num_seqs=overrides.max_num_seqs or MOST_SEQUENCES,
            max_batched_tokens=overrides.max_batched_tokens or BATCHED_TOKENS,
            kv_blocks=(overrides.kv_tokens or KV_TOKENS) // BLOCK_TOKENS,
            block_tokens=BLOCK_TOKENS,
        ),
        ServingOptions(overrides.prefix_hits, overrides.acceptance or 1.0),
        overrides.context or CONTEXT,
    )


def predicted(
    deployment: Deployment, lengths: Lengths, overrides: EngineOverrides, catalog: Catalog | None = None
) -> EmulatedEngine:
    """A deployment, under any names of the catalog, as the shipped calibration predicts it at these lengths.

    Raises UnknownName, BadConfig.
    """
    from paretoken.predict.serving import served

    catalog = catalog or load_catalog()
    settings = EngineSettings(
        max_num_seqs=overrides.max_num_seqs,
        max_batched_tokens=overrides.max_batched_tokens,
        prefix_hits=overrides.prefix_hits,
    )
    deployment = resolve(replace(deployment, settings=settings), catalog)
    check(deployment, catalog)
    check_lengths(deployment, lengths, catalog)
    engine = served(deployment, lengths, catalog=catalog)
    limits, serving = engine.limits, engine.serving
    if overrides.kv_tokens:
        limits = replace(limits, kv_blocks=overrides.kv_tokens // limits.block_tokens)
    if overrides.acceptance:
        serving = replace(serving, acceptance_length=overrides.acceptance)
    context = overrides.context or catalog.models[deployment.model].max_context or CONTEXT
    return EmulatedEngine(deployment.model, engine.step_time, limits, serving, context)
