"""The prefix cache of the simulation against one that is kept block by block."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.errors import BadConfig
from paretoken.predict.simulation.cache.options import CacheOptions, CacheTier
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.run import ServingOptions, simulate
from paretoken.predict.simulation.sources import ClosedLoop, OpenLoop, closed_loop, session_load
from paretoken.sessions.graph import Call, Session, Step
from paretoken.sessions.prefixes import possible_hits, tree_of_blocks
from tests.predict.test_simulation import STEP, tight_limits
from tests.support.cache_reference import CachingPool, TouchingPool, serve_with_cache, texts
from tests.support.patience import examples

CACHE = CacheOptions()


def session(rng: np.random.Generator, calls: int) -> Session:
    """A task whose calls continue earlier ones, sometimes two of them the same one."""
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
    """A small run with shared prefixes, and a KV cache from tight to roomy."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    source = draw(sources(rng))
    accept = draw(st.sampled_from([1.0, 1.0, 1.5, 2.63]))
    limits = draw(tight_limits(source.input_tokens + source.output_tokens, accept, 40))
    serving = ServingOptions(acceptance_length=accept, frontend_s=draw(st.sampled_from([0.0, 0.00171])))
    return STEP, limits, source, serving


def assert_equal_to_reference(case, options: CacheOptions):
    """The run and the pool of the reference, which agree."""
    step_time, limits, source, serving = case
    pools = {"vllm": CachingPool, "sglang": TouchingPool}
    tiers = [(tier.tokens // limits.block_tokens, tier.latency_s, tier.s_per_token) for tier in options.tiers]
    run = simulate(*case, options)
    sequences, pool = serve_with_cache(
        step_time, limits, source, serving.acceptance, lambda _: serving.frontend_s, pools[options.policy], tiers
    )
    close = {"rtol": 1e-9, "atol": 1e-9}
    np.testing.assert_allclose(run.first_s, [s.first for s in sequences], **close)
    np.testing.assert_allclose(run.last_s, [s.last for s in sequences], **close)
    assert run.preempted.tolist() == [s.preempted for s in sequences]
    hits = np.array([pool.first_hits[s.index] for s in sequences])
    assert run.cached_tokens.tolist() == hits.sum(axis=1).tolist()
    for name, tokens in zip(["gpu", *(tier.name for tier in options.tiers)], hits.T, strict=True):
        assert run.cached_by_tier[name].tolist() == tokens.tolist()
    assert run.evicted_tokens == pool.evicted * limits.block_tokens
    assert run.engines[0].used == run.engines[0].shared == 0
    return run, pool


@examples(40)
@given(cached_cases())
def test_equals_a_cache_kept_block_by_block(case):
    assert_equal_to_reference(case, CacheOptions())


@examples(25)
@given(cached_cases())
def test_equals_a_cache_whose_lookups_count_as_uses(case):
    assert_equal_to_reference(case, CacheOptions(policy="sglang"))


@st.composite
def tiers(draw):
    """One or two tiers, from none to more blocks than there are, at links from free to slow."""
    return tuple(
        CacheTier(
            name=name,
            tokens=draw(st.sampled_from([0, 40, 150, 1000])),
            s_per_token=draw(st.sampled_from([0.0, 0.00013, 0.0021])),
            latency_s=draw(st.sampled_from([0.0, 0.00317])),
        )
        for name in draw(st.sampled_from([["host"], ["host", "disk"]]))
    )


@examples(40)
@given(cached_cases(), tiers(), st.sampled_from(["vllm", "vllm", "sglang"]))
def test_equals_a_cache_with_tiers_kept_block_by_block(case, below, policy):
    assert_equal_to_reference(case, CacheOptions(policy=policy, tiers=below))


@st.composite
def one_by_one(draw):
    """(limits, source): requests far apart in time, each with a new token."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    load = session_load([session(rng, draw(st.integers(1, 6))) for _ in range(draw(st.integers(1, 5)))], users=1)
    n, block = len(load.input_tokens), draw(st.sampled_from([1, 1, 4, 16]))
    source = OpenLoop(np.arange(n) * 1e4, load.input_tokens, load.output_tokens, prefixes=load.prefixes)
    least = -(-int((load.input_tokens + load.output_tokens).max()) // block)
    limits = SchedulerLimits(
        max_num_seqs=4, max_batched_tokens=64, kv_blocks=least + draw(st.integers(0, 60)), block_tokens=block
    )
    return limits, source


@examples(40)
@given(one_by_one())
def test_endless_cache_finds_all_that_is_possible(case):
    limits, source = case
    run = simulate(STEP, dataclasses.replace(limits, kv_blocks=100_000), source, cache=CACHE)
    possible = possible_hits(source.prefixes, range(len(run.due_s)), source.input_tokens, limits.block_tokens)
    assert run.cached_tokens.tolist() == possible.tolist()
    assert run.evicted_tokens == 0


def belady_hits(rows: list[list], room: int) -> int:
    """The most hits that any cache of `room` blocks can have on these rows of blocks, one row after the other."""
    flat = [name for row in rows for name in row]
    following, last = [], {}
    for at in range(len(flat) - 1, -1, -1):
        following.append(last.get(flat[at], len(flat)))
        last[flat[at]] = at
    due, hits = {}, 0  # when each block in the cache is due next
    for name, nearest in zip(flat, reversed(following), strict=True):
        hits += name in due
        due[name] = nearest
        if len(due) > room:
            del due[max(due, key=due.__getitem__)]
    return hits


@examples(15)
@given(one_by_one())
def test_no_more_hits_than_the_best_that_knows_the_future(case):
    limits, source = case
    run, size = simulate(STEP, limits, source, cache=CACHE), limits.block_tokens
    rows = [
        [text[: end + size] for end in range(0, len(text) - size + 1, size)]
        for text in texts(source.prefixes, source.input_tokens.tolist(), source.output_tokens.tolist())
    ]
    assert run.cached_tokens.sum() <= belady_hits(rows, limits.kv_blocks) * size


@examples(40)
@given(one_by_one(), st.integers(1, 30))
def test_more_memory_never_finds_less_one_by_one(case, more):
    """LRU has the inclusion property; with requests at the same time their order, and so the uses, may change."""
    limits, source = case
    small = simulate(STEP, limits, source, cache=CACHE)
    large = simulate(STEP, dataclasses.replace(limits, kv_blocks=limits.kv_blocks + more), source, cache=CACHE)
    assert (large.cached_tokens >= small.cached_tokens).all()


@examples(40)
@given(one_by_one(), st.integers(0, 80))
def test_host_memory_at_no_cost_is_as_good_as_gpu_memory_of_its_size(case, more):
    """With blocks of one token, so that no block of GPU memory is filled in part."""
    limits, source = case
    limits = dataclasses.replace(limits, block_tokens=1, kv_blocks=limits.kv_blocks * limits.block_tokens)
    large = dataclasses.replace(limits, kv_blocks=limits.kv_blocks + more)
    host = CacheTier(name="host", tokens=large.kv_blocks, s_per_token=0.0)
    with_host = simulate(STEP, limits, source, cache=CacheOptions(tiers=(host,)))
    assert with_host.cached_tokens.tolist() == simulate(STEP, large, source, cache=CACHE).cached_tokens.tolist()
    assert with_host.load_s == {"host": 0.0}


def test_load_takes_its_latency_and_the_time_of_its_tokens():
    lengths = np.array([64, 64, 64]), np.array([1, 1, 1])
    ids = [(1, 2, 3, 4), (5, 6, 7, 8), (1, 2, 3, 9)]
    source = OpenLoop(np.array([0.0, 10.0, 20.0]), *lengths, prefixes=tree_of_blocks(ids, 16, *lengths))
    limits = SchedulerLimits(max_num_seqs=8, max_batched_tokens=512, kv_blocks=4)
    host = CacheTier(name="host", tokens=1000, s_per_token=0.001, latency_s=0.25)
    run = simulate(STEP, limits, source, cache=CacheOptions(tiers=(host,)))
    loaded_s = 0.25 + 48 * 0.001
    assert run.cached_tokens.tolist() == run.cached_by_tier["host"].tolist() == [0, 0, 48]
    assert run.cached_by_tier["gpu"].tolist() == [0, 0, 0]
    assert run.load_s == {"host": pytest.approx(loaded_s)}
    pairs = 16 * 48 + 16 * 17 // 2
    assert run.ttft_s[2] == pytest.approx(loaded_s + STEP.step(0, 0.0, 16, pairs))


def test_loads_of_one_tier_come_one_after_the_other_and_others_go_on():
    lengths = np.array([64, 64, 96, 64, 64, 32]), np.ones(6, int)
    ids = [(1, 2, 3, 4), (5, 6, 7, 8), tuple(range(20, 26)), (1, 2, 3, 9), (5, 6, 7, 10), (11, 12)]
    due_s = np.array([0.0, 10.0, 15.0, 20.0, 20.0, 20.0])
    source = OpenLoop(due_s, *lengths, prefixes=tree_of_blocks(ids, 16, *lengths))
    limits = SchedulerLimits(max_num_seqs=8, max_batched_tokens=512, kv_blocks=10)
    host = CacheTier(name="host", tokens=1000, s_per_token=0.001)
    run = simulate(STEP, limits, source, cache=CacheOptions(tiers=(host,)))
    # What the third request and the loads themselves need leaves nothing of the first two in GPU memory.
    assert run.cached_by_tier["host"].tolist() == run.cached_tokens.tolist() == [0, 0, 0, 48, 48, 0]
    assert run.ttft_s[5] < 0.048 < run.ttft_s[3] < 0.096 < run.ttft_s[4]


@pytest.mark.parametrize("names", [("gpu",), ("host", "host")])
def test_tiers_have_names_of_their_own(names):
    with pytest.raises(BadConfig, match="a name of its own"):
        CacheOptions(tiers=tuple(CacheTier(name=name, tokens=1, s_per_token=0.0) for name in names))


def test_prefixes_of_other_requests_are_refused():
    lengths = np.array([64]), np.array([1])
    tree = tree_of_blocks([(1,), (2,)], 16, np.array([16, 16]), np.array([1, 1]))
    limits = SchedulerLimits(max_num_seqs=8, max_batched_tokens=512, kv_blocks=40)
    with pytest.raises(BadConfig, match="the tree of the same requests"):
        simulate(STEP, limits, OpenLoop(np.zeros(1), *lengths, prefixes=tree), cache=CACHE)


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
