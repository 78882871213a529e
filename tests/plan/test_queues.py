"""Replicas that are queues of textbooks wait as the textbooks say."""

from __future__ import annotations

from math import factorial

import numpy as np
import pytest

from paretoken.plan.replay import replay
from paretoken.plan.staffing import fixed
from paretoken.predict.simulation.result import Timeline
from paretoken.predict.simulation.router import ROUND_ROBIN
from tests.plan.fleets import STEP_S, queue, traffic

STEPS = 500  # mean service, so that the step is short against it
N = 40_000


def erlang_c(servers: int, load: float) -> float:
    """The probability that a customer waits; `load` is λ/μ."""
    last = load**servers / factorial(servers) * servers / (servers - load)
    return last / (sum(load**i / factorial(i) for i in range(servers)) + last)


def waits(places: int, load: float, outputs: np.ndarray, replicas: int = 1) -> np.ndarray:
    """Seconds from arrival to the start of service."""
    rate_s = load / (outputs.mean() * STEP_S)
    t = traffic(len(outputs), rate_s, seed=3, outputs=outputs)
    fleet = replay(queue(places), t, fixed(replicas), router=ROUND_ROBIN)
    return fleet.run.ttft_s - STEP_S


def exponential() -> np.ndarray:
    return np.random.default_rng(1).geometric(1 / STEPS, N)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["equal", "exponential", "wide"])
def test_one_place_waits_as_pollaczek_and_khinchine_say(kind):
    rng = np.random.default_rng(2)
    outputs = {
        "equal": np.full(N, STEPS),
        "exponential": exponential(),
        "wide": np.ceil(rng.lognormal(np.log(STEPS) - 0.32, 0.8, N)),
    }[kind]
    rho, service = 0.6, outputs * STEP_S
    expected = rho / service.mean() * (service**2).mean() / (2 * (1 - rho))
    assert waits(1, rho, outputs).mean() == pytest.approx(expected, rel=0.06)


@pytest.mark.slow
@pytest.mark.parametrize("places", [2, 8])
def test_several_places_wait_as_erlang_says(places):
    outputs, load = exponential(), 0.75 * places
    service_s = outputs.mean() * STEP_S
    expected = erlang_c(places, load) * service_s / (places - load)
    step_s = 1.5 * STEP_S  # a request that comes during a step starts with the next one
    assert waits(places, load, outputs).mean() == pytest.approx(expected, rel=0.08, abs=step_s)


@pytest.mark.slow
def test_waits_of_exponential_service_have_an_exponential_tail():
    """P(W > t) = C · exp(−(kμ − λ)·t)."""
    places, load, outputs = 4, 3.2, exponential()
    service_s = outputs.mean() * STEP_S
    w = waits(places, load, outputs)
    for times in (0.5, 1.0, 2.0):
        t = times * service_s
        expected = erlang_c(places, load) * np.exp(-(places - load) / service_s * t)
        assert (w > t).mean() == pytest.approx(expected, rel=0.15)


@pytest.mark.slow
def test_places_without_end_hold_a_poisson_number():
    outputs, load = exponential(), 30.0
    t = traffic(N, load / (outputs.mean() * STEP_S), seed=5, outputs=outputs)
    run = replay(queue(1000), t, fixed(1)).run
    line = Timeline.of(run.engines[0])
    seconds = line.first_s * np.maximum(line.moves, 1)
    steady = line.start_s > 0.05 * t.span_s
    batch, weight = line.batch[steady] + (line.prompt_tokens[steady] > 0), seconds[steady]
    mean = np.average(batch, weights=weight)
    assert mean == pytest.approx(load, rel=0.03)
    assert np.average((batch - mean) ** 2, weights=weight) == pytest.approx(load, rel=0.1)


@pytest.mark.slow
def test_round_robin_waits_less_than_chance_and_more_than_one_queue():
    """Two queues that take turns lie between two that are drawn (M/M/1 each) and one common queue (M/M/2)."""
    outputs, load = exponential(), 1.5
    service_s = outputs.mean() * STEP_S
    apart, common = 0.75 * service_s / 0.25, erlang_c(2, load) * service_s / (2 - load)
    assert common < waits(1, load, outputs, replicas=2).mean() < apart
