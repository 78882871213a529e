"""A replica of a candidate is what `predict` predicts, and says what it cannot serve."""

from __future__ import annotations

import numpy as np
import pytest

from paretoken.errors import BadConfig
from paretoken.plan.candidate import FleetCandidate
from paretoken.plan.coarse import coarse_capacities
from paretoken.plan.load_curve import load_curve, load_point
from paretoken.plan.replica import mean_lengths, replica_of, servable, work_s
from paretoken.plan.sample import traffic_sample
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.pools.layout import Pools, decoding, prefilling
from paretoken.predict.pools.simulated import simulate_pooled_rate
from paretoken.predict.simulated import simulate_rate
from paretoken.slo import parse_slos
from paretoken.traffic.traffic import Traffic
from tests.plan.fleets import SERVER, limits, pooled, queue, traffic

H100 = Deployment(accelerator="H100", model="llama-3-70b", precision="fp8", engine="vllm", tp=4, gpus=4)
WORKER = Deployment(accelerator="H200", model="deepseek-r1", precision="fp8", engine="sglang", tp=8, gpus=8)
POOLS = Pools(engine="dynamo-sglang", prefill=prefilling(WORKER), decode=decoding(WORKER))


def alike(isl: int, osl: int, n: int = 4_000) -> Traffic:
    """Poisson arrivals of equal lengths, far more of them than one replica gets."""
    t = traffic(n, 1_000.0)
    equal = {"input_tokens": np.full(n, isl), "output_tokens": np.full(n, osl)}
    return Traffic(time_s=t.time_s, session=t.session, span_s=t.span_s, source="made up", **equal)


@pytest.mark.slow
@pytest.mark.parametrize("deployment", [H100, POOLS], ids=["plain", "pools"])
def test_one_replica_is_what_predict_says_of_the_rate(deployment):
    t, rate_s = alike(1_000, 200), 2.0
    point = load_point(replica_of(FleetCandidate(deployment), t), traffic_sample(t), rate_s, fewest=4_000)
    simulated = simulate_rate if isinstance(deployment, Deployment) else simulate_pooled_rate
    load = simulated(deployment, Lengths(1_000, 200), rate_s, requests=4_000, seed=3)
    for metric in ("ttft", "tpot", "e2e"):
        assert point.figures[metric, "p50"] == pytest.approx(load.quantiles[metric]["p50"], rel=0.04)
        assert point.figures[metric, "p90"] == pytest.approx(load.quantiles[metric]["p90"], rel=0.1)


def test_slots_and_memory_are_those_of_the_engines_that_decode():
    assert queue(16).slots == 16 and pooled().slots == 128
    assert pooled().kv_tokens == 2 * limits().kv_tokens


def test_a_request_that_does_not_fit_is_refused_or_left_out():
    t = traffic(1_000, 10.0)
    t.input_tokens[7] = 200_000
    replica = replica_of(FleetCandidate(H100), t)
    with pytest.raises(BadConfig, match=r"longer than the 131,072 tokens .* serve: 1 request of 1,000, up to 200,"):
        servable(replica, t)
    rest = servable(replica, t, most_refused=0.01)
    assert len(rest) == 999 and rest.span_s == t.span_s and "not served" in rest.notes[-1]
    assert servable(replica, rest) is rest


def test_pools_refuse_a_prompt_above_the_prefill_cache():
    replica = pooled()
    t = traffic(10, 1.0)
    assert replica.fits(t.input_tokens, t.output_tokens).all()


def test_work_counts_prompts_and_decode_steps():
    work = work_s(queue(16, SERVER), np.array([1_000, 2_000, 1_000]), np.array([100, 100, 200]), 8.0)
    assert work[1] - work[0] > 1_000 * SERVER.per_prompt_token_s * 0.99
    assert work[2] - work[0] == pytest.approx(work[0] - 1_000 * SERVER.per_prompt_token_s, rel=0.2)


def test_mean_lengths_are_those_of_the_traffic():
    t = traffic(1_000, 1.0)
    assert mean_lengths(t).isl == round(t.input_tokens.mean())


@pytest.mark.slow
def test_the_coarse_capacity_is_about_that_of_the_curve():
    t, slos = alike(1_000, 200), parse_slos("ttft_p90=2s,tpot=30ms")
    candidates = [FleetCandidate(d) for d in (H100, POOLS)]
    for candidate, coarse in zip(candidates, coarse_capacities(candidates, t, slos), strict=True):
        capacity_s = load_curve(replica_of(candidate, t), traffic_sample(t), slos).capacity_s(slos)
        assert coarse.capacity_s == pytest.approx(capacity_s, rel=0.35)


def test_the_coarse_capacity_says_why_there_is_none():
    t = alike(1_000, 200)
    small = Deployment(accelerator="H100", model="llama-3-70b", precision="bf16", engine="vllm", tp=1, gpus=1)
    impossible, slow = coarse_capacities([FleetCandidate(small), FleetCandidate(H100)], t, parse_slos("tpot=1ms"))
    assert "does not fit" in impossible.problem and impossible.capacity_s == 0
    assert (slow.capacity_s, slow.first_to_fail, slow.problem) == (0.0, "tpot=1ms", "")
