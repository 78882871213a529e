"""The same work for many candidates, on several processes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context
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
    on_result: Callable[[int, Result], None] | None = None,
) -> list[Result]:
    """The results in the order of the items; `work` is a function of a module, what it takes and returns is pickled.

    By default there is a process for each core. Where processes cannot be started, as from a script without a main
    guard, or where one of them is killed, this one does all the work. `on_result` gets the index of an item with its
    result, in this process and as soon as it is there, so that an interrupt loses none. Errors of `work` are raised;
    then, and at an interrupt, the processes end at once.
    """
    count = min(processes or usable_cores(), len(items))
    if count > 1:
        try:
            return _on_processes(work, items, count, progress, on_result)
        except (BrokenProcessPool, OSError):
            pass
    results = []
    for index, item in enumerate(items):
        results.append(work(item))
        if on_result:
            on_result(index, results[-1])
        if progress:
            progress(len(results), len(items))
    return results


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _on_processes(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    count: int,
    progress: Progress | None,
    on_result: Callable[[int, Result], None] | None,
) -> list[Result]:
    others = active_children()
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        with _deaf_children():
            futures: list[Future[Result]] = [pool.submit(work, item) for item in items]
        try:
            index_of = {future: index for index, future in enumerate(futures)}
            for done, future in enumerate(as_completed(futures), 1):
                result = future.result()
                if on_result:
                    on_result(index_of[future], result)
                if progress:
                    progress(done, len(items))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in [p for p in active_children() if p not in others]:
                process.terminate()
                process.join()
            raise
        return [f.result() for f in futures]


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes that start in it ignore Ctrl-C, which a terminal sends to all: the one that started them ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
