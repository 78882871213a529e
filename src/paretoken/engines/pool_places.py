"""Where the workers of a pool run: placeholder hosts, GPUs of a node, and ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from paretoken.catalog.disaggregation import worker_nodes
from paretoken.catalog.loader import Catalog
from paretoken.catalog.pool_recipe import PoolRecipe
from paretoken.catalog.recipe import Value
from paretoken.engines.command import fill
from paretoken.errors import BadConfig
from paretoken.plural import counted

ROUTER = "ROUTER_HOST"
_FIRST_PORTS = {"bootstrap_port": 8998, "side_port": 5600, "handshake_port": 6301, "notify_port": 61005}
"""KV cache transfer ports of the first worker on a host; those of each next worker are 100 higher."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolWorkers:
    """The equal workers of one pool. A worker has `gpus` GPUs in `pp` stages, of which `tp` share a request.

    `set` holds further parameters of the recipe by our names: kv_dtype, gpu_memory, max_num_seqs, …
    """

    accelerator: str
    gpus: int
    tp: int
    workers: int = 1
    ep: int = 1
    pp: int = 1
    dp_attention: bool = False
    set: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPlace:
    """Where a worker runs: its hosts, the GPUs that it takes of each, and its place among the workers on a host.

    `devices` are the numbers of these GPUs, none if they are all of a host.
    """

    number: int
    hosts: tuple[str, ...]
    gpus: int
    slot: int
    devices: tuple[int, ...]

    def ports(self, http: int) -> dict[str, str]:
        """Ports by name, for a recipe whose first worker on a host answers on `http`."""
        transfer = {name: str(first + 100 * self.slot) for name, first in _FIRST_PORTS.items()}
        return {"port": str(http + self.slot), **transfer}


def worker_places(
    pool: str, workers: PoolWorkers, recipe: PoolRecipe, name: str, catalog: Catalog
) -> list[WorkerPlace]:
    """Where each worker of a pool runs: on whole nodes, or several on one. BadConfig for what is not documented."""
    accelerator = catalog.accelerators[workers.accelerator]
    node, nodes = accelerator.gpus_per_node, worker_nodes(pool, workers.gpus, workers.accelerator, accelerator)
    most = recipe.worker.most_nodes
    if most and nodes > most:
        raise BadConfig(
            f"{name} documents workers of {counted(most, 'node')}, at most {most * node} GPUs of "
            f"{workers.accelerator}; this {pool} worker has {workers.gpus}"
        )
    if workers.dp_attention and workers.tp > 1 and recipe.worker.own_requests:
        raise BadConfig(
            f"{name} gives each GPU its own requests with attention data parallelism; this {pool} worker has "
            f"groups of {counted(workers.tp, 'GPU')}"
        )
    on_node, gpus = max(node // workers.gpus, 1), workers.gpus // nodes
    return [
        WorkerPlace(
            number=i + 1,
            hosts=tuple(f"{pool.upper()}_HOST_{i // on_node * nodes + n + 1}" for n in range(nodes)),
            gpus=gpus,
            slot=i % on_node,
            devices=tuple(range(i % on_node * gpus, (i % on_node + 1) * gpus)) if gpus < node else (),
        )
        for i in range(workers.workers)
    ]


def filled(text: str, places: Mapping[str, str]) -> str:
    """A text with the words for its places and the router's host."""
    return fill(text, {"router": ROUTER, **places})
