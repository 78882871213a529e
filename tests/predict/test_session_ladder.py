"""The loads of a deployment by sessions: where they are close together, and that finer ones change little."""

from __future__ import annotations

from itertools import pairwise
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.catalog.loader import load_catalog
from paretoken.predict.configure import checked
from paretoken.predict.deployment import Deployment
from paretoken.predict.session_ladder import FULL, MOST_USERS, climb, ladder, sampled

CATALOG = load_catalog()
FINE = tuple(sorted({round(2 ** (n / 4)) for n in range(40)}))


@given(st.floats(0.01, 1e6))
def test_loads_rise_from_one_and_enclose_the_capacity(contexts):
    loads = ladder(contexts)
    assert loads[0] == 1 and loads[-1] <= MOST_USERS
    assert all(low < high <= 4 * low + 2 for low, high in pairwise(loads))
    full = min(max(FULL * contexts, 1.0), MOST_USERS)
    assert any(full / 1.5 - 0.5 <= n <= full * 1.1 + 0.5 for n in loads)  # sessions are whole


def test_later_sessions_do_not_depend_on_how_they_were_drawn():
    sample = sampled(CATALOG.session_workloads.entries["rag"], 131_072)
    few, many = sample.load(4, 8), sample.load(16, 32)
    n = len(few.input_tokens)
    assert (few.users, many.users) == (4, 16)
    assert (many.input_tokens[:n] == few.input_tokens).all()


@pytest.mark.slow
@pytest.mark.parametrize(("accelerator", "gpus"), [("H200", 1), ("B200", 2)])
def test_a_finer_ladder_stays_within_the_interval(accelerator, gpus):
    """The most that a deployment serves, by powers of the fourth root of 2."""
    sample = sampled(CATALOG.session_workloads.entries["agent-code"], 131_072)
    one = Deployment(accelerator=accelerator, model="llama-3-70b", precision="fp8", engine="vllm", gpus=gpus, tp=gpus)
    one = checked(one, CATALOG)
    best, finer = (
        max(climb(one, sample, users=users), key=lambda p: p.figures.total_tput_per_gpu) for users in (None, FINE)
    )
    low, high = best.bands["e2e"]
    assert exp(-high) <= finer.figures.total_tput_per_gpu / best.figures.total_tput_per_gpu <= exp(-low)
