"""Which workers a search tries in a pool: sizes that engines start, with memory to work in."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from paretoken.catalog.engine_files import disaggregation_of
from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig, ParetokenError
from paretoken.predict.capacity import require_fit, require_room, sequences_that_fit
from paretoken.predict.configure import with_redundant_experts
from paretoken.predict.deployment import Deployment, Lengths, check, check_lengths, node_gpus
from paretoken.predict.engine_defaults import settings_in_force
from paretoken.predict.memory import memory_parts
from paretoken.predict.pools.layout import worker

SIZES = (1, 2, 4, 8, 16, 32, 64)
MOST_SHARED = 16
"""GPUs of a prefill worker, of one that shares the attention of each request, and of any beyond a scale-up domain."""
WEIGHTS, REQUESTS = 0.85, 2
"""Largest share of the memory that weights take, and fewest longest requests that a rank has room for."""


def worker_kinds(
    one: Deployment,
    gpus: int,
    lengths: Lengths,
    catalog: Catalog,
    *,
    prefill: bool,
    engine: str = "",
    measured: Collection[str] = (),
) -> tuple[Deployment, ...]:
    """Every worker that leaves at least one of `gpus` for the other pool and has room for requests of the lengths.

    BadConfig, with why, if there is none. Workers without `headroom` count only where no other fits. A worker that
    shares the attention stays within a scale-up domain, unless the model fits none of its kind there. `engine` is the
    disaggregated one, `measured` are workers that were published, TP8, DEP24, …: they are tried at any size.
    """
    own = replace(lengths, osl=1) if prefill else lengths
    domain, fitting = node_gpus(one.accelerator, catalog), list[Deployment]()
    problem: ParetokenError = BadConfig(f"--gpus is {gpus}; two pools need at least 2")
    for kind in ("TP", "TEP", "DP", "DEP") if catalog.models[one.model].moe else ("TP",):
        ranks, of_kind = kind in ("DP", "DEP"), list[Deployment]()
        for n in sorted({*_sizes(kind, one, catalog, prefill, engine), *_of_kind(kind, measured)}):
            if n > gpus - 1 or (n == 1 and kind != "TP") or (n > domain and of_kind and not ranks):
                continue
            try:
                of_kind.append(_checked(worker(kind, n, one), own, catalog))
            except BadConfig as e:
                problem = e
        fitting += of_kind
    if not fitting:
        raise problem
    return tuple([d for d in fitting if headroom(d, own, catalog, prefill=prefill)] or fitting)


def headroom(d: Deployment, lengths: Lengths, catalog: Catalog, *, prefill: bool) -> bool:
    """Whether a worker has memory to work in, not only to start.

    The cache of each rank holds `REQUESTS` requests and, in the prefill pool, the prompts of a step that is full.
    """
    parts = memory_parts(d, catalog)
    requests = sequences_that_fit(parts, lengths.isl + lengths.osl - 1, d.pp)
    tokens = settings_in_force(d, catalog).max_batched_tokens if prefill else 0
    enough = max(REQUESTS, (tokens or 0) // lengths.isl)
    return parts.weight_bytes <= WEIGHTS * parts.reported_bytes and requests >= enough


def _sizes(kind: str, one: Deployment, catalog: Catalog, prefill: bool, engine: str) -> Iterator[int]:
    """Powers of two that are whole nodes, or share one evenly, and need no redundant experts."""
    node, domain = catalog.accelerators[one.accelerator].gpus_per_node, node_gpus(one.accelerator, catalog)
    nodes = _most_nodes(engine)
    most = max(MOST_SHARED, domain) if kind in ("DP", "DEP") and not prefill else MOST_SHARED
    moe = catalog.models[one.model].moe
    for n in SIZES:
        uneven = n % node and node % n
        redundant = moe and kind in ("TEP", "DEP") and moe.experts % n
        if n <= most and not uneven and not redundant and (nodes is None or n <= nodes * node):
            yield n


def _most_nodes(engine: str) -> int | None:
    """Nodes of a worker that the engine documents, where it is few."""
    pools = disaggregation_of(engine) if engine else None
    return pools.launch.worker.most_nodes if pools and pools.launch else None


def _of_kind(kind: str, measured: Collection[str]) -> Iterator[int]:
    return (int(name.removeprefix(kind)) for name in measured if name.removeprefix(kind).isdigit())


def _checked(d: Deployment, lengths: Lengths, catalog: Catalog) -> Deployment:
    d = with_redundant_experts(d, catalog)
    check(d, catalog)
    require_fit(d, catalog)
    check_lengths(d, lengths, catalog)
    require_room(d, lengths, catalog)
    return d
