"""Whether a deployment has the memory for its weights and its requests."""

from __future__ import annotations

from dataclasses import replace

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import BadConfig
from paretoken.predict.deployment import Deployment, Lengths, node_gpus
from paretoken.predict.engine_defaults import settings_in_force
from paretoken.predict.memory import MemoryParts, memory_parts
from paretoken.predict.numbers import DeploymentNumbers

TP_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
MARGIN = 0.05
"""Share of a GPU's memory by which a stated KV cache may exceed the computed one: twice the largest difference to a
line that an engine printed (see `docs/memory.md`)."""


def kv_tokens(numbers: DeploymentNumbers[float], context: float) -> int:
    """Tokens that the KV caches of the whole deployment hold in sequences of `context` tokens."""
    sequences = numbers.memory.cache_bytes / numbers.memory.sequence_bytes(context)
    return max(int(sequences * context * numbers.layout.attention_groups * numbers.layout.stages), 0)


def sequences_that_fit(parts: MemoryParts, tokens: float, stages: int = 1) -> int:
    """Sequences of so many tokens that the KV cache of one engine holds."""
    return max(int(parts.cache_bytes * stages / parts.layout.sequence_bytes(tokens)), 0)


def require_fit(deployment: Deployment, catalog: Catalog | None = None) -> None:
    """BadConfig if weights leave no memory for a cache, or less than for the KV cache that is stated."""
    d, catalog = deployment, catalog or load_catalog()
    parts = computed_parts(d, catalog)
    if stated := d.settings.kv_tokens:
        more = memory_parts(d, catalog).cache_bytes - parts.cache_bytes
        if more > MARGIN * parts.reported_bytes:
            raise BadConfig(
                f"kv_tokens is {stated:,}, but the memory of {d.hardware} holds {parts.kv_tokens:,} tokens; check that "
                "the line is of this model, precision and kv_dtype, or state the memory_utilization of the server"
            )
    elif parts.cache_bytes <= 0:
        enough = _tp_that_fits(d, catalog)
        advice = (
            f"tp {enough} is enough" if enough else "no tp in one node is enough; use a lower precision or higher pp"
        )
        if parts.weight_bytes < parts.reported_bytes and not d.settings.memory_utilization:
            share = settings_in_force(d, catalog).memory_utilization
            advice += f"; or state the server's memory_utilization, {share:g} by default"
        raise BadConfig(
            f"{d.model} in {d.precision} does not fit {d.hardware}: {-parts.cache_bytes / 1e9:.1f} GB per GPU are "
            f"missing beside weights of {parts.weight_bytes / 1e9:.1f} GB; {advice}"
        )


def computed_parts(d: Deployment, catalog: Catalog) -> MemoryParts:
    """The memory as computed, whatever KV cache is stated."""
    return memory_parts(replace(d, settings=replace(d.settings, kv_tokens=None)), catalog)


def require_room(deployment: Deployment, lengths: Lengths, catalog: Catalog, parts: MemoryParts | None = None) -> None:
    """BadConfig if the longest request is larger than the KV cache; the last token made needs no room.

    `parts` is the memory of the deployment, where it is at hand.
    """
    parts, needed = parts or memory_parts(deployment, catalog), lengths.isl + lengths.osl - 1
    if sequences_that_fit(parts, needed, deployment.pp) < 1:
        raise BadConfig(
            f"a request of isl {lengths.isl} and osl {lengths.osl} needs {needed:,} tokens of KV cache, "
            f"{deployment.hardware} holds {parts.kv_tokens:,}: use a higher tp or pp, or shorter requests"
        )


def _tp_that_fits(d: Deployment, catalog: Catalog) -> int | None:
    """The least TP of one node, a power of two, at which the model fits; None if there is none."""
    most = node_gpus(d.accelerator, catalog)
    for tp in (n for n in TP_SIZES if d.stage_gpus < n <= most and catalog.models[d.model].heads % n == 0):
        larger = replace(d, gpus=tp * d.pp, tp=tp, ep=min(d.ep, tp))
        if computed_parts(larger, catalog).cache_bytes > 0:
            return tp
    return None
