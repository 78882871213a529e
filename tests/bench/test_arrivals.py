"""Arrival processes: their laws by test, their invariants by property, their rates against closed forms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from paretoken.bench.client.run import pace_of_worker
from paretoken.bench.plan import Open
from paretoken.bench.workload.arrivals import Ramp, Replay, SteadyRate, parse_arrivals, schedule
from paretoken.bench.workload.gaps import PROCESSES, burstiness, forms, parse_gaps
from paretoken.errors import BadConfig, UnknownName

N = 20_000


def rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def gaps(text: str, rate: float = 300.0, seed: int = 7) -> np.ndarray:
    return np.diff(parse_arrivals(text, rate).due_s(rng(seed), count=N), prepend=0.0)


def test_constant_arrivals_are_even_and_begin_at_once():
    due = parse_arrivals("constant", 8.0).due_s(rng(), seconds=2)
    np.testing.assert_allclose(due, np.arange(16) / 8)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_poisson_gaps_are_exponential(seed):
    drawn = gaps("poisson", 300, seed)
    assert stats.kstest(drawn, "expon", args=(0, 1 / 300)).pvalue > 0.01
    assert drawn.mean() == pytest.approx(1 / 300, rel=0.02)
    assert drawn.std() / drawn.mean() == pytest.approx(1.0, abs=0.03)


def test_poisson_gaps_do_not_depend_on_each_other():
    drawn = gaps("poisson")
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 3 / np.sqrt(N)


def test_poisson_counts_have_their_mean_as_variance():
    due = parse_arrivals("poisson", 50.0).due_s(rng(), seconds=2000)
    counts = np.bincount(due.astype(int), minlength=2000)
    assert counts.var() / counts.mean() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("shape", [0.25, 0.5, 1, 4])
def test_gamma_gaps_have_the_cv_of_their_burstiness(shape):
    drawn = gaps(f"gamma:{shape}")
    assert stats.kstest(drawn, "gamma", args=(shape, 0, 1 / (300 * shape))).pvalue > 0.01
    assert drawn.mean() == pytest.approx(1 / 300, rel=0.03)
    assert drawn.std() / drawn.mean() == pytest.approx(shape**-0.5, rel=0.04)
    assert burstiness(f"gamma:{shape}") == shape


def test_gamma_of_burstiness_one_is_poisson():
    assert stats.ks_2samp(gaps("gamma:1", seed=1), gaps("poisson", seed=2)).pvalue > 0.01


EXAMPLES = [":".join(filter(None, (name, process.example))) for name, process in PROCESSES.items()]
LAWS = st.sampled_from(EXAMPLES)


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_process_of_the_registry_has_gaps_of_mean_one(text):
    law = parse_gaps(text)
    drawn = law.draw(rng(), N)
    assert drawn.shape == (N,) and (drawn >= 0).all() and drawn.mean() == pytest.approx(1, abs=0.03)
    assert law.first in (-1, 0)
    if law.burstiness is not None:
        assert drawn.std() == pytest.approx(law.burstiness**-0.5, abs=0.05)


def test_what_the_option_and_the_exports_say_of_the_processes():
    assert forms() == ["constant", "poisson", "gamma:BURSTINESS"]
    assert [burstiness(text) for text in ("constant", "poisson", "gamma:0.5", "trace")] == [np.inf, 1, 0.5, None]


RATES = st.one_of(
    st.builds(SteadyRate, st.floats(0.1, 200)),
    st.builds(Ramp, st.floats(0, 50), st.floats(0.1, 50), st.floats(0.1, 20)),
    st.builds(Ramp, st.floats(0.1, 50), st.just(0.0), st.floats(0.1, 20)),
)


@settings(max_examples=60, deadline=None)
@given(LAWS, RATES, st.floats(0, 30), st.integers(0, 500), st.integers(0, 2**32 - 1))
def test_times_are_sorted_and_within_their_bounds(law, rate, seconds, count, seed):
    due = parse_arrivals(law, rate).due_s(rng(seed), seconds=seconds, count=count)
    assert len(due) <= count
    assert (np.diff(due) >= 0).all()
    assert ((due >= 0) & (due < seconds)).all()


@settings(max_examples=30, deadline=None)
@given(LAWS, st.floats(0.5, 100), st.integers(1, 6000), st.integers(0, 99))
def test_a_count_is_met_exactly_and_begins_any_longer_schedule(law, rate, count, seed):
    arrivals = parse_arrivals(law, rate)
    due = arrivals.due_s(rng(seed), count=count)
    assert len(due) == count
    np.testing.assert_array_equal(arrivals.due_s(rng(seed), count=count + 3000)[:count], due)
    np.testing.assert_array_equal(arrivals.due_s(rng(seed), seconds=float(due[-1])), due[due < due[-1]])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(0, 200))
def test_shares_of_workers_merge_to_the_schedule(workers, count):
    due = parse_arrivals("poisson", 5.0).due_s(rng(), count=count)
    shares = []
    for worker in range(workers):
        pace, _ = pace_of_worker(Open(due, 5.0), worker, workers)
        shares.append([])
        while pace.next_ns() is not None:
            shares[-1].append(pace.pop()[0])
    assert sorted(itertools.chain(*shares)) == [round(t * 1e9) for t in due]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(("start", "end"), [(0, 10), (2, 8), (10, 0), (6, 6)])
def test_a_ramp_follows_its_integral(start, end):
    ramp = Ramp(start, end, 10.0)
    times = np.linspace(0.01, 9.99, 50)
    integral = np.array([ramp.expected(t) for t in times])
    np.testing.assert_allclose(ramp.when_s(integral), times, rtol=1e-9)
    assert ramp.expected(10) == pytest.approx((start + end) / 2 * 10)
    assert ramp.expected(15) == pytest.approx((start + end) / 2 * 10 + 5 * end)


def test_even_arrivals_on_a_ramp_are_those_of_the_integral():
    due = parse_arrivals("constant", Ramp(0, 10, 10)).due_s(rng(), seconds=10)
    np.testing.assert_allclose(due, np.sqrt(np.arange(50) / 0.5))


def test_poisson_arrivals_on_a_ramp_are_an_inhomogeneous_poisson_process():
    ramp = Ramp(0, 200, 100)
    due = parse_arrivals("poisson", ramp).due_s(rng(), seconds=100)
    assert len(due) == pytest.approx(10_000, abs=4 * 100)
    # Given their number, the arrivals are independent draws of density 2t/T².
    assert stats.kstest(due, lambda t: (t / 100) ** 2).pvalue > 0.01


def test_a_ramp_to_nothing_ends():
    assert len(parse_arrivals("constant", Ramp(10, 0, 10)).due_s(rng(), count=1000)) == 51


def test_a_replay_keeps_its_pattern():
    replay = Replay((0.0, 1.0, 1.5, 4.0))
    np.testing.assert_allclose(replay.due_s(rng(), seconds=2), [0, 1, 1.5])
    np.testing.assert_allclose(Replay(replay.times_s, speed=2).due_s(rng()), [0, 0.5, 0.75, 2])
    assert replay.at_rate(3).rate == pytest.approx(3)
    np.testing.assert_allclose(replay.at_rate(3).due_s(rng(), count=2), [0, 0.25])


@pytest.mark.parametrize("text", ["constant", "poisson", "gamma:0.5"])
def test_an_open_load_carries_the_rate_asked_for(text):
    load = schedule(parse_arrivals(text, 40.0), rng(), seconds=3)
    assert load.rate == pytest.approx(40)
    assert schedule(parse_arrivals(text, Ramp(0, 10, 4)), rng(), seconds=4).rate == pytest.approx(5)


def test_an_open_load_of_a_replay_carries_its_rate():
    assert schedule(Replay((0.0, 1.0, 2.0)), rng()).rate == 1.0


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: parse_arrivals("poison", 1), "did you mean poisson"),
        (lambda: parse_arrivals("gamma", 1), "as in gamma:0.5"),
        (lambda: parse_arrivals("gamma:-1", 1), "must be within 0.001 to 1e6"),
        (lambda: parse_arrivals("constant", 1e9).due_s(rng(), seconds=60), "more than 100,000,000 requests"),
        (lambda: parse_arrivals("poisson:2", 1), "takes no value"),
        (lambda: parse_arrivals("poisson", 0), "rate 0 must be above 0"),
        (lambda: parse_arrivals("poisson", float("nan")), "must be above 0"),
        (lambda: parse_arrivals("poisson", 1.0).due_s(rng()), "needs an end"),
        (lambda: parse_arrivals("poisson", 1.0).due_s(rng(), seconds=-1), "must be 0 or more"),
        (lambda: Ramp(0, 0, 1), "not both 0"),
        (lambda: Ramp(1, 2, 0), "the time above 0"),
        (lambda: Replay((1.0, 0.5)), "rising"),
        (lambda: Replay((-1.0, 0.5)), "0 or more"),
        (lambda: Replay((1.0, 1.0)).at_rate(2), "all come at once"),
        (lambda: Replay((1.0,), speed=0), "must be above 0"),
    ],
)
def test_bad_arrivals_are_one_sentence(make, says):
    with pytest.raises((BadConfig, UnknownName)) as caught:
        make()
    assert says in str(caught.value) and "\n" not in str(caught.value)
