"""Which engine is emulated: one that the user describes, or a deployment that is predicted."""

from __future__ import annotations

from dataclasses import dataclass, replace

from paretoken.catalog.loader import Catalog
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
    """What a user sets himself; None leaves it to the engine."""

    max_num_seqs: int | None = None
    max_batched_tokens: int | None = None
    kv_tokens: int | None = None
    context: int | None = None
    prefix_hits: float = 0.0
    acceptance: float | None = None


def described(step_time: AffineStepTime, bounds: EngineOverrides) -> EmulatedEngine:
    """An engine of which only figures are known."""
    limits = SchedulerLimits(
        max_num_seqs=bounds.max_num_seqs or MOST_SEQUENCES,
        max_batched_tokens=bounds.max_batched_tokens or BATCHED_TOKENS,
        kv_blocks=(bounds.kv_tokens or KV_TOKENS) // BLOCK_TOKENS,
        block_tokens=BLOCK_TOKENS,
    )
    return EmulatedEngine(
        "emulated", step_time, limits, ServingOptions(bounds.prefix_hits, bounds.acceptance or 1.0), bounds.context or CONTEXT
    )


def predicted(
    accelerator: str,
    model: str,
    precision: str,
    engine: str,
    *,
    gpus: int,
    ep: int = 1,
    dp_attention: bool = False,
    pp: int = 1,
    date: str | None = None,
    isl: int,
    osl: int,
    bounds: EngineOverrides,
    catalog: Catalog | None = None,
) -> EmulatedEngine:
    """A deployment of `pp` stages of `gpus` GPUs each, as the shipped calibration predicts it at these lengths.

    Raises UnknownName, BadConfig.
    """
    from paretoken.catalog.loader import load_catalog
    from paretoken.predict.deployment import Deployment, Lengths, check, check_lengths, resolve
    from paretoken.predict.serving import served

    catalog = catalog or load_catalog()
    deployment = resolve(
        Deployment(accelerator=accelerator, model=model, precision=precision, engine=engine, gpus=gpus * pp, tp=gpus, ep=ep, dp_attention=dp_attention, date=date, pp=pp), catalog
    )
    check(deployment, catalog)
    lengths = Lengths(isl, osl)
    check_lengths(deployment, lengths, catalog)
    given = {k: getattr(bounds, k) for k in ("max_num_seqs", "max_batched_tokens") if getattr(bounds, k)}
    found = served(deployment, lengths, catalog=catalog, prefix_hit_rate=bounds.prefix_hits, **given)
    limits, serving = found.limits, found.serving
    if bounds.kv_tokens:
        limits = replace(limits, kv_blocks=bounds.kv_tokens // limits.block_tokens)
    if bounds.acceptance:
        serving = replace(serving, acceptance_length=bounds.acceptance)
    longest = bounds.context or catalog.models[deployment.model].max_context or CONTEXT
    return EmulatedEngine(deployment.model, found.step_time, limits, serving, longest)
