"""Work shared by processes comes back in order, with its errors."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing import active_children, parent_process

import pytest

from paretoken.errors import BadConfig
from paretoken.plan.parallel import map_all


def square(n: int) -> int:
    if n < 0:
        raise BadConfig(f"{n} is negative")
    return n * n


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_work_is_shared_in_order(processes):
    calls = []
    assert map_all(square, range(7), processes=processes, progress=lambda *x: calls.append(x)) == [
        n * n for n in range(7)
    ]
    assert calls == [(i, 7) for i in range(1, 8)]
    with pytest.raises(BadConfig, match="-3 is negative"):
        map_all(square, [1, -3, 2], processes=processes)
    assert map_all(square, []) == []


def long_after_first(n: int) -> int:
    if n:
        time.sleep(30)
    return n


@pytest.mark.slow
def test_an_interrupt_ends_the_processes():
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    others = active_children()
    with pytest.raises(KeyboardInterrupt):
        map_all(long_after_first, range(4), processes=2, progress=interrupt)
    assert [p for p in active_children() if p not in others] == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def ignores_interrupts(n: int) -> bool:
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.slow
def test_a_terminal_interrupts_only_the_first_process():
    assert map_all(ignores_interrupts, range(2), processes=2) == [True, True]


def killed_if_a_child(n: int) -> int:
    if parent_process():
        os.kill(os.getpid(), signal.SIGKILL)
    return n


@pytest.mark.slow
def test_the_work_of_a_killed_process_is_done_here():
    assert map_all(killed_if_a_child, range(3), processes=2) == [0, 1, 2]
