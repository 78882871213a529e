"""The same work for many candidates, on several processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Progress = Callable[[int, int], None]
"""Called with how many items are done, and of how many."""


def map_all(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    processes: int | None = None,
    progress: Progress | None = None,
) -> list[Result]:
    """The results in the order of the items; `work` is a function of a module, what it takes and returns is pickled.

    By default there is a process for each core. Where processes cannot be started, as from a script without a main
    guard, this one does all the work. Errors of `work` are raised.
    """
    count = min(processes or usable_cores(), len(items))
    if count > 1:
        try:
            return _on_processes(work, items, count, progress)
        except (BrokenProcessPool, OSError):
            pass
    results = []
    for item in items:
        results.append(work(item))
        if progress:
            progress(len(results), len(items))
    return results


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _on_processes(
    work: Callable[[Item], Result], items: Sequence[Item], count: int, progress: Progress | None
) -> list[Result]:
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        futures: list[Future[Result]] = [pool.submit(work, item) for item in items]
        try:
            for done, future in enumerate(as_completed(futures), 1):
                future.result()
                if progress:
                    progress(done, len(items))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return [f.result() for f in futures]
