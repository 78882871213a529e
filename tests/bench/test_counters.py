"""The use of a core that a level shows while it runs: of its busiest worker, over the last seconds."""

from __future__ import annotations

import pytest

from paretoken.bench.client import counters as c
from paretoken.bench.client.counters import LiveCounters

S = 1_000_000_000


@pytest.fixture
def counters():
    made = LiveCounters(2)
    made.cells[c.GO_NS] = 100 * S
    yield made
    made.close()


def share(counters: LiveCounters, at_s: float, *used_s: float) -> float:
    """What is shown once the workers have written at some second after the start."""
    at_ns = round(at_s * S)
    for worker, used in enumerate(used_s):
        counters.row(worker)[c.CPU_NS] = round(used * S)
        counters.row(worker)[c.CPU_AT_NS] = at_ns
    return counters.progress(100 * S + at_ns).cpu_share


def test_the_share_is_that_of_the_last_seconds_and_of_the_busiest(counters):
    assert counters.progress(100 * S).cpu_share == 0.0
    assert share(counters, 1, 0.5, 0.1) == pytest.approx(0.5)
    assert share(counters, 2, 0.6, 0.1) == pytest.approx(0.3)
    assert share(counters, 3, 1.6, 0.1) == pytest.approx(0.3)  # too soon for the next
    assert share(counters, 4, 0.8, 1.9) == pytest.approx(0.9)  # not 1.9 / 4, which is the share since the start
    assert share(counters, 6, 0.8, 2.1) == pytest.approx(0.1)


def test_a_worker_that_ended_uses_nothing(counters):
    assert share(counters, 2, 1.8, 0.2) == pytest.approx(0.9)
    counters.row(1)[c.CPU_NS], counters.row(1)[c.CPU_AT_NS] = round(0.4 * S), 5 * S
    assert counters.progress(105 * S).cpu_share == pytest.approx(0.2 / 3)
