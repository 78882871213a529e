"""Whether a deployment has the memory for its weights and its requests."""

from __future__ import annotations

from dataclasses import replace

from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig
from paretoken.predict.deployment import Deployment, Lengths, node_gpus
from paretoken.predict.engine_defaults import settings_in_force
from paretoken.predict.memory import MemoryParts, memory_parts, weight_bytes
from paretoken.predict.numbers import DeploymentNumbers
from paretoken.predict.settings import DEFAULT, shown_name

TP_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
MARGIN = 0.05
"""Share of a GPU's memory by which a stated KV cache may exceed the computed one: twice the largest difference from a
size that an engine printed (see `docs/memory.md`)."""

MOST_APART = 8
"""Largest ratio of a stated checkpoint size to the computed one, either way: the widest format of weights has 32 bits,
the narrowest 4."""


def kv_tokens(numbers: DeploymentNumbers[float], context: float) -> int:
    """Tokens that all KV caches of a deployment hold in sequences of `context` tokens."""
    sequences = numbers.memory.cache_bytes / numbers.memory.sequence_bytes(context)
    return max(int(sequences * context * numbers.layout.attention_groups * numbers.layout.stages), 0)


def sequences_that_fit(parts: MemoryParts, tokens: float, stages: int = 1) -> int:
    """Sequences of `tokens` tokens that the KV cache of one engine holds."""
    return max(int(parts.cache_bytes * stages / parts.layout.sequence_bytes(tokens)), 0)


def require_fit(d: Deployment, catalog: Catalog) -> None:
    """BadConfig if the weights leave no memory for a KV cache, or not enough for the stated one."""
    _check_weights(d, catalog)
    parts = _computed_parts(d, catalog)
    if stated := d.settings.kv_tokens:
        excess = memory_parts(d, catalog).cache_bytes - parts.cache_bytes
        if excess > MARGIN * parts.reported_bytes:
            raise BadConfig(
                f"kv_tokens is {stated:,}, but the memory of {d.hardware} holds {parts.kv_tokens:,} tokens; check that "
                "the line is of this model, precision and kv_dtype, or state the "
                f"{shown_name('memory_utilization')} of the server"
            )
    elif parts.cache_bytes <= 0:
        enough = _tp_that_fits(d, catalog)
        advice = (
            f"tp {enough} is enough" if enough else "no tp in one node is enough; use a lower precision or higher pp"
        )
        if parts.weight_bytes < parts.reported_bytes and not d.settings.memory_utilization:
            share = settings_in_force(d, catalog).memory_utilization
            advice += f"; or state the server's {shown_name('memory_utilization')}, {share:g} by default"
        raise BadConfig(
            f"{d.model} in {d.precision} does not fit {d.hardware}: {-parts.cache_bytes / 1e9:.1f} GB per GPU are "
            f"missing beside weights of {parts.weight_bytes / 1e9:.1f} GB; {_setting_to_blame(d, catalog) or advice}"
        )


def _check_weights(d: Deployment, catalog: Catalog) -> None:
    """BadConfig for a checkpoint size that no format of the weights gives."""
    computed = weight_bytes(catalog.models[d.model], d.precision) / 1e9
    stated = d.settings.weights_gb
    if stated and not 1 / MOST_APART <= stated / computed <= MOST_APART:
        raise BadConfig(
            f"weights_gb is {stated:,.10g}, but {d.model} in {d.precision} has {computed:,.2f} GB of weights; state "
            f"the size of its checkpoint, from {computed / MOST_APART:,.1f} to {computed * MOST_APART:,.1f} GB"
        )


def _setting_to_blame(d: Deployment, catalog: Catalog) -> str:
    """Advice on the first setting whose default would make the model fit; "" if no single setting does."""
    s = d.settings
    memory, tokens = shown_name("memory_utilization"), shown_name("max_batched_tokens")
    advice = {
        "memory_utilization": f"{memory} {s.memory_utilization} leaves too little; raise it",
        "max_batched_tokens": f"steps of {tokens} {s.max_batched_tokens} take the memory; lower it",
        "max_num_seqs": f"max_num_seqs {s.max_num_seqs} takes the memory; lower it",
        "weights_gb": f"weights_gb {s.weights_gb} is more than the weights take by their shapes; check it",
        "redundant_experts": f"{s.redundant_experts} redundant_experts take the memory; use fewer, or more GPUs",
    }
    for name, text in advice.items():
        by_default = replace(d, settings=replace(s, **{name: getattr(DEFAULT, name)}))
        if by_default != d and _computed_parts(by_default, catalog).cache_bytes > 0:
            return text
    return ""


def _computed_parts(d: Deployment, catalog: Catalog) -> MemoryParts:
    """The memory as computed, without a stated KV cache."""
    return memory_parts(replace(d, settings=replace(d.settings, kv_tokens=None)), catalog)


def context_parallel_counts(d: Deployment, catalog: Catalog) -> bool:
    """Whether context parallelism changes the KV cache of a GPU; its other effects are not modelled."""
    alone = replace(d, settings=replace(d.settings, context_parallel=1))
    return memory_parts(alone, catalog).layout != memory_parts(d, catalog).layout


def require_room(deployment: Deployment, lengths: Lengths, catalog: Catalog, parts: MemoryParts | None = None) -> None:
    """BadConfig if the longest request does not fit the KV cache; the last output token is not cached.

    `parts` is the memory of the deployment, if the caller has it.
    """
    parts, needed = parts or memory_parts(deployment, catalog), lengths.isl + lengths.osl - 1
    if sequences_that_fit(parts, needed, deployment.pp) < 1:
        raise BadConfig(
            f"a request of isl {lengths.isl} and osl {lengths.osl} needs {needed:,} tokens of KV cache, "
            f"{deployment.hardware} holds {parts.kv_tokens:,}: use a higher tp or pp, or shorter requests"
        )


def _tp_that_fits(d: Deployment, catalog: Catalog) -> int | None:
    """The smallest TP within one node, a power of two, at which the model fits; None if there is none."""
    most = node_gpus(d.accelerator, catalog)
    for tp in (n for n in TP_SIZES if d.stage_gpus < n <= most and catalog.models[d.model].heads % n == 0):
        larger = replace(d, gpus=tp * d.pp, tp=tp, ep=min(d.ep, tp))
        if _computed_parts(larger, catalog).cache_bytes > 0:
            return tp
    return None
