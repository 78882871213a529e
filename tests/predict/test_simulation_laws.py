"""Laws of any simulated run: nothing is faster than alone, nothing is computed twice, and every block comes back."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.engine import EngineSimulator
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.pools import simulate_pools
from paretoken.predict.simulation.result import SimulationResult
from paretoken.predict.simulation.run import ServingOptions, simulate
from paretoken.predict.simulation.sources import OpenLoop
from paretoken.predict.steptime import StepTime
from tests.predict.test_simulation import cases
from tests.predict.test_simulation_cache import cached_cases, tiers
from tests.predict.test_simulation_pools import pool_cases
from tests.support.patience import examples

ROUNDING_S = 1e-9


def alone(
    step: StepTime, limits: SchedulerLimits, run: SimulationResult, request: int, serving: ServingOptions, cached: int
) -> SimulationResult:
    """One request of a run on an empty engine, which begins at once and finds as much of its prompt cached."""
    one = slice(request, request + 1)
    source = OpenLoop(np.zeros(1), run.input_tokens[one], run.output_tokens[one], np.array([cached]))
    return simulate(step, limits, source, dataclasses.replace(serving, prefix_hit_rate=0.0, frontend_s=0.0))


def prompt_tokens(engines: tuple[EngineSimulator, ...]) -> int:
    """Prompt tokens that the steps of engines computed."""
    return sum(segment[5] for engine in engines for segment in engine.segments)


def most_blocks(engine: EngineSimulator) -> int:
    return max((segment[7] for segment in engine.segments), default=0)


@examples(25)
@given(cases())
def test_no_request_is_faster_than_alone(case):
    step, limits, source, serving = case
    serving = dataclasses.replace(serving, prefix_hit_rate=0.0)
    run = simulate(step, limits, source, serving)
    for i in range(len(run.due_s)):
        least = alone(step, limits, run, i, serving, 0)
        assert run.ttft_s[i] >= least.ttft_s[0] - ROUNDING_S
        assert run.e2e_s[i] >= least.e2e_s[0] - ROUNDING_S


@examples(25)
@given(cached_cases(), st.just(()) | tiers(), st.sampled_from(["vllm", "sglang"]))
def test_with_a_cache_no_request_is_faster_than_alone_with_its_hits(case, below, policy):
    """What is computed is what was not found, unless a preemption made it twice."""
    step, limits, _, serving = case
    run = simulate(*case, CacheOptions(policy=policy, tiers=below))
    assert (run.cached_tokens < run.input_tokens).all()
    computed, missed = prompt_tokens(run.engines), int((run.input_tokens - run.cached_tokens).sum())
    assert computed >= missed and (run.preempted.any() or computed == missed)
    for i in np.flatnonzero(run.preempted == 0).tolist():
        least = alone(step, limits, run, i, serving, int(run.cached_tokens[i]))
        assert run.e2e_s[i] >= least.e2e_s[0] - ROUNDING_S


@examples(25)
@given(cached_cases(), st.just(()) | tiers(), st.sampled_from(["vllm", "sglang"]))
def test_with_a_cache_every_token_comes_out_and_every_block_comes_back(case, below, policy):
    run = simulate(*case, CacheOptions(policy=policy, tiers=below))
    assert [int(n.sum()) for _, n in run.token_times()] == run.output_tokens.tolist()
    (engine,) = run.engines
    assert engine.used == engine.reserved == engine.shared == engine.batch.context == 0
    assert not (engine.depth or engine.order or engine.loaded or engine.landed or engine.waiting)
    assert most_blocks(engine) <= engine.limits.kv_blocks


@examples(25)
@given(pool_cases())
def test_pools_compute_each_prompt_once_and_send_it_no_faster_than_their_links(case):
    pools, source, serving = case
    run = simulate_pools(pools, source, dataclasses.replace(serving, prefix_hit_rate=0.0))
    prefill = run.engines[: len(pools.prefill)]
    computed = prompt_tokens(prefill)
    lost = sum(engine.preemptions for engine in prefill)
    assert computed >= run.input_tokens.sum() and (lost or computed == run.input_tokens.sum())
    sent_s = pools.transfer.latency_s + pools.transfer.s_per_token * run.input_tokens
    assert (run.first_s - run.prefilled_s >= sent_s - ROUNDING_S).all()
    for engine in run.engines:
        assert engine.used == engine.reserved == engine.coming == 0
        assert not (engine.remote or engine.arrived or engine.waiting)
        assert most_blocks(engine) <= engine.limits.kv_blocks
