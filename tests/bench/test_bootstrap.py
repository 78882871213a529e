"""Intervals on correlated samples: near nominal coverage where the naive ones are three times too narrow."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from paretoken.bench.plan import Closed
from paretoken.bench.stats.bootstrap import block_length, mean_interval, quantile_interval
from paretoken.bench.stats.intervals import intervals
from paretoken.bench.stats.metrics import sample
from paretoken.bench.stats.steady import find_window, latency_mask
from paretoken.bench.stats.summary import LevelContext, summarise
from tests.support.levels import closed, request, table


def ar1(rng, n, phi=0.8):
    """An AR(1) series of mean 0 and variance 1; its mean varies √((1+φ)/(1−φ)) = 3 times as much as naively thought."""
    noise = rng.normal(size=n) * math.sqrt(1 - phi * phi)
    series = np.empty(n)
    series[0] = rng.normal()
    for k in range(1, n):
        series[k] = phi * series[k - 1] + noise[k]
    return series


def test_coverage_of_the_mean_is_near_nominal_and_the_naive_one_far_from_it():
    rng = np.random.default_rng(7)
    trials, covered, naive, widths = 300, 0, 0, []
    for _ in range(trials):
        values = 10 + ar1(rng, 1000)
        interval = mean_interval(values, rng)
        half = 1.96 * values.std() / math.sqrt(len(values))
        covered += interval.low <= 10 <= interval.high
        naive += abs(values.mean() - 10) <= half
        widths.append((interval.high - interval.low) / (2 * half))
    assert covered / trials > 0.90
    assert naive / trials < 0.60
    assert np.median(widths) == pytest.approx(3.0, rel=0.2)


def test_coverage_of_the_median_is_near_nominal():
    rng = np.random.default_rng(8)
    trials, covered = 300, 0
    for _ in range(trials):
        interval = quantile_interval(np.exp(ar1(rng, 1000)), 0.5, rng)
        covered += interval.low <= 1.0 <= interval.high
    assert covered / trials > 0.90


def test_independent_samples_get_the_textbook_width():
    rng = np.random.default_rng(9)
    ratios = []
    for _ in range(100):
        values = rng.normal(5, 1, 400)
        interval = mean_interval(values, rng)
        ratios.append((interval.high - interval.low) / (2 * 1.96 * values.std() / 20))
    assert np.median(ratios) == pytest.approx(1.0, abs=0.1)


def test_blocks_grow_with_correlation_and_never_exceed_a_fifth():
    rng = np.random.default_rng(10)
    loose = np.median([block_length(rng.normal(size=1000)) for _ in range(20)])
    tight = np.median([block_length(ar1(rng, 1000)) for _ in range(20)])
    assert loose <= 4 < 10 < tight
    assert block_length(np.cumsum(rng.normal(size=50))) <= 10
    assert block_length(np.full(100, 2.0)) == 1


def test_the_same_seed_gives_the_same_interval():
    values = ar1(np.random.default_rng(1), 500)
    a, b, c = (mean_interval(values, np.random.default_rng(s)) for s in (3, 3, 4))
    assert a == b != c


def test_too_few_samples_have_no_interval():
    assert mean_interval(np.arange(7.0), np.random.default_rng(0)) is None
    assert quantile_interval(np.full(7, np.nan), 0.5, np.random.default_rng(0)) is None


def test_constants_are_known_exactly():
    interval = quantile_interval(np.full(100, 0.02), 0.5, np.random.default_rng(0))
    assert (interval.low, interval.high, interval.relative_half_width) == (0.02, 0.02, 0.0)


def steps_of_an_engine(rng, users=8, n=3000, requests=20):
    """Streams that all emit at each engine step; the steps' lengths follow each other slowly, mean 10 ms."""
    steps = np.maximum(10e6 + 2e6 * ar1(rng, n, 0.9), 1e6).astype(np.int64)
    at = np.cumsum(steps)
    length = n // requests
    return table(
        [
            request(int(at[k * length]) - 1, at[k * length : (k + 1) * length].tolist(), user=user)
            for k in range(requests)
            for user in range(users)
        ]
    )


def test_the_interval_of_itl_knows_that_streams_share_their_steps():
    rng = np.random.default_rng(3)
    trials, covered, naive = 40, 0, 0
    for seed in range(trials):
        samples = sample(steps_of_an_engine(rng))
        window = find_window(samples, Closed(8))
        interval = intervals(samples, window, latency_mask(samples, window, Closed(8)), seed)["mean_itl_s"]
        covered += interval.low <= 0.010 <= interval.high
        gaps = samples.chunks.gap_s[~np.isnan(samples.chunks.gap_s)]
        naive += abs(gaps.mean() - 0.010) <= 1.96 * gaps.std() / math.sqrt(len(gaps))
    assert covered >= 0.8 * trials
    assert naive <= 0.5 * trials


def test_the_total_of_constant_lengths_is_as_precise_as_the_output():
    """Prompts count at first tokens, in lumps; with one ratio of input to output they add no noise."""
    frame = closed(8, 40.0, ttft=lambda rng, t: 0.2 * rng.lognormal(0, 0.2), stagger_s=0.13, seed=1)
    summary = summarise(frame, Closed(8), LevelContext(columns={"model": "m", "isl": 100, "osl": 50}, config={}))
    out, total = (summary.intervals[name] for name in ("output_tok_s", "total_tok_s"))
    assert total.relative_half_width == pytest.approx(out.relative_half_width, rel=0.15)
    assert total.value == pytest.approx(summary.throughput.window.total_tok_s)


def test_the_interval_of_the_total_covers_its_truth():
    """Prompts of random lengths: the mean over many runs lies in nearly all intervals."""
    made = []
    for seed in range(40):
        frame = closed(8, 30.0, tpot=lambda rng, t: 0.02 * rng.lognormal(0, 0.05), stagger_s=0.13, seed=seed)
        lengths = np.random.default_rng(seed).lognormal(6, 0.5, len(frame)).astype(int)
        frame = frame.with_columns(input_tokens=pl.Series(lengths))
        made.append(
            summarise(frame, Closed(8), LevelContext(columns={"model": "m"}, config={})).intervals["total_tok_s"]
        )
    truth = np.mean([one.value for one in made])
    assert np.mean([one.low <= truth <= one.high for one in made]) >= 0.85
