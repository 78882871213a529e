"""The simulation against a token-by-token reference, closed forms and queueing theory."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.errors import BadConfig
from paretoken.points.requests import REQUEST_SCHEMA
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.run import ServingOptions, simulate
from paretoken.predict.simulation.sources import ClosedLoop, OpenLoop, closed_loop, poisson_loop, uniform_lengths
from paretoken.predict.steptime import AffineStepTime
from tests.support.patience import examples
from tests.support.serving_reference import serve

STEP = AffineStepTime(0.00513, 0.000021, 1.3e-7, 0.0000217, 1.1e-9)
OTHER = AffineStepTime(0.003718, 0.0000173, 0.9e-7, 0.0000131, 0.7e-9)  # no sum of its times is one of STEP's
ROOMY = SchedulerLimits(max_num_seqs=256, max_batched_tokens=8192, kv_blocks=100_000)


@st.composite
def tight_limits(draw, tokens, accept: float, spare_blocks: int, **more):
    """Limits of any kind for requests of these `tokens`, with a KV cache from just enough to `spare_blocks` above."""
    block, drafted = (
        draw(st.sampled_from([16, 4] if accept > 1 else [16, 4, 1])),
        draw(st.sampled_from([0, 0, 1, 3, 8])),
    )
    least = math.ceil((tokens - 1 + math.ceil(accept) - 1 + drafted).max() / block)
    return SchedulerLimits(
        max_num_seqs=draw(st.integers(1, 8)),
        max_batched_tokens=draw(st.integers(1, 80)),
        receive_interval=draw(st.integers(1, 4)),
        kv_blocks=least + draw(st.integers(0, spare_blocks)),
        block_tokens=block,
        chunked=draw(st.booleans()),
        mixed=draw(st.booleans()),
        reserve_output=draw(st.integers(0, 3)) == 0,
        watermark=draw(st.sampled_from([0.0, 0.1, 0.5])),
        drafted_tokens=drafted,
        **more,
    )


@st.composite
def cases(draw):
    """A small run of any kind: (step time, limits, source, serving), with a KV cache from tight to roomy."""
    n = draw(st.integers(1, 24))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    inputs = rng.integers(1, draw(st.integers(2, 60)), n)
    outputs = rng.integers(1, draw(st.integers(2, 60)), n)
    accept = draw(st.sampled_from([1.0, 1.0, 1.5, 2.63]))
    limits = draw(tight_limits(inputs + outputs, accept, 30, batch_wait=draw(st.integers(0, 3))))
    if draw(st.booleans()):
        source = ClosedLoop(draw(st.integers(1, 12)), inputs, outputs, draw(st.sampled_from([0.0, 0.01713])))
    else:
        source = OpenLoop(np.cumsum(rng.exponential(draw(st.sampled_from([0.001, 0.03, 0.3])), n)), inputs, outputs)
    serving = ServingOptions(
        prefix_hit_rate=draw(st.sampled_from([0.0, 0.37, 1.0])),
        acceptance_length=accept,
        frontend_s=draw(st.sampled_from([0.0, 0.00171])),
        stages=draw(st.sampled_from([1, 1, 3])),
    )
    return STEP, limits, source, serving


def reference(step_time, limits, source, serving):
    closed = isinstance(source, ClosedLoop)
    inputs, outputs = source.input_tokens.tolist(), source.output_tokens.tolist()
    return serve(
        step_time,
        limits,
        users=source.users if closed else 0,
        due=None if closed else source.due_s.tolist(),
        inputs=inputs,
        outputs=outputs,
        cached=[min(int(p * serving.prefix_hit_rate), p - 1) for p in inputs],
        accept=Fraction(serving.acceptance_length).limit_denominator(100),
        think=source.think_s if closed else 0.0,
        frontend=serving.frontend_s,
        stages=serving.stages,
    )


def assert_same(case):
    run = simulate(*case)
    sequences, _ = reference(*case)
    close = {"rtol": 1e-9, "atol": 1e-9}
    np.testing.assert_allclose(run.due_s, [s.due for s in sequences], **close)
    np.testing.assert_allclose(run.first_s, [s.first for s in sequences], **close)
    np.testing.assert_allclose(run.last_s, [s.last for s in sequences], **close)
    assert run.user.tolist() == [s.user for s in sequences]
    assert run.preempted.tolist() == [s.preempted for s in sequences]
    for (times, tokens), s in zip(run.token_times(), sequences, strict=True):
        np.testing.assert_allclose(times, [at for at, _ in s.arrivals], **close)
        assert tokens.tolist() == [n for _, n in s.arrivals]
    return run


@examples(20)
@given(cases())
def test_equals_the_token_by_token_reference(case):
    assert_same(case)


@examples(20)
@given(cases())
def test_every_token_comes_out_and_every_block_comes_back(case):
    run = simulate(*case)
    assert np.isfinite(run.last_s).all()
    assert (run.due_s <= run.first_s).all() and (run.first_s <= run.last_s).all()
    assert [int(n.sum()) for _, n in run.token_times()] == run.output_tokens.tolist()
    for engine in run.engines:
        assert engine.used == engine.batch.context == len(engine.batch) == sum(engine.batch.phase) == 0
        assert max((e[7] for e in engine.segments), default=0) <= engine.limits.kv_blocks
        assert max((e[4] for e in engine.segments), default=0) <= engine.limits.max_num_seqs


@pytest.mark.parametrize("kv_blocks", [800, 90, 60])
@pytest.mark.parametrize("accept", [1.0, 2.4])
def test_equals_the_reference_on_a_longer_run(kv_blocks, accept):
    rng = np.random.default_rng(5)
    source = ClosedLoop(32, uniform_lengths(200, 0.8, 150, rng), uniform_lengths(150, 0.5, 150, rng))
    run = assert_same(
        (
            STEP,
            SchedulerLimits(max_num_seqs=64, max_batched_tokens=256, kv_blocks=kv_blocks),
            source,
            ServingOptions(0.1, accept),
        )
    )
    assert (run.preemptions > 0) == (kv_blocks < 800)


def halved(part: str) -> AffineStepTime:
    return dataclasses.replace(STEP, **{part: getattr(STEP, part) / 2})


@settings(max_examples=60, deadline=None)
@given(cases(), st.sampled_from([f.name for f in dataclasses.fields(AffineStepTime)]))
def test_faster_hardware_is_never_slower(case, part):
    """With everyone there from the start, what is in a step does not hang on how long steps take."""
    step_time, limits, source, serving = case
    source = ClosedLoop(7, source.input_tokens, source.output_tokens)
    serving = ServingOptions(serving.prefix_hit_rate, serving.acceptance_length)
    slow = simulate(step_time, limits, source, serving)
    fast = simulate(halved(part), limits, source, serving)
    assert (fast.last_s <= slow.last_s + 1e-12).all() and (fast.first_s <= slow.first_s + 1e-12).all()


def test_time_scales_with_the_hardware():
    source = closed_loop(8, 40, 300, 200, ratio=0.8, seed=3)
    twice = AffineStepTime(*(2 * getattr(STEP, f.name) for f in dataclasses.fields(AffineStepTime)))
    limits = SchedulerLimits(max_num_seqs=64, max_batched_tokens=512, kv_blocks=150)
    np.testing.assert_allclose(simulate(twice, limits, source).last_s, 2 * simulate(STEP, limits, source).last_s)


def test_one_user_is_a_closed_form():
    isl, osl, budget, hit = 1000, 500, 256, 0.3
    run = simulate(
        STEP,
        SchedulerLimits(max_num_seqs=8, max_batched_tokens=budget, kv_blocks=1000),
        closed_loop(1, 3, isl, osl),
        ServingOptions(prefix_hit_rate=hit),
    )
    new = isl - int(isl * hit)
    pairs = isl * (isl + 1) / 2 - (isl - new) * (isl - new + 1) / 2
    ttft = math.ceil(new / budget) * STEP.per_step_s + STEP.prefill(new, pairs)
    mean_context = isl + osl / 2  # contexts isl + 1 … isl + osl − 1
    tpot = STEP.per_step_s + STEP.per_sequence_s + STEP.per_context_token_s * mean_context
    np.testing.assert_allclose(run.ttft_s, ttft, rtol=1e-9)
    np.testing.assert_allclose(run.tpot_s, tpot, rtol=1e-9)
    np.testing.assert_allclose(run.e2e_s, ttft + tpot * (osl - 1), rtol=1e-9)
    assert run.cached_tokens.tolist() == [isl - new] * 3


def test_infinite_hardware_leaves_the_overhead():
    run = simulate(
        AffineStepTime(0.002),
        SchedulerLimits(max_num_seqs=64, max_batched_tokens=1000, kv_blocks=10_000),
        closed_loop(10, 30, 2500, 100),
    )
    assert run.tpot_s == pytest.approx(0.002)
    assert run.last_s[-1] == pytest.approx(0.002 * round(run.last_s[-1] / 0.002))
    free = simulate(
        AffineStepTime(0.0),
        SchedulerLimits(max_num_seqs=64, max_batched_tokens=1000, kv_blocks=10_000),
        poisson_loop(5, 30, 100, 10),
    )
    np.testing.assert_array_equal(free.last_s, free.due_s)


def waits(service_s: np.ndarray, load: float, per_token_s: float, seed: int = 1):
    """A one-at-a-time server under Poisson arrivals: mean wait simulated, and what Pollaczek-Khinchine says."""
    rng = np.random.default_rng(seed)
    rate = load / service_s.mean()
    due = np.cumsum(rng.exponential(1 / rate, len(service_s)))
    tokens = np.rint(service_s / per_token_s).astype(np.int64)
    limits = SchedulerLimits(max_num_seqs=1, max_batched_tokens=int(tokens.max()) + 1, kv_blocks=int(tokens.max()) + 1)
    run = simulate(AffineStepTime(0, per_prompt_token_s=per_token_s), limits, OpenLoop(due, tokens, tokens * 0 + 1))
    waited = run.ttft_s - tokens * per_token_s
    return waited.mean(), rate * (service_s**2).mean() / (2 * (1 - load))


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_queues_as_an_m_d_1_server(load):
    wait_s, theory_s = waits(np.full(60_000, 0.05), load, 0.001)
    assert wait_s == pytest.approx(theory_s, rel=0.05)


@pytest.mark.parametrize("load", [0.3, 0.6])
def test_queues_as_an_m_m_1_server(load):
    service = np.random.default_rng(2).exponential(0.5, 60_000).clip(0.001)
    wait_s, theory_s = waits(service, load, 0.001)
    assert wait_s == pytest.approx(theory_s, rel=0.05)
    assert theory_s == pytest.approx(load / (1 - load) * 0.5, rel=0.05)


def test_littles_law():
    run = simulate(
        STEP,
        SchedulerLimits(max_num_seqs=48, max_batched_tokens=2048, kv_blocks=20_000),
        poisson_loop(5, 4000, 500, 300, ratio=0.5, seed=4),
    )
    timeline = run.timeline()
    ends = np.append(timeline["time_s"].to_numpy()[1:], run.last_s.max())
    steps = run.engines[-1]
    spent = np.array([m * f + d * (m * (m - 1) // 2) if m else f for _, m, f, d, *_ in steps.segments])
    assert (ends - timeline["time_s"].to_numpy() >= spent - 1e-9).all()
    # Sequence-seconds in the batch are the time that each request spent between its first and last token.
    assert (timeline["batch"].to_numpy() * spent).sum() == pytest.approx((run.last_s - run.first_s).sum())
    window = (run.due_s > 100) & (run.last_s < run.due_s[-1])
    mean_present = run.e2e_s.sum() / run.last_s.max()
    assert mean_present == pytest.approx(5 * run.e2e_s[window].mean(), rel=0.03)


def test_closed_loop_keeps_its_users_busy():
    run = simulate(STEP, ROOMY, closed_loop(16, 800, 300, 200, ratio=0.8, seed=8))
    middle = (run.due_s > 0) & (run.last_s < run.due_s[-1])
    rate = middle.sum() / (run.last_s[middle].max() - run.due_s[middle].min())
    assert rate * run.e2e_s[middle].mean() == pytest.approx(16, rel=0.03)
    by_user = [run.due_s[run.user == u] for u in range(16)]
    assert all((np.diff(d) > 0).all() for d in by_user)


def test_out_of_blocks_throughput_stalls_and_waits_grow():
    few, many = (
        simulate(
            STEP,
            SchedulerLimits(max_num_seqs=256, max_batched_tokens=8192, kv_blocks=1500),
            closed_loop(users, 600, 500, 300, seed=1),
        )
        for users in (24, 256)
    )
    assert many.preemptions > few.preemptions == 0
    assert np.median(many.ttft_s) > 10 * np.median(few.ttft_s)
    assert max(e[7] for e in many.engines[0].segments) > 0.95 * 1500


def test_booked_output_waits_instead_of_being_preempted():
    source = closed_loop(256, 600, 500, 300, ratio=0.8, seed=1)
    evicting, booking = (
        simulate(
            STEP, SchedulerLimits(max_num_seqs=256, max_batched_tokens=8192, kv_blocks=1500, reserve_output=b), source
        )
        for b in (False, True)
    )
    assert evicting.preemptions > booking.preemptions == 0
    assert booking.engines[0].reserved == 0
    batch = [run.timeline()["batch"].max() for run in (evicting, booking)]
    assert batch[1] <= 1500 * 16 // (400 + 240) and batch[1] < batch[0]


def test_the_record_is_that_of_a_measured_run():
    from paretoken.bench.stats.metrics import sample

    run = simulate(
        STEP,
        SchedulerLimits(max_num_seqs=16, max_batched_tokens=512, kv_blocks=220),
        closed_loop(8, 60, 300, 200, ratio=0.8, seed=2),
        ServingOptions(0.25),
    )
    frame = run.requests(tokens=True)
    assert dict(frame.schema) == REQUEST_SCHEMA and frame["status"].unique().to_list() == ["ok"]
    samples = sample(frame)
    order = np.argsort(run.due_s, kind="stable")
    np.testing.assert_allclose(samples.ttft_s, run.ttft_s[order], atol=2e-9)
    np.testing.assert_allclose(samples.tpot_s, run.tpot_s[order], atol=2e-9)
    itl = samples.chunks.itl(np.ones(len(samples.chunks.at_ns), dtype=bool))
    np.testing.assert_allclose(np.sort(itl), np.sort(run.itl_s()), atol=2e-9)
    assert samples.chunks.tokens.sum() == run.output_tokens.sum()
    assert frame["index"].to_list() == list(range(60))
    assert run.requests()["chunk_ns"].list.len().sum() == 0
    assert np.isin(run.cached_tokens, run.input_tokens // 4).all()


def test_lengths_are_what_was_asked_and_the_seed_decides():
    a, b, other = (closed_loop(4, 500, 1000, 100, ratio=0.8, seed=s) for s in (7, 7, 8))
    assert (a.input_tokens == b.input_tokens).all() and (a.input_tokens != other.input_tokens).any()
    assert a.input_tokens.min() >= 800 and a.input_tokens.max() <= 1000
    assert a.input_tokens.mean() == pytest.approx(900, rel=0.02)
    first, again = simulate(STEP, ROOMY, a), simulate(STEP, ROOMY, b)
    np.testing.assert_array_equal(first.last_s, again.last_s)


BAD = {
    "needs 1,999 tokens of KV": lambda: simulate(
        STEP, SchedulerLimits(max_num_seqs=8, max_batched_tokens=512, kv_blocks=100), closed_loop(1, 1, 1000, 1000)
    ),
    "max_num_seqs is 0": lambda: SchedulerLimits(max_num_seqs=0, max_batched_tokens=512, kv_blocks=100),
    "watermark is 1": lambda: SchedulerLimits(max_num_seqs=8, max_batched_tokens=512, kv_blocks=100, watermark=1.0),
    "0 users": lambda: closed_loop(0, 1, 10, 10),
    "think time": lambda: closed_loop(1, 1, 10, 10, think_s=-1),
    "rate is 0": lambda: poisson_loop(0, 1, 10, 10),
    "in order": lambda: OpenLoop(np.array([1.0, 0.5]), np.array([1, 1]), np.array([1, 1])),
    "2 due times for 1 request": lambda: OpenLoop(np.array([0.0, 1.0]), np.array([1]), np.array([1])),
    "no output tokens": lambda: ClosedLoop(1, np.array([1]), np.array([0])),
    "of shape": lambda: ClosedLoop(1, np.array([1]), np.array([1, 2])),
    "ratios in": lambda: closed_loop(1, 1, 10, 10, ratio=0),
    "prefix hit rate is 1.5": lambda: ServingOptions(prefix_hit_rate=1.5),
    "acceptance length is 0.5": lambda: ServingOptions(acceptance_length=0.5),
    "KV block": lambda: simulate(
        STEP,
        SchedulerLimits(max_num_seqs=8, max_batched_tokens=512, kv_blocks=99, block_tokens=2),
        closed_loop(1, 1, 9, 9),
        ServingOptions(acceptance_length=3),
    ),
    "frontend time": lambda: ServingOptions(frontend_s=-1),
}


@pytest.mark.parametrize("words", BAD)
def test_what_cannot_be_simulated_is_said(words):
    with pytest.raises(BadConfig, match=words):
        BAD[words]()


def test_no_requests_is_an_empty_run():
    run = simulate(STEP, ROOMY, closed_loop(4, 0, 10, 10))
    assert (
        len(run.last_s) == len(run.itl_s()) == 0
        and run.requests(tokens=True).height == 0
        and run.timeline().height == 0
    )
