"""The small numerics of curves against scipy, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator
from scipy.optimize import brentq

from paretoken.frontier.brent import brent
from paretoken.frontier.pchip import Pchip

coefficient = st.floats(-5, 5, allow_nan=False)
end = st.floats(-3, 3, allow_nan=False)


@pytest.mark.parametrize("rising", [True, False])
def test_pchip_is_that_of_scipy(rising):
    rng = np.random.default_rng(1)
    for n in (*range(2, 9),) * 30:
        x, y = np.sort(rng.uniform(0.1, 50, n)), np.round(rng.uniform(1, 50, n))
        y = np.sort(y) if rising else y
        at = np.concatenate([x, rng.uniform(x[0], x[-1], 30)])
        ours, theirs = Pchip.through(x.tolist(), y.tolist()), PchipInterpolator(x, y)(at)
        assert (ours.values(at) == theirs).all()
        assert [ours.at(v) for v in at.tolist()] == theirs.tolist()


def test_pchip_of_one_point():
    assert Pchip.through([2.0], [7.0]).at(2.0) == 7.0


@given(st.floats(0.05, 0.95), coefficient, coefficient, coefficient, end, end)
def test_brent_is_that_of_scipy(share, b, c, d, low, high):
    """A cubic that takes the value between those of its ends which a share says."""
    assume(low != high)

    def through_zero(x: float) -> float:
        return b * x + c * x**2 + d * x**3

    middle = share * through_zero(low) + (1 - share) * through_zero(high)

    def cubic(x: float) -> float:
        return through_zero(x) - middle

    assume(cubic(low) * cubic(high) < 0)
    expected, outcome = brentq(cubic, low, high, full_output=True, disp=False)
    assume(outcome.converged)
    assert brent(cubic, low, high) == expected
