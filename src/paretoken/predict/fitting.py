"""The fewest GPUs that hold a model and a number of requests of a given length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from paretoken.catalog.loader import Catalog
from paretoken.predict.capacity import TP_SIZES, sequences_that_fit
from paretoken.predict.deployment import Deployment, node_gpus
from paretoken.predict.memory import MemoryParts, memory_parts

LARGEST_TP = 64
MOST_STAGES = 16


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A deployment that fits, how many of it, and what the memory of one GPU holds.

    `users` are the requests that the caches of all replicas hold at once, `longest` the tokens of the longest request.
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
    """The least of all practical sizes, or None; `deployment` states all but the number of GPUs.

    Each size is a TP within one node, or stages of whole nodes, and replicas where `users` are more than it holds. Of
    sizes with as many GPUs it is the one with the fewest stages, then the fewest replicas.
    """
    fits = (_replicated(d, tokens, users, catalog) for d in practical_sizes(deployment, catalog))
    return min((f for f in fits if f), key=lambda f: (f.gpus, f.deployment.pp, f.replicas), default=None)


def practical_sizes(deployment: Deployment, catalog: Catalog) -> Iterator[Deployment]:
    """Powers of two within a node that divide the attention heads, then stages of the largest of them."""
    model, ranks = catalog.models[deployment.model], deployment.dp_attention
    most = min(node_gpus(deployment.accelerator, catalog), LARGEST_TP)
    sizes = [n for n in TP_SIZES if n <= most and (ranks or model.heads % n == 0)]
    if model.moe and ranks:
        sizes = [n for n in sizes if model.moe.experts % n == 0]
    for tp in sizes:
        yield replace(deployment, gpus=tp, tp=tp, ep=tp if ranks else 1)
    for pp in range(2, min(MOST_STAGES, model.layers) + 1):
        yield replace(deployment, gpus=sizes[-1] * pp, tp=sizes[-1], pp=pp, ep=sizes[-1] if ranks else 1)


def _replicated(d: Deployment, tokens: int, users: int, catalog: Catalog) -> Fit | None:
    """As many replicas as hold the users; None if one holds no request."""
    parts = memory_parts(d, catalog)
    each = sequences_that_fit(parts, tokens, d.pp) * (d.stage_gpus // d.attention_tp)
    if each < 1:
        return None
    replicas = -(-users // each)
    return Fit(deployment=d, replicas=replicas, parts=parts, users=each * replicas, longest=_longest(parts, d.pp))


def _longest(parts: MemoryParts, stages: int) -> int:
    """Tokens of the longest request that the cache of one engine holds."""
    layout, cache = parts.layout, parts.cache_bytes * stages
    spare = cache - layout.fixed_bytes
    in_window = layout.windowed_bytes * layout.window_tokens if layout.windowed_bytes else 0.0
    if spare > (layout.growing_bytes + layout.windowed_bytes) * layout.window_tokens:
        return int((spare - in_window) / layout.growing_bytes)
    return int(spare / (layout.growing_bytes + layout.windowed_bytes))
