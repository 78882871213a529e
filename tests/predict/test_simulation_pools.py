"""Disaggregated serving simulated: against a token-by-token reference, and what must hold of any run."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.errors import BadConfig
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.pools import Worker, WorkerPools, simulate_pools
from paretoken.predict.simulation.router import LEAST, POLICIES, ROUND_ROBIN, KvTransfer, Router
from paretoken.predict.simulation.run import ServingOptions, simulate
from paretoken.predict.simulation.sources import ClosedLoop, OpenLoop, closed_loop, poisson_loop
from paretoken.predict.steptime import AffineStepTime
from tests.predict.test_simulation import OTHER, ROOMY, STEP, cases
from tests.support.patience import examples
from tests.support.serving_reference import serve_disaggregated


def slower(step: AffineStepTime, by: float) -> AffineStepTime:
    """Step times of a worker that are no sum of another's, so that no two events of different workers are at once."""
    return AffineStepTime(*(getattr(step, f.name) * by for f in dataclasses.fields(AffineStepTime)))


@st.composite
def pool_cases(draw):
    """A small run of any kind over several workers: (pools, source, serving)."""
    step, limits, source, serving = draw(cases())
    least = limits.kv_blocks
    senders = draw(st.integers(1, 3))
    receivers = draw(st.integers(1, 3))
    prompts = -(-int(source.input_tokens.max()) // limits.block_tokens)
    prefill = [
        Worker(
            slower(OTHER, 1 + 0.0731 * i),
            dataclasses.replace(
                limits, kv_blocks=prompts + draw(st.integers(0, 12)), max_num_seqs=draw(st.integers(1, 6))
            ),
        )
        for i in range(senders)
    ]
    decode = [
        Worker(slower(step, 1 + 0.0517 * i), dataclasses.replace(limits, kv_blocks=least + draw(st.integers(0, 5))))
        for i in range(receivers)
    ]
    transfer = KvTransfer(
        latency_s=draw(st.sampled_from([0.0, 0.00231])),
        s_per_token=draw(st.sampled_from([0.0, 0.000117, 0.00319])),
        links=draw(st.integers(1, 2)),
    )
    routers = {name: draw(st.sampled_from(POLICIES)) for name in ("prefill_router", "decode_router")}
    return WorkerPools(prefill=prefill, decode=decode, transfer=transfer, **routers), source, serving


def reference(pools, source, serving):
    closed = isinstance(source, ClosedLoop)
    inputs = source.input_tokens.tolist()
    return serve_disaggregated(
        [(w.step_time, w.limits) for w in pools.prefill],
        [(w.step_time, w.limits) for w in pools.decode],
        users=source.users if closed else 0,
        due=None if closed else source.due_s.tolist(),
        inputs=inputs,
        outputs=source.output_tokens.tolist(),
        cached=[min(int(p * serving.prefix_hit_rate), p - 1) for p in inputs],
        accept=Fraction(serving.acceptance_length).limit_denominator(100),
        think=source.think_s if closed else 0.0,
        frontend=serving.frontend_s,
        stages=serving.stages,
        latency=pools.transfer.latency_s,
        per_token=pools.transfer.s_per_token,
        links=pools.transfer.links,
        turns=(pools.prefill_router == ROUND_ROBIN, pools.decode_router == ROUND_ROBIN),
    )


def assert_same(case):
    run = simulate_pools(*case)
    sequences, _ = reference(*case)
    close = {"rtol": 1e-9, "atol": 1e-9}
    np.testing.assert_allclose(run.due_s, [s.due for s in sequences], **close)
    np.testing.assert_allclose(run.first_s, [s.first for s in sequences], **close)
    np.testing.assert_allclose(run.last_s, [s.last for s in sequences], **close)
    assert run.user.tolist() == [s.user for s in sequences]
    assert run.preempted.tolist() == [s.preempted for s in sequences]
    assert run.engine.tolist() == [len(case[0].prefill) + s.decoded_at for s in sequences]
    for (times, tokens), s in zip(run.token_times(), sequences, strict=True):
        np.testing.assert_allclose(times, [at for at, _ in s.arrivals], **close)
        assert tokens.tolist() == [n for _, n in s.arrivals]
    return run


@examples(40)
@given(pool_cases())
def test_equals_the_token_by_token_reference(case):
    assert_same(case)
