"""Steps in series: planted ones of both signs, failed nights, dips, drifts and gaps, and pure noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.frontier.steps import find_steps, odd_values

NOISE = 0.007
"""Spread of one nightly configuration between nights without a change."""


def noise(n: int, seed: int, spread: float = NOISE) -> np.ndarray:
    return 100 * np.exp(np.random.default_rng(seed).normal(0, spread, n))


def places(values: np.ndarray, days: np.ndarray | None = None) -> list[int]:
    return [step.index for step in find_steps(values, days)]


class TestFalseAlarms:
    @pytest.mark.parametrize("n", [4, 6, 12, 20, 40])
    @pytest.mark.parametrize("spread", [NOISE, 0.05])
    def test_pure_noise_has_none(self, n, spread):
        """At 1 % of false alarms, 400 series show some 4; more than 12 has a chance of one in a thousand."""
        assert sum(bool(places(noise(n, seed, spread))) for seed in range(400)) <= 12

    @pytest.mark.parametrize("failed", [-0.47, -0.1, 0.3])
    def test_a_single_failed_night_is_none(self, failed):
        alarms = 0
        for seed in range(100):
            values = noise(19, seed)
            values[1 + seed % 17] *= 1 + failed
            alarms += bool(places(values))
        assert alarms <= 4

    @pytest.mark.parametrize(("n", "total", "most"), [(12, 0.1, 8), (20, 0.3, 8), (40, -0.3, 20)])
    def test_a_drift_is_none(self, n, total, most):
        """What its slope explains is no step; a long drift has more places for its noise to look like one."""
        drift = np.exp(np.linspace(0, total, n))
        assert sum(bool(places(noise(n, seed) * drift)) for seed in range(100)) <= most

    def test_a_drift_over_missing_nights_is_none(self):
        alarms = 0
        for seed in range(100):
            days = np.sort(np.random.default_rng(seed).choice(np.arange(60), 20, replace=False))
            alarms += bool(places(noise(20, seed) * np.exp(0.2 * days / 60), days))
        assert alarms <= 8

    def test_missing_nights_alone_are_none(self):
        days = np.concatenate([np.arange(10), 90 + np.arange(10)])
        assert sum(bool(places(noise(20, seed), days)) for seed in range(200)) <= 7


class TestPlanted:
    @pytest.mark.parametrize("change", [-0.05, -0.3, 0.05, 0.5])
    @pytest.mark.parametrize("at", [3, 10, 16])
    def test_found_where_it_is_with_its_size(self, at, change):
        found = inside = 0
        for seed in range(100):
            values = noise(19, seed)
            values[at:] *= 1 + change
            steps = find_steps(values)
            if [s.index for s in steps] == [at] and steps[0].last == at - 1 and steps[0].confirmed:
                found += 1
                inside += steps[0].low <= change <= steps[0].high
        assert found >= 93
        assert inside >= 0.88 * found

    def test_in_a_short_series(self):
        found = 0
        for seed in range(100):
            values = noise(6, seed)
            values[3:] *= 0.9
            found += places(values) == [3]
        assert found >= 95

    @pytest.mark.parametrize("at", [1, 18])
    def test_of_the_first_or_the_last_night_alone_is_not_confirmed(self, at):
        values = noise(19, 1)
        values[at:] *= 0.8
        (step,) = find_steps(values)
        assert step.index == at and not step.confirmed

    def test_beside_failed_nights(self):
        """The night before the step failed: the level before ends at the last sound one."""
        values = noise(19, 3)
        values[10:] *= 0.9
        values[9] *= 0.5
        values[14] *= 0.6
        (step,) = find_steps(values)
        assert (step.last, step.index) == (8, 10) and step.change == pytest.approx(-0.1, abs=0.01)

    @pytest.mark.parametrize(("first", "end"), [(8, 10), (6, 12)])
    def test_a_dip_and_its_recovery(self, first, end):
        """A change that is undone some nights later does not hide itself."""
        values = noise(20, 5)
        values[first:end] *= 0.7
        assert places(values) == [first, end]

    def test_on_a_drift(self):
        found = 0
        for seed in range(100):
            values = noise(20, seed) * np.exp(np.linspace(0, 0.05, 20))
            values[10:] *= 0.7
            found += places(values) == [10]
        assert found >= 75

    def test_across_a_gap(self):
        days = np.array([0, 1, 2, 4, 7, 9, 12, 20, 30, 36, 107, 161])
        values = noise(12, 2)
        values[10:] *= 1.34
        assert places(values, days) == [10]

    def test_several(self):
        values = np.concatenate([noise(10, 1), 1.3 * noise(10, 2), 0.9 * noise(10, 3)])
        assert places(values) == [10, 20]
        assert [round(s.change, 1) for s in find_steps(values)] == [0.3, -0.3]


class TestRules:
    @given(scale=st.floats(1e-3, 1e6), seed=st.integers(0, 50))
    def test_the_unit_does_not_matter(self, scale, seed):
        values = noise(15, seed)
        values[8:] *= 1.2
        a, b = find_steps(values), find_steps(values * scale)
        assert [(s.index, pytest.approx(s.change)) for s in a] == [(s.index, s.change) for s in b]

    @given(seed=st.integers(0, 50))
    def test_backwards_it_is_the_inverse(self, seed):
        values = noise(16, seed)
        values[7:] *= 1.4
        (forth,), (back,) = find_steps(values), find_steps(values[::-1])
        assert back.index == 16 - forth.index
        assert (1 + forth.change) * (1 + back.change) == pytest.approx(1)
        assert (1 + forth.low) * (1 + back.high) == pytest.approx(1)

    def test_short_and_flat(self):
        assert find_steps([]) == find_steps([5.0]) == find_steps([1.0, 2.0, 3.0]) == []
        assert find_steps([7.0] * 9) == []

    def test_equal_values_then_another(self):
        (step,) = find_steps([10.0] * 5 + [11.0])
        assert step.index == 5 and step.change == pytest.approx(0.1)

    def test_small_ones_are_left_out_if_asked(self):
        values = [100.0, 100.1, 99.9, 100.0, 101.0, 101.1, 100.9, 101.0]
        assert find_steps(values) and not find_steps(values, smallest=0.02)

    def test_odd_values_are_off_both_neighbours(self):
        values = np.log([100.0, 101, 100, 50, 101, 100, 80, 80, 80])
        assert odd_values(values).nonzero()[0].tolist() == [3]
