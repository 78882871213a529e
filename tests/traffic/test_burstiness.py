"""The index of dispersion of counts against arrivals whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from paretoken.traffic.burstiness import WINDOWS_S, burstiness, window

DAY_S = 86_400.0


def renewal(rng: np.random.Generator, rate: float, span_s: float, shape: float) -> np.ndarray:
    """Gamma gaps of squared coefficient of variation 1 / shape."""
    many = int(rate * span_s * 1.2) + 50
    times = np.cumsum(rng.gamma(shape, 1 / (rate * shape), many))
    return times[times < span_s]


@pytest.mark.parametrize(("shape", "truth"), [(1.0, 1.0), (0.25, 4.0), (4.0, 0.25)])
@pytest.mark.parametrize("rate", [0.05, 1.0, 20.0])
def test_gaps_give_their_squared_variation(shape, truth, rate):
    span_s = max(DAY_S, 150_000 / rate)
    value, _ = burstiness(renewal(np.random.default_rng(3), rate, span_s, shape), span_s)
    assert value == pytest.approx(truth, rel=0.12)


def test_constant_gaps_do_not_crowd():
    value, _ = burstiness(np.arange(0, 7200, 0.4), 7200.0)
    assert value is not None and value < 0.02


def test_the_curve_of_a_day_is_no_burst():
    rng = np.random.default_rng(4)
    times = np.sort(rng.uniform(0, DAY_S, 400_000))
    kept = times[rng.uniform(size=len(times)) < 0.5 - 0.45 * np.cos(2 * np.pi * times / DAY_S)]
    value, window_s = burstiness(kept, DAY_S)
    assert value == pytest.approx(1.0, abs=0.06)
    counts = np.bincount((kept // window_s).astype(int))
    assert counts.var() / counts.mean() > 5, "without the trend taken off it would be one"


def test_requests_in_pairs_crowd_twice():
    single = renewal(np.random.default_rng(5), 2.0, DAY_S, 1.0)
    value, _ = burstiness(np.repeat(single, 2), DAY_S)
    assert value == pytest.approx(2.0, rel=0.1)


def test_whole_seconds_are_not_taken_for_bursts():
    times = np.floor(renewal(np.random.default_rng(6), 60.0, 7200.0, 1.0))
    value, window_s = burstiness(times, 7200.0)
    assert window_s >= 1.0 and value == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(("rate", "span_s"), [(0.2, DAY_S), (3.0, DAY_S), (300.0, 1000.0), (1000.0, 60.0)])
def test_a_window_holds_tens_of_requests(rate, span_s):
    times = renewal(np.random.default_rng(7), rate, span_s, 1.0)
    width = window(times, span_s)
    assert width in WINDOWS_S and 10 <= rate * width <= 100


@pytest.mark.parametrize("times", [[0.0, 1.0], [0.0, 0.001, 0.002]])
def test_too_few_windows_tell_nothing(times):
    assert burstiness(np.array(times), times[-1] * 1.5)[0] is None
