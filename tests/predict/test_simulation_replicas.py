"""Replicas behind a router: against single engines, and what each way of routing promises."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.errors import BadConfig
from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.pools import Worker
from paretoken.predict.simulation.replicas import simulate_replicas
from paretoken.predict.simulation.router import LEAST, PREFIX, ROUND_ROBIN, ROUTING, PrefixAffinity, PrefixRouter
from paretoken.predict.simulation.run import ServingOptions, simulate
from paretoken.predict.simulation.sources import OpenLoop, closed_loop, session_load
from paretoken.sessions.graph import Call, Session, Step
from paretoken.sessions.prefixes import possible_hits
from tests.predict.test_session_feed import LIMITS
from tests.predict.test_simulation import ROOMY, STEP, cases
from tests.predict.test_simulation_cache import CACHE, cached_cases, tiers
from tests.predict.test_simulation_pools import slower
from tests.support.patience import examples
from tests.support.session_graphs import sessions

TIMES = ("due_s", "first_s", "last_s", "prefilled_s")
COUNTS = ("user", "preempted", "cached_tokens")


def workers(n, limits=LIMITS):
    """Replicas of slightly different speed, so that no two events of different ones are at once."""
    return [Worker(slower(STEP, 1 + 0.0731 * i), limits) for i in range(n)]


def arrivals_s(run, source, serving):
    """When each request came to its router; frontends take the same for all, stages none."""
    return run.due_s + serving.frontend_s


@examples(25)
@given(cases(), st.sampled_from(ROUTING))
def test_one_replica_is_one_engine(case, routing):
    step, limits, source, serving = case
    alone = simulate(step, limits, source, serving)
    run = simulate_replicas([Worker(step, limits)], source, serving, routing=routing)
    for name in (*TIMES, *COUNTS):
        np.testing.assert_array_equal(getattr(run, name), getattr(alone, name), err_msg=name)
    for mine, other in zip(run.token_times(), alone.token_times(), strict=True):
        np.testing.assert_array_equal(mine[0], other[0])


@examples(25)
@given(sessions(), st.integers(0, 3))
def test_one_replica_is_one_engine_under_sessions(graphs, users):
    graphs = [dataclasses.replace(s, begin_s=0.03 * i) for i, s in enumerate(graphs)]
    source = session_load(graphs, users=users or None)
    alone = simulate(STEP, LIMITS, source)
    run = simulate_replicas([Worker(STEP, LIMITS)], source)
    for name in (*TIMES, *COUNTS):
        np.testing.assert_array_equal(getattr(run, name), getattr(alone, name), err_msg=name)


@examples(25)
@given(cases(), st.integers(1, 4), st.sampled_from([ROUND_ROBIN, LEAST]))
def test_replicas_are_independent_runs_of_what_is_routed_to_them(case, n, routing):
    _, limits, source, serving = case
    serving = dataclasses.replace(serving, stages=1)
    servers = workers(n, limits)
    run = simulate_replicas(servers, source, serving, routing=routing)
    for i, worker in enumerate(servers):
        mine = np.flatnonzero(run.engine == i)
        mine = mine[np.argsort(run.due_s[mine], kind="stable")]
        load = OpenLoop(run.due_s[mine], run.input_tokens[mine], run.output_tokens[mine])
        alone = simulate(worker.step_time, worker.limits, load, serving)
        np.testing.assert_allclose(alone.first_s, run.first_s[mine], rtol=1e-12)
        np.testing.assert_allclose(alone.last_s, run.last_s[mine], rtol=1e-12)


@examples(25)
@given(cases(), st.integers(1, 4))
def test_a_round_robin_takes_replicas_in_turn(case, n):
    _, limits, source, serving = case
    serving = dataclasses.replace(serving, stages=1)
    run = simulate_replicas(workers(n, limits), source, serving)
    order = np.lexsort((np.arange(len(run.due_s)), arrivals_s(run, source, serving)))
    assert run.engine[order].tolist() == [i % n for i in range(len(order))]


@examples(25)
@given(cases(), st.integers(2, 4))
def test_the_least_loaded_replica_is_the_one_with_the_fewest_open_requests(case, n):
    _, limits, source, serving = case
    serving = dataclasses.replace(serving, stages=1)
    run = simulate_replicas(workers(n, limits), source, serving, routing=LEAST)
    at = arrivals_s(run, source, serving)
    order = np.lexsort((np.arange(len(at)), at)).tolist()
    for place, request in enumerate(order):
        loads = [0] * n
        for earlier in order[:place]:
            loads[run.engine[earlier]] += run.last_s[earlier] > at[request]
        assert run.engine[request] == loads.index(min(loads))


@examples(40)
@given(cached_cases(), tiers(), st.sampled_from(["vllm", "sglang"]), st.sampled_from(ROUTING))
def test_one_replica_with_a_cache_is_one_engine_with_a_cache(case, below, policy, routing):
    step, limits, source, serving = case
    options = CacheOptions(policy=policy, tiers=below)
    alone = simulate(step, limits, source, serving, options)
    run = simulate_replicas([Worker(step, limits)], source, serving, options, routing)
    for name in (*TIMES, *COUNTS):
        np.testing.assert_array_equal(getattr(run, name), getattr(alone, name), err_msg=name)
    assert run.evicted_tokens == alone.evicted_tokens
    for tier in ("gpu", *(tier.name for tier in below)):
        np.testing.assert_array_equal(run.cached_by_tier[tier], alone.cached_by_tier[tier])


@examples(25)
@given(cached_cases(), tiers(), st.integers(1, 4), st.sampled_from(ROUTING))
def test_every_request_is_served_once_and_every_cache_is_left_free(case, below, n, routing):
    _, limits, source, serving = case
    run = simulate_replicas(workers(n, limits), source, serving, CacheOptions(tiers=below), routing)
    np.testing.assert_array_equal(sum(run.cached_by_tier.values()), run.cached_tokens)
    assert np.isfinite(run.last_s).all() and (run.cached_tokens < run.input_tokens).all()
    assert [int(tokens.sum()) for _, tokens in run.token_times()] == run.output_tokens.tolist()
    assert [engine.used for engine in run.engines] == [0] * n
    if (prefixes := getattr(source, "prefixes", None)) is not None:
        for i in range(n):  # what a replica finds it was sent before
            mine = np.flatnonzero(run.engine == i)
            order = mine[np.argsort(run.prefilled_s[mine], kind="stable")]
            possible = possible_hits(prefixes, [*order, *order], source.input_tokens, limits.block_tokens)
            assert (run.cached_tokens[mine] <= possible[mine]).all()


@pytest.mark.parametrize("routing", ROUTING)
@pytest.mark.parametrize("replicas", [2, 4])
def test_no_way_of_routing_finds_more_than_the_longest_prefix(routing, replicas):
    """40 tasks of 8 calls that share one system prompt, before caches that hold a few tasks each."""
    tasks = [task(40 + i % 7, 8) for i in range(40)]
    source = session_load(tasks, users=3 * replicas)
    limits = dataclasses.replace(LIMITS, kv_blocks=1200, max_num_seqs=8)
    run = simulate_replicas(workers(replicas, limits), source, cache=CACHE, routing=routing)
    by_prefix = simulate_replicas(workers(replicas, limits), source, cache=CACHE, routing=PREFIX)
    assert by_prefix.cached_tokens.sum() >= run.cached_tokens.sum()
    assert by_prefix.cached_tokens.sum() > 0.8 * source.input_tokens.sum()
    if routing == ROUND_ROBIN:
        assert by_prefix.cached_tokens.sum() > 1.1 * run.cached_tokens.sum()
        assert by_prefix.last_s.max() < run.last_s.max()


def task(tokens: int, calls: int) -> Session:
    """A task whose every call goes on with the one before."""
    steps, prompt = [], 200
    for i in range(calls):
        after = (i - 1,) if i else ()
        opening = {"continues": i - 1} if i else {"opening": "system", "opening_tokens": 160}
        call = Call(input_tokens=prompt, output_tokens=20, **opening)
        steps.append(Step(after=after, wait_s=0.02, call=call))
        prompt += 20 + tokens
    return Session(name="task", steps=tuple(steps))


def test_two_equal_replicas_serve_twice_the_users_of_one():
    one = simulate(STEP, ROOMY, closed_loop(32, 640, 512, 128))
    two = simulate_replicas([Worker(STEP, ROOMY)] * 2, closed_loop(64, 1280, 512, 128))
    assert two.last_s.max() == pytest.approx(one.last_s.max(), rel=0.01)
    assert np.bincount(two.engine).tolist() == [640, 640]


def test_a_prefix_router_keeps_a_prompt_where_most_of_it_is():
    router = PrefixRouter(3, PrefixAffinity())
    assert router.choose_by_prefix(100, [0, 0, 0]) == 0
    assert router.choose_by_prefix(100, [30, 0, 0]) == 1  # no more than 30 % is there: where least was computed
    assert router.choose_by_prefix(100, [31, 0, 0]) == 0
    assert router.choose_by_prefix(100, [40, 50, 50]) == 2  # of two with as much, the less busy one
    assert router.computed == [169, 100, 50]
    assert router.loads == [2, 1, 1]


@pytest.mark.parametrize(
    ("loads", "chosen"),
    [
        ([64, 0], 0),  # 64 apart is not above 64
        ([65, 0], 1),
        ([193, 128], 1),  # 65 apart, and 1.508 times as many
        ([200, 134], 0),  # 66 apart, and 1.493 times as many
    ],
)
def test_a_prefix_router_gives_up_affinity_where_loads_are_far_apart(loads, chosen):
    router = PrefixRouter(2, PrefixAffinity())
    router.loads = loads
    assert router.choose_by_prefix(100, [90, 0]) == chosen


def test_bad_replicas_are_refused():
    source = closed_loop(1, 1, 10, 10)
    with pytest.raises(BadConfig, match="no replicas"):
        simulate_replicas([], source)
    with pytest.raises(BadConfig, match="routing is 'nearest'; it must be one of round-robin, least, prefix"):
        simulate_replicas(workers(1), source, routing="nearest")
    with pytest.raises(BadConfig, match="needs 1,999 tokens"):
        simulate_replicas([Worker(STEP, ROOMY), Worker(STEP, LIMITS)], closed_loop(1, 1, 1000, 1000), ServingOptions())
    with pytest.raises(BadConfig, match="it is a share of the prompt"):
        PrefixAffinity(least_share=1.5)
    with pytest.raises(BadConfig, match="most_apart -1"):
        PrefixAffinity(most_apart=-1)
