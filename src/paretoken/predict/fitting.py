"""The fewest GPUs that hold a model and a number of requests of a given length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from paretoken.catalog.loader import Catalog
from paretoken.predict.capacity import TP_SIZES, sequences_that_fit
from paretoken.predict.deployment import Deployment, node_gpus
from paretoken.predict.memory import MemoryParts, memory_parts

LARGEST_TP, MOST_STAGES = 64, 16
"""Bounds of the sizes that are tried; our choice."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A deployment that fits, the number of its replicas, and the memory of one GPU.

    The caches of all replicas hold `users` requests at once. `longest` is the longest request that one engine's cache
    holds, tokens.
    """

    deployment: Deployment
    replicas: int
    parts: MemoryParts
    users: int
    longest: int

    @property
    def gpus(self) -> int:
        return self.deployment.gpus * self.replicas


def fewest_gpus(deployment: Deployment, tokens: int, users: int, catalog: Catalog) -> Fit | None:
    """The practical size with the fewest GPUs that holds `users` requests of `tokens` tokens; None if there is none.

    `deployment` states everything but the number of GPUs. A size is a TP within one node, or stages of whole nodes,
    with as many replicas as the users need. Between sizes with equally many GPUs, fewer stages win, then fewer
    replicas.
    """
    fits = (_replicated(d, tokens, users, catalog) for d in practical_sizes(deployment, catalog))
    return min((f for f in fits if f), key=lambda f: (f.gpus, f.deployment.pp, f.replicas), default=None)


def practical_sizes(deployment: Deployment, catalog: Catalog) -> Iterator[Deployment]:
    """Powers of two within a node that divide the heads, or the experts; then stages of the largest of these."""
    model, ranks = catalog.models[deployment.model], deployment.dp_attention
    most = min(node_gpus(deployment.accelerator, catalog), LARGEST_TP)
    sizes = [n for n in TP_SIZES if n <= most and (ranks or model.heads % n == 0)]
    if model.moe and ranks:
        experts = model.moe.experts + deployment.settings.redundant_experts
        sizes = [n for n in sizes if experts % n == 0]
    stages = range(2, min(MOST_STAGES, model.layers) + 1)
    for tp, pp in [*((tp, 1) for tp in sizes), *((sizes[-1], pp) for pp in stages)]:
        yield replace(deployment, gpus=tp * pp, tp=tp, pp=pp, ep=tp if ranks else 1)


def _replicated(d: Deployment, tokens: int, users: int, catalog: Catalog) -> Fit | None:
    """The deployment with the replicas that `users` need; None if one replica holds no request."""
    parts = memory_parts(d, catalog)
    per_replica = sequences_that_fit(parts, tokens, d.pp) * (d.stage_gpus // d.attention_tp)
    if per_replica < 1:
        return None
    replicas = -(-users // per_replica)
    longest = parts.layout.longest_sequence(parts.cache_bytes * d.pp)
    return Fit(deployment=d, replicas=replicas, parts=parts, users=per_replica * replicas, longest=longest)
