"""A function over many values, spread over the cores of this machine or the nodes of a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from paretoken.bench.fleet.nodes import import_ray
from paretoken.errors import BadConfig

A = TypeVar("A")
B = TypeVar("B")
CHUNKS_PER_WORKER = 4
"""More chunks than workers, so that no worker waits long for the slowest one."""


def spread(function: Callable[[A], B], values: Sequence[A], *, workers: int = 0, ray_address: str = "") -> list[B]:
    """`[function(v) for v in values]` in parallel, in the same order; `function` must be importable from a module.

    Without `ray_address` it runs on `workers` processes of this machine (0: one for each core; 1: in this process),
    with it on `workers` CPUs of the cluster (0: all). The first error is raised.
    """
    if workers < 0:
        raise BadConfig(f"workers is {workers}; give 0 for one per core, or more")
    if ray_address:
        return _by_ray(function, values, workers, ray_address)
    workers = min(workers or len(os.sched_getaffinity(0)), max(len(values), 1))
    if workers == 1:
        return [function(v) for v in values]
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return list(pool.map(function, values, chunksize=_chunk(len(values), workers)))


def _by_ray(function: Callable[[A], B], values: Sequence[A], workers: int, address: str) -> list[B]:
    ray = import_ray()
    if not ray.is_initialized():
        ray.init(address=address, log_to_driver=False, logging_level="error")
    cpus = int(ray.cluster_resources().get("CPU", 1))
    workers = min(workers or cpus, cpus)
    size = _chunk(len(values), workers)
    task = ray.remote(num_cpus=1)(_all)
    waiting = [task.remote(function, list(values[i : i + size])) for i in range(0, len(values), size)]
    return [result for chunk in cast(list[list[B]], ray.get(waiting)) for result in chunk]


def _all(function: Callable[[A], B], values: list[A]) -> list[B]:
    return [function(v) for v in values]


def _chunk(count: int, workers: int) -> int:
    return max(1, count // (workers * CHUNKS_PER_WORKER))
