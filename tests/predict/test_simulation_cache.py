"""The prefix cache of the simulation against one that is kept block by block."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.errors import BadConfig
from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.run import ServingOptions, simulate
from paretoken.predict.simulation.sources import ClosedLoop, OpenLoop, closed_loop, session_load
from paretoken.predict.steptime import AffineStepTime
from paretoken.sessions.graph import Call, Session, Step
from paretoken.sessions.prefixes import possible_hits, tree_of_blocks
from tests.support.cache_reference import serve_with_cache
from tests.support.patience import examples

STEP = AffineStepTime(0.00513, 0.000021, 1.3e-7, 0.0000217, 1.1e-9)
CACHE = CacheOptions()


def session(rng: np.random.Generator, calls: int) -> Session:
    """A task whose calls go on with earlier ones, now and then two with the same one."""
    steps, lengths = [], []
    for i in range(calls):
        continues = int(rng.integers(-1, i)) if rng.random() < 0.3 else i - 1
        before = sum(lengths[continues]) if continues >= 0 else 0
        kept = int(rng.integers(0, before + 1)) if before and rng.random() < 0.2 else None
        opening = 0 if i else int(rng.integers(0, 12))
        prompt = int(rng.integers(1, 12)) + (before if kept is None else kept) + opening
        lengths.append((prompt, int(rng.integers(1, 20))))
        call = Call(
            input_tokens=prompt,
            output_tokens=lengths[i][1],
            continues=continues,
            kept_tokens=kept,
            opening="system" * bool(opening),
            opening_tokens=opening,
        )
        steps.append(Step(after=(continues,) if continues >= 0 else (), wait_s=rng.choice([0, 0.013]), call=call))
    return Session(name="task", steps=tuple(steps), begin_s=0.0)


@st.composite
def sources(draw, rng):
    kind = draw(st.sampled_from(["sessions", "sessions at times", "blocks", "closed"]))
    if kind == "closed":
        n = draw(st.integers(1, 16))
        return ClosedLoop(draw(st.integers(1, 8)), rng.integers(1, 50, n), rng.integers(1, 50, n))
    if kind == "blocks":
        n, size = draw(st.integers(1, 20)), draw(st.sampled_from([3, 8, 16]))
        ids = [rng.integers(0, 2, rng.integers(0, 5)).tolist() for _ in range(n)]
        inputs = np.array(
            [max(len(row) * size - int(rng.integers(0, size)) + 9 * (rng.random() < 0.2), 1) for row in ids]
        )
        outputs, due = rng.integers(1, 30, n), np.cumsum(rng.exponential(draw(st.sampled_from([0.003, 0.1])), n))
        return OpenLoop(due, inputs, outputs, prefixes=tree_of_blocks(ids, size, inputs, outputs))
    tasks = [session(rng, draw(st.integers(1, 6))) for _ in range(draw(st.integers(1, 5)))]
    if kind == "sessions":
        return session_load(tasks, users=draw(st.integers(1, 4)))
    return session_load([dataclasses.replace(task, begin_s=0.05 * i) for i, task in enumerate(tasks)])


@st.composite
def cached_cases(draw):
    """A small run whose prompts share what they begin with, with a KV cache from tight to roomy."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    source = draw(sources(rng))
    accept = draw(st.sampled_from([1.0, 1.0, 1.5, 2.63]))
    block = draw(st.sampled_from([16, 4] if accept > 1 else [16, 4, 1]))
    drafted = draw(st.sampled_from([0, 0, 3]))
    whole = source.input_tokens + source.output_tokens
    least = math.ceil((whole - 1 + math.ceil(accept) - 1 + drafted).max() / block)
    limits = SchedulerLimits(
        max_num_seqs=draw(st.integers(1, 8)),
        max_batched_tokens=draw(st.integers(1, 80)),
        receive_interval=draw(st.sampled_from([1, 1, 3])),
        kv_blocks=least + draw(st.integers(0, 40)),
        block_tokens=block,
        chunked=draw(st.booleans()),
        mixed=draw(st.booleans()),
        reserve_output=draw(st.integers(0, 3)) == 0,
        watermark=draw(st.sampled_from([0.0, 0.1, 0.5])),
        drafted_tokens=drafted,
    )
    serving = ServingOptions(acceptance_length=accept, frontend_s=draw(st.sampled_from([0.0, 0.00171])))
    return STEP, limits, source, serving


@examples(60)
@given(cached_cases())
def test_equals_a_cache_kept_block_by_block(case):
    step_time, limits, source, serving = case
    run = simulate(*case, CACHE)
    sequences, pool = serve_with_cache(step_time, limits, source, serving.acceptance, lambda _: serving.frontend_s)
    close = {"rtol": 1e-9, "atol": 1e-9}
    np.testing.assert_allclose(run.first_s, [s.first for s in sequences], **close)
    np.testing.assert_allclose(run.last_s, [s.last for s in sequences], **close)
    assert run.preempted.tolist() == [s.preempted for s in sequences]
    assert run.cached_tokens.tolist() == [pool.found[s.index] for s in sequences]
    assert run.evicted_tokens == pool.evicted * limits.block_tokens
    assert run.engines[0].segments[-1][7] >= 0 and run.engines[0].used == 0


@examples(30)
@given(cached_cases())
def test_endless_cache_finds_all_that_is_possible(case):
    step_time, limits, source, serving = case
    if getattr(source, "prefixes", None) is None:
        return
    limits = dataclasses.replace(limits, kv_blocks=100_000)
    run = simulate(step_time, limits, source, serving, CACHE)
    order = np.argsort(run.prefilled_s, kind="stable")
    possible = possible_hits(source.prefixes, order, source.input_tokens, limits.block_tokens)
    assert run.cached_tokens.sum() >= possible.sum()
    assert run.evicted_tokens == 0


def test_prompts_that_share_nothing_take_as_long_as_without_a_cache():
    source = closed_loop(users=8, requests=60, isl=300, osl=40, ratio=0.5)
    limits = SchedulerLimits(max_num_seqs=8, max_batched_tokens=512, kv_blocks=400)
    plain, cached = simulate(STEP, limits, source), simulate(STEP, limits, source, cache=CACHE)
    assert plain.last_s.tolist() == cached.last_s.tolist()
    assert cached.cached_tokens.sum() == 0 and cached.evicted_tokens > 0


def test_hit_rate_of_the_options_and_a_cache_exclude_each_other():
    source = closed_loop(users=1, requests=1, isl=10, osl=10)
    limits = SchedulerLimits(max_num_seqs=8, max_batched_tokens=512, kv_blocks=400)
    with pytest.raises(BadConfig, match="leave it at 0"):
        simulate(STEP, limits, source, ServingOptions(prefix_hit_rate=0.5), CACHE)
