"""The figures of a traffic, on planted cases."""

from __future__ import annotations

import numpy as np
import pytest

from paretoken.traffic.describe import describe
from paretoken.traffic.traffic import PrefixBlocks
from tests.support.traffic import traffic


def test_rates_of_a_minute_of_an_hour_and_of_the_period():
    times = [0.0, *np.arange(3700, 3730, 0.5), 7199.0]
    summary = describe(traffic(input_tokens=[100] * 62, time_s=times, span_s=7200.0))
    assert summary.rate_s == pytest.approx(62 / 7200)
    assert summary.peak_hour_rate_s == pytest.approx(61 / 3600)
    assert summary.peak_minute_rate_s == pytest.approx(1.0)
    assert [h.requests for h in summary.hours] == [1, 61]


def test_the_busiest_minute_may_begin_anywhere():
    times = [*range(50, 70), 600]
    assert describe(traffic(input_tokens=[1] * 21, time_s=times)).peak_minute_rate_s == pytest.approx(20 / 60)


def test_a_last_hour_of_seconds_is_no_peak():
    summary = describe(traffic(input_tokens=[5] * 40, time_s=[*np.linspace(0, 3500, 38), 3601, 3602], span_s=3603.0))
    assert summary.hours[1].rate_s == pytest.approx(2 / 3)
    assert summary.peak_hour_rate_s == pytest.approx(38 / 3600)


def test_a_short_period_is_its_own_hour():
    summary = describe(traffic(input_tokens=[5] * 10, span_s=20.0))
    assert summary.peak_hour_rate_s == summary.rate_s == 0.5 and summary.peak_minute_rate_s == 0.5
    assert not summary.day_known and summary.hours[0].hour == 0


def test_hours_are_those_of_the_day_where_it_is_known():
    summary = describe(traffic(input_tokens=[5, 7, 9], time_s=[0, 3600, 7200], day_start_s=22.9 * 3600))
    assert summary.day_known and [h.hour for h in summary.hours] == [23, 0, 1]
    assert [h.input_tokens_mean for h in summary.hours] == [5, 7, 9]


def test_an_hour_without_requests_has_no_rate():
    hours = describe(traffic(input_tokens=[5, 7], time_s=[0, 9000])).hours
    assert [(h.requests, h.rate_s, h.output_tokens_mean) for h in hours][1] == (0, 0.0, 0.0)


def test_quantiles_of_lengths():
    tokens = describe(traffic(input_tokens=list(range(1, 102)))).input_tokens
    assert (tokens.mean, tokens.p50, tokens.p90, tokens.p99, tokens.most) == (51, 51, 91, 100, 101)


def test_lengths_correlate_by_rank():
    inputs = np.arange(1, 41)
    assert describe(traffic(input_tokens=inputs, output_tokens=inputs**3)).length_correlation == pytest.approx(1.0)
    assert describe(traffic(input_tokens=inputs, output_tokens=1000 // inputs)).length_correlation < -0.98
    assert describe(traffic(input_tokens=inputs)).length_correlation is None


def test_sessions_are_counted_without_the_requests_of_none():
    summary = describe(traffic(input_tokens=[9, 5, 4, 6, 7], session=[3, -1, 3, 8, 3]))
    assert summary.sessions == 2 and summary.requests_per_session == 2.0
    assert describe(traffic(input_tokens=[9, 5])).requests_per_session is None


def test_prefix_reuse_is_that_of_an_endless_cache():
    blocks = PrefixBlocks(((1, 2), (1, 3), (4,)), 10)
    assert describe(traffic(input_tokens=[20, 20, 10], prefixes=blocks)).prefix_reuse == pytest.approx(10 / 50)
    assert describe(traffic(input_tokens=[20, 20, 10])).prefix_reuse is None


def test_derived_prefixes_are_noted():
    summary = describe(traffic(input_tokens=[10, 40], session=[0, 0]))
    assert summary.prefix_reuse == pytest.approx(20 / 50) and "derived from sessions" in summary.notes[0]
