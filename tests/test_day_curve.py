"""Load curves of a day: which are valid, the load that they allow, and what can be moved."""

from __future__ import annotations

from math import nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.day_curve import FLAT, checked_day_curve, filled, in_utc, load_factor, share_within
from paretoken.errors import BadConfig
from tests.support.patience import PATIENT

OFFICE = tuple(3.0 if 1 <= hour < 10 else 1.0 for hour in range(24))
curves = st.lists(st.floats(0, 100), min_size=24, max_size=24).filter(lambda ws: max(ws) > 0.1).map(tuple)


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ([1.0, 2.0], "the load curve has 2 weights; give 24"),
        ([-1.0] * 24, "a weight of -1"),
        ([nan] * 24, "a weight of nan"),
        ([1e300] * 24, r"a weight of 1e\+300"),
        ([0.0] * 24, "0 in every hour"),
    ],
)
def test_bad_curves(weights, says):
    with pytest.raises(BadConfig, match=says):
        checked_day_curve(weights)


def test_the_highest_load_that_a_curve_allows():
    assert load_factor(FLAT) == 1
    assert load_factor(OFFICE) == pytest.approx(1.75 / 3)


def test_the_share_of_hours():
    assert share_within(FLAT, [(1, 4), (6, 10)]) == pytest.approx(7 / 24)
    assert share_within(OFFICE, [(1, 4), (6, 10)]) == pytest.approx(21 / 42)
    assert share_within(FLAT, [(22, 2)]) == pytest.approx(4 / 24)
    assert share_within(FLAT, [(16.5, 0.5)]) == pytest.approx(8 / 24)
    assert share_within(FLAT, []) == 0


def test_a_clock_ahead_of_utc():
    nine_to_six = tuple(3.0 if 9 <= hour < 18 else 1.0 for hour in range(24))
    assert in_utc(nine_to_six, 8) == OFFICE and in_utc(OFFICE, 0) == OFFICE
    assert in_utc(in_utc(OFFICE, -5), 5) == OFFICE


def test_what_can_wait_runs_in_the_quiet_hours():
    curve = filled(OFFICE, 0.3)
    assert {round(w, 9) for w in curve} == {2.1, 1.54}
    assert filled(OFFICE, 0) == OFFICE
    assert filled(OFFICE, 1) == pytest.approx((1.75,) * 24)


@settings(PATIENT)
@given(curves, st.floats(0, 1))
def test_moving_keeps_the_load_and_never_raises_the_busiest_hour(curve, movable):
    moved = filled(curve, movable)
    assert sum(moved) == pytest.approx(sum(curve))
    assert max(moved) <= max(curve) * (1 + 1e-9)
    assert checked_day_curve(moved) and load_factor(moved) >= load_factor(curve) * (1 - 1e-9)
