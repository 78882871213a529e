"""The accuracy gate's statistics against closed forms, exact counts and draws of known truth."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from paretoken.accuracy.statistics import (
    k3,
    kl_of_tops,
    mcnemar,
    mean_over_prompts,
    paired,
    visible_drop,
    visible_mean,
)

DISTRIBUTIONS = st.lists(st.floats(0.01, 1.0), min_size=3, max_size=8).map(lambda w: np.array(w) / sum(w))


@given(DISTRIBUTIONS)
def test_kl_is_zero_for_equals_and_never_negative(p):
    tops = {i: math.log(x) for i, x in enumerate(p)}
    assert kl_of_tops(tops, tops) == pytest.approx(0, abs=1e-9)


@given(DISTRIBUTIONS, st.randoms(use_true_random=False))
def test_kl_over_fewer_tokens_is_no_larger(p, random):
    q = np.array([random.random() + 0.05 for _ in p])
    q /= q.sum()
    ref, cand = ({i: math.log(x) for i, x in enumerate(v)} for v in (p, q))
    whole = float(np.sum(p * np.log(p / q)))
    assert kl_of_tops(ref, cand) == pytest.approx(whole, abs=1e-6)
    fewer = {i: v for i, v in cand.items() if i}
    assert -1e-12 <= kl_of_tops(ref, fewer) <= whole + 1e-6


def test_k3_of_drawn_tokens_is_kl():
    rng = np.random.default_rng(0)
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.4, 0.2])
    drawn = rng.choice(3, 200_000, p=p)
    assert k3(np.log(p[drawn]), np.log(q[drawn])).mean() == pytest.approx(float(np.sum(p * np.log(p / q))), rel=0.03)
    assert (k3([-1.0, -2.0], [-1.5, -0.5]) >= 0).all()


def test_intervals_hold_the_mean_as_often_as_they_say():
    """Of correlated tokens: a whole prompt is high or low. 400 runs of 40 prompts, interval of 95 %."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        level = rng.normal(1.0, 0.5, 40)
        sums = [float(rng.normal(m, 0.1, 20).sum()) for m in level]
        found = mean_over_prompts(sums, [20] * 40, rng)
        held += found.low <= 1.0 <= found.high
    assert 0.90 <= held / 400 <= 0.98


def test_one_prompt_has_no_interval():
    found = mean_over_prompts([1.0], [10], np.random.default_rng(0))
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_the_visible_mean_is_seen_four_times_in_five():
    rng = np.random.default_rng(2)
    base = mean_over_prompts(list(rng.normal(0, 1, 100) + 3), [1] * 100, rng)
    target = visible_mean(base, 3.0)
    seen = sum(mean_over_prompts(list(rng.normal(target, 1, 100)), [1] * 100, rng).low > 3.0 for _ in range(300))
    assert 0.7 <= seen / 300 <= 0.9


@pytest.mark.parametrize("lost", range(12))
@pytest.mark.parametrize("won", [0, 3, 7])
def test_mcnemar_against_counting(lost, won):
    n = lost + won
    tail = sum(math.comb(n, k) for k in range(min(lost, won) + 1)) / 2**n
    assert mcnemar(lost, won) == pytest.approx(min(1.0, 2 * tail) if n else 1.0)


def test_paired_answers():
    found = paired([True] * 60 + [False] * 40, [True] * 50 + [False] * 48 + [True] * 2)
    assert (found.lost, found.won, found.n) == (10, 2, 100)
    assert found.change == pytest.approx(-0.08)
    assert found.low < found.change < found.high
    assert found.p_value == pytest.approx(stats.binomtest(2, 12).pvalue)


@pytest.mark.parametrize(("n", "churn"), [(200, 0.0), (500, 0.02), (1319, 0.03)])
def test_the_visible_drop_is_seen_four_times_in_five(n, churn):
    drop = visible_drop(n, churn)
    rng = np.random.default_rng(3)
    lost, won = churn / 2 + drop, churn / 2
    seen = 0
    for _ in range(1000):
        drawn = rng.multinomial(n, [lost, won, 1 - lost - won])
        seen += drawn[0] > drawn[1] and mcnemar(int(drawn[0]), int(drawn[1])) < 0.05
    assert 0.76 <= seen / 1000 <= 0.86


def test_more_items_see_smaller_drops():
    drops = [visible_drop(n, 0.02) for n in (50, 100, 400, 1600)]
    assert all(a > b for a, b in pairwise(drops))
    assert visible_drop(4, 0.0) == 1.0
