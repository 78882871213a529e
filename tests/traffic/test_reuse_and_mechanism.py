"""Prefix reuse by the size of the cache against the simulated cache of an engine, for the same sessions."""

from __future__ import annotations

import numpy as np
import pytest

from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.run import simulate
from paretoken.predict.steptime import AffineStepTime
from paretoken.predict.traces.load import load_of
from paretoken.traffic.reuse import reuse
from paretoken.traffic.sessions import traffic_of_sessions
from tests.support.recorded_sessions import chain, growing, trace_of

STEP = AffineStepTime(per_step_s=0.005, per_sequence_s=1e-4, per_context_token_s=1e-7, per_prompt_token_s=2e-5)


@pytest.fixture(scope="module")
def sessions():
    rng = np.random.default_rng(0)
    begins = np.cumsum(rng.exponential(4.0, 300))
    return [
        chain(
            growing(int(rng.integers(2, 12)), start=int(rng.integers(500, 4000)), added=int(rng.integers(100, 1500))),
            name=str(number),
            begin_s=float(begin),
            tool_s=float(rng.exponential(20.0)),
            call_s=1.0,
        )
        for number, begin in enumerate(begins)
    ]


@pytest.mark.parametrize("kv_tokens", [20_000, 40_000, 80_000, 160_000, 400_000])
def test_the_closed_form_is_near_the_mechanism(sessions, kv_tokens):
    """Within 0.02 of the prompt tokens with all memory; what running calls hold makes it a little less, within 0.04."""
    limits = SchedulerLimits(max_num_seqs=256, max_batched_tokens=8192, kv_blocks=kv_tokens // 16)
    run = simulate(STEP, limits, load_of(sessions, users=None, idle_cap_s=None), cache=CacheOptions())
    mechanism = run.cached_tokens.sum() / run.input_tokens.sum()
    traffic = traffic_of_sessions(trace_of(sessions))
    closed = reuse(traffic)
    assert closed is not None
    assert closed.hit_share(kv_tokens) == pytest.approx(mechanism, abs=0.02)
    running = run.e2e_s.sum() / run.last_s.max() * (traffic.input_tokens + traffic.output_tokens / 2).mean()
    less = closed.hit_share(kv_tokens - running)
    assert mechanism - 0.04 < less < mechanism + 0.01
