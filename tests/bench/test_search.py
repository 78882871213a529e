"""The search for a load: exact and within log2 steps without noise, right and finite with it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.bench.stats.goodput import goodput, wilson
from paretoken.bench.stats.metrics import sample
from paretoken.bench.stats.search import Knee, Search, falling
from paretoken.errors import BadConfig
from paretoken.slo import parse_slos
from tests.support.levels import S, request, table
from tests.support.patience import examples


def solve(search, oracle):
    while (load := search.next_load()) is not None:
        search.observe(load, oracle(load))
    return search


@given(limit=st.integers(0, 300), low=st.integers(1, 5), start=st.sampled_from([None, 1, 8, 64]))
@examples(25)
def test_the_answer_is_exact_within_twice_log2_steps(limit, low, start):
    search = solve(Search(low=low, high=256, start=start), lambda load: load <= limit)
    expected = None if limit < low else min(limit, 256)
    assert search.answer == expected
    assert all(low <= load <= 256 for load in search.results)
    assert search.steps <= 2 * math.ceil(math.log2(256)) + 2
    assert all(len(results) == 1 for results in search.results.values())


@pytest.mark.parametrize("limit", [1, 2, 3, 37, 100, 255])
def test_after_the_bracket_it_takes_log2_of_the_answer(limit):
    search = solve(Search(high=4096), lambda load: load <= limit)
    doublings = math.floor(math.log2(limit)) + 2
    halvings = math.ceil(math.log2(limit)) if limit > 1 else 0
    assert search.answer == limit and search.ceiling == limit + 1
    assert search.steps <= doublings + halvings


def test_a_coarser_resolution_takes_fewer_steps():
    fine = solve(Search(), lambda load: load <= 1000)
    coarse = solve(Search(resolution=0.05), lambda load: load <= 1000)
    assert coarse.steps < fine.steps
    assert 950 <= coarse.answer <= 1000


def test_rates_are_found_to_their_resolution():
    search = solve(Search(low=0.1, high=1000, start=1, whole=False, resolution=0.02), lambda rate: rate <= 13.7)
    assert 13.7 / 1.02 <= search.answer <= 13.7
    assert search.steps < 14


@pytest.mark.parametrize("seed", range(20))
def test_noise_near_the_boundary_is_outvoted(seed):
    """The chance to meet falls from 1 to 0 over loads 40 to 60; half way is 50."""
    rng = np.random.default_rng(seed)
    search = Search(high=256, confirm=5, max_steps=80)
    solve(search, lambda load: rng.random() < 1 / (1 + math.exp((load - 50) / 2)))
    assert search.steps <= 80
    assert 43 <= search.answer <= 57


def test_one_lucky_observation_does_not_hold_against_its_neighbours():
    search = Search(high=64, confirm=3)
    for load, met in [(8, True), (12, False), (12, False), (13, True), (14, False), (14, False)]:
        search.observe(load, met)
    assert (search.answer, search.ceiling) == (8, 12)


def test_falling_is_the_closest_monotone_sequence():
    assert falling([1.0, 0.0, 1.0, 0.0], [1, 1, 1, 1]) == [1.0, 0.5, 0.5, 0.0]
    assert falling([0.0, 1.0], [3, 1]) == [0.25, 0.25]


def test_an_empty_or_endless_search_is_refused():
    with pytest.raises(BadConfig, match="empty"):
        Search(low=10, high=5)
    with pytest.raises(BadConfig, match="resolution"):
        Search(whole=False)


@pytest.mark.parametrize(("capacity", "service"), [(16, 1.0), (50, 0.3), (7, 2.0), (200, 0.05)])
def test_the_knee_is_where_power_peaks(capacity, service):
    """A closed loop with asymptotes: throughput min(N, C)/s rounded off; latency N / throughput."""

    def measured(users):
        rate = (users**-8.0 + capacity**-8.0) ** (-1 / 8) / service
        return rate, users / rate

    knee = Knee(high=1024, resolution=0.05)
    while (load := knee.next_load()) is not None:
        knee.observe(load, *measured(load))
    best = max(range(1, 1025), key=lambda n: measured(n)[0] / measured(n)[1])
    assert knee.answer == pytest.approx(best, rel=0.15)
    assert knee.steps <= 20


def test_goodput_counts_requests_within_every_bound():
    rows = [
        request(0, [S, 2 * S]),  # TTFT 1 s, TPOT 1 s
        request(0, [3 * S, 4 * S]),  # TTFT too long
        request(0, [S, 5 * S]),  # TPOT too long
        request(0, [S, 2 * S], status="reset"),
    ]
    samples = sample(table(rows))
    result = goodput(samples, parse_slos("ttft_p50=2s, tpot_p50=1500ms"), np.ones(4, dtype=bool), 10.0)
    assert result.requests_s == pytest.approx(0.1)
    assert (result.tried, result.share) == (4, 0.25)
    assert [o.share for o in result.objectives] == [0.5, 0.5]
    assert result.met and result.low < 0.25 < result.high


@pytest.mark.parametrize(
    ("slo", "slow", "settled"),
    [
        ("ttft_p99=2s", 0, False),  # met by 40 requests, which a p99 needs 299 of
        ("ttft_p99=2s", 1, False),  # missed by one, which may be the one in 100
        ("ttft_p99=2s", 20, True),  # missed by half of them: no more are needed
        ("ttft_p95=2s", 0, False),
        ("ttft_p90=2s", 0, True),
        ("ttft_mean=2s", 0, True),
    ],
)
def test_a_verdict_on_too_few_requests_is_not_settled(slo, slow, settled):
    rows = [request(0, [S if k >= slow else 5 * S, 6 * S]) for k in range(40)]
    result = goodput(sample(table(rows)), parse_slos(slo), np.ones(40, dtype=bool), 1.0)
    why = result.objectives[0].too_few(result.tried)
    assert bool(why) is not settled and (settled or why.startswith(f"{slo} can't be judged: "))
    assert settled or why.endswith(
        (" needs 299 requests in the window, has 40", " needs 59 requests in the window, has 40")
    )


def test_a_failed_request_breaks_a_p99():
    rows = [request(k, [k + S, k + 2 * S]) for k in range(98)]
    rows += [request(100, [], status="http_5xx", output_tokens=-1)] * 2
    samples = sample(table(rows))
    chosen = np.ones(100, dtype=bool)
    assert not goodput(samples, parse_slos("ttft_p99=2s"), chosen, 1.0).met
    assert goodput(samples, parse_slos("ttft_p95=2s"), chosen, 1.0).met


def test_interactivity_is_a_bound_on_tpot():
    (slo,) = parse_slos("interactivity_p90=20")
    assert (slo.metric, slo.statistic, slo.bound_s) == ("tpot", "p90", 0.05)
    assert parse_slos("e2e_median=500ms,itl_mean<=0.05")[1].bound_s == 0.05
    assert parse_slos("ttft=2s")[0].statistic == "p50"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tfft_p99=2s", "did you mean 'ttft'"),
        ("ttft_p98=2s", "unknown SLO statistic 'p98'"),
        ("ttft", "not an SLO"),
        ("ttft_p99=0s", "above 0"),
        ("ttft_p99=2h", "not an SLO"),
        ("interactivity_p50=20ms", "takes no unit"),
    ],
)
def test_objectives_that_cannot_be_read_say_why(text, message):
    with pytest.raises(BadConfig, match=message):
        parse_slos(text)


def test_wilson_agrees_with_published_values():
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
