"""Disaggregated serving simulated: against a token-by-token reference, and what must hold of any run."""

from __future__ import annotations

import dataclasses
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
from paretoken.predict.simulation.sources import ClosedLoop, OpenLoop, closed_loop, poisson_loop, uniform_lengths
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
    prompts = limits.blocks(int(source.input_tokens.max()))
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


@examples(20)
@given(pool_cases())
def test_every_token_comes_out_and_every_cache_is_sent_once(case):
    pools, source, _ = case
    run = simulate_pools(*case)
    assert np.isfinite(run.last_s).all()
    assert (run.due_s <= run.prefilled_s).all() and (run.first_s <= run.last_s).all()
    assert [int(n.sum()) for _, n in run.token_times()] == run.output_tokens.tolist()
    for engine in run.engines:
        assert engine.used == engine.reserved == engine.coming == engine.batch.context == len(engine.batch) == 0
        assert not (engine.remote or engine.arrived or engine.starting or engine.waiting or engine.pending)
        assert max((e[7] for e in engine.segments), default=0) <= engine.limits.kv_blocks
    alone_s = pools.transfer.latency_s + source.input_tokens * pools.transfer.s_per_token
    assert (run.first_s - run.prefilled_s >= alone_s - 1e-9).all()
    computed = sum(e[5] for e in (s for engine in run.engines[: len(pools.prefill)] for s in engine.segments))
    assert computed == (run.input_tokens - run.cached_tokens).sum()


@pytest.mark.parametrize("accept", [1.0, 2.4])
@pytest.mark.parametrize("room", [4000, 70, 45])
def test_equals_the_reference_on_a_longer_run(accept, room):
    rng = np.random.default_rng(5)
    source = ClosedLoop(32, uniform_lengths(200, 0.8, 150, rng), uniform_lengths(150, 0.5, 150, rng), 0.00177)
    limits = SchedulerLimits(max_num_seqs=64, max_batched_tokens=256, kv_blocks=room)
    pools = WorkerPools(
        prefill=[Worker(slower(OTHER, 1 + 0.0731 * i), dataclasses.replace(limits, kv_blocks=60)) for i in range(2)],
        decode=[Worker(slower(STEP, 1 + 0.0517 * i), limits) for i in range(2)],
        transfer=KvTransfer(latency_s=0.00231, s_per_token=0.000117),
    )
    run = assert_same((pools, source, ServingOptions(0.1, accept)))
    assert (run.preemptions > 0) == (room < 4000)


def alike(senders: int, receivers: int, limits: SchedulerLimits = ROOMY, **transfer) -> WorkerPools:
    return WorkerPools(
        prefill=[Worker(OTHER, limits)] * senders,
        decode=[Worker(STEP, limits)] * receivers,
        transfer=KvTransfer(**transfer),
    )


@examples(20)
@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 3), st.floats(1.0, 100.0))
def test_a_faster_link_makes_no_first_token_later(seed, senders, links, by):
    """With decode steps of no time, so that a prompt waits for nothing but its link."""
    rng = np.random.default_rng(seed)
    inputs = rng.integers(1, 400, 40)
    source = OpenLoop(np.cumsum(rng.exponential(0.003, 40)), inputs, rng.integers(1, 20, 40))
    pools = WorkerPools(prefill=[Worker(OTHER, ROOMY)] * senders, decode=[Worker(AffineStepTime(0.0), ROOMY)])
    slow, fast = (
        simulate_pools(
            dataclasses.replace(pools, transfer=KvTransfer(latency_s=0.001, s_per_token=s, links=links)), source
        )
        for s in (1e-4, 1e-4 / by)
    )
    assert (fast.first_s <= slow.first_s + 1e-12).all()


def test_ttft_falls_with_link_speed_while_others_decode():
    source = closed_loop(24, 600, 2000, 100, ratio=0.8, seed=3, think_s=0.0005)
    means = [simulate_pools(alike(2, 2, s_per_token=s), source).ttft_s.mean() for s in (3e-5, 1e-5, 3e-6, 1e-6, 0.0)]
    assert means == sorted(means, reverse=True) and means[0] > 1.2 * means[-1]


def test_transfers_of_one_sender_queue_on_its_link_while_it_prefills_on():
    """Three prompts computed in one step: their caches follow each other; the next prompt does not wait for them."""
    step = AffineStepTime(0.0, per_prompt_token_s=0.001)
    pools = WorkerPools(
        prefill=[Worker(step, ROOMY)],
        decode=[Worker(AffineStepTime(0.0), ROOMY)],
        transfer=KvTransfer(latency_s=0.5, s_per_token=0.01),
    )
    source = OpenLoop(np.array([0.0, 0.0, 0.0, 0.1]), np.array([100, 100, 100, 50]), np.array([2, 2, 2, 2]))
    run = simulate_pools(pools, source)
    assert run.prefilled_s == pytest.approx([0.3, 0.3, 0.3, 0.35])
    assert run.first_s == pytest.approx([1.8, 2.8, 3.8, 4.3])
    two = simulate_pools(
        dataclasses.replace(pools, transfer=KvTransfer(latency_s=0.5, s_per_token=0.01, links=2)), source
    )
    assert two.first_s == pytest.approx([1.8, 1.8, 2.8, 2.3])


def test_blocks_are_reserved_before_the_transfer_and_freed_after_it():
    """Decode has room for one request at a time, and prefill for two: the third prompt waits for the first's link."""
    limits = SchedulerLimits(max_num_seqs=8, max_batched_tokens=512, kv_blocks=2, block_tokens=64)
    step = AffineStepTime(0.0, per_prompt_token_s=0.001)
    pools = WorkerPools(
        prefill=[Worker(step, limits)],
        decode=[Worker(AffineStepTime(1.0), dataclasses.replace(limits, kv_blocks=1))],
        transfer=KvTransfer(latency_s=0.5),
    )
    run = simulate_pools(pools, ClosedLoop(3, np.array([50, 50, 50]), np.array([5, 5, 5])))
    assert run.prefilled_s == pytest.approx([0.1, 0.1, 0.65])
    assert run.first_s == pytest.approx([0.6, 5.1, 9.6])
    assert run.last_s == pytest.approx([4.6, 9.1, 13.6])


def test_one_user_is_a_closed_form():
    source = closed_loop(1, 3, 1000, 200)
    run = simulate_pools(alike(1, 1, latency_s=0.01, s_per_token=1e-5), source)
    prompt_s = OTHER.per_step_s + OTHER.prefill(1000, 1000 * 1001 / 2)
    tpot_s = STEP.per_step_s + STEP.per_sequence_s + STEP.per_context_token_s * 1100
    np.testing.assert_allclose(run.ttft_s, prompt_s + 0.01 + 0.01, rtol=1e-9)
    np.testing.assert_allclose(run.tpot_s, tpot_s, rtol=1e-9)


@pytest.mark.parametrize(("users", "steps"), [(1, 0), (12, 1.1)])
def test_decode_equals_an_aggregated_engine_that_never_prefills(users, steps):
    """But that a cache on its way joins one step later."""
    source = closed_loop(users, 20 * users, 300, 400, ratio=0.8, seed=4)
    free = dataclasses.replace(STEP, per_prompt_token_s=0.0, per_pair_s=0.0)
    pools = WorkerPools(prefill=[Worker(AffineStepTime(0.0), ROOMY)], decode=[Worker(free, ROOMY)])
    apart, mixed = simulate_pools(pools, source), simulate(free, ROOMY, source, ServingOptions(prefix_hit_rate=1.0))
    assert np.median(apart.tpot_s) == pytest.approx(np.median(mixed.tpot_s), rel=1e-9 + steps / 320)


@pytest.mark.parametrize("policy", POLICIES)
def test_more_workers_never_lower_throughput(policy):
    source = closed_loop(48, 800, 1500, 200, ratio=0.8, seed=6, think_s=0.0005)
    ends = {
        (p, d): simulate_pools(
            dataclasses.replace(
                alike(p, d, latency_s=0.001, s_per_token=1e-6), prefill_router=policy, decode_router=policy
            ),
            source,
        ).last_s.max()
        for p in (1, 2, 3)
        for d in (1, 2, 3)
    }
    for (p, d), end_s in ends.items():
        for more in ((p + 1, d), (p, d + 1)):
            assert ends.get(more, 0.0) <= 1.005 * end_s


def test_the_order_of_alike_workers_changes_nothing(monkeypatch):
    source = poisson_loop(30, 400, 1000, 200, ratio=0.3, seed=7)
    pools = alike(3, 3, latency_s=0.00171, s_per_token=1e-6)
    first = simulate_pools(pools, source)

    def last_of_equals(self, load):
        worker = max(range(len(self.loads)), key=lambda i: (-self.loads[i], i))
        self.loads[worker] += load
        return worker

    monkeypatch.setattr(Router, "choose", last_of_equals)
    other = simulate_pools(pools, source)
    assert (first.engine != other.engine).any()
    np.testing.assert_allclose(first.first_s, other.first_s, rtol=1e-12)
    np.testing.assert_allclose(first.last_s, other.last_s, rtol=1e-12)


def test_routers_choose_by_load_or_in_turn():
    least, turns = Router(3, LEAST), Router(3, ROUND_ROBIN)
    assert [least.choose(n) for n in (5, 2, 4, 1, 1)] == [0, 1, 2, 1, 1]
    least.remove(0, 5)
    assert least.choose(1) == 0
    assert [turns.choose(1) for _ in range(4)] == [0, 1, 2, 0]


def test_a_disaggregated_prompt_never_delays_a_decode():
    source = closed_loop(16, 100, 2000, 100)
    apart, mixed = (
        simulate_pools(WorkerPools(prefill=[Worker(STEP, ROOMY)], decode=[Worker(STEP, ROOMY)]), source),
        simulate(STEP, ROOMY, source),
    )

    def longest_gap(run):
        return max(np.diff(times).max() for times, _ in run.token_times())

    assert longest_gap(apart) < 0.03 < STEP.prefill(2000, 2000 * 2001 / 2) < longest_gap(mixed)


BAD = {
    "above the prefill pool's": lambda: simulate_pools(
        WorkerPools(
            prefill=[Worker(STEP, SchedulerLimits(max_num_seqs=8, max_batched_tokens=512, kv_blocks=10))],
            decode=[Worker(STEP, ROOMY)],
        ),
        closed_loop(1, 1, 1000, 10),
    ),
    "needs 1,999 tokens of KV": lambda: simulate_pools(
        alike(1, 1, SchedulerLimits(max_num_seqs=8, max_batched_tokens=512, kv_blocks=100)),
        closed_loop(1, 1, 1000, 1000),
    ),
    "no workers": lambda: simulate_pools(alike(0, 1), closed_loop(1, 1, 10, 10)),
    "latency_s is -1": lambda: KvTransfer(latency_s=-1),
    "links are 0": lambda: KvTransfer(links=0),
    "router policy is 'random'": lambda: Router(2, "random"),
}


@pytest.mark.parametrize("words", BAD)
def test_what_cannot_be_simulated_is_refused(words):
    with pytest.raises(BadConfig, match=words):
        BAD[words]()


def test_no_requests_is_an_empty_run():
    run = simulate_pools(alike(2, 2), closed_loop(4, 0, 10, 10))
    assert len(run.last_s) == len(run.itl_s()) == 0 and run.requests(tokens=True).height == 0


def test_a_short_prompt_that_overtakes_a_long_one_on_its_own_link_decodes_first():
    source = OpenLoop(np.array([0.0, 0.0001]), np.array([400, 3]), np.array([5, 5]))
    run = assert_same((alike(2, 1, s_per_token=0.000117), source, ServingOptions()))
    assert run.first_s[1] < run.first_s[0] and run.last_s[1] < run.last_s[0]
