"""Numbers in words never have an exponent."""

from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.significant import significant, with_zeros


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (17400.0, "17,400"),
        (1234567.8, "1,234,568"),
        (999.96, "1,000"),
        (12.5, "12.5"),
        (100.0, "100"),
        (0.00002, "0.00002"),
        (-0.0123456, "-0.01235"),
        (0.0, "0"),
        (inf, "∞"),
        (-inf, "−∞"),
        (nan, "–"),
        (None, "–"),
    ],
)
def test_figures(value, text):
    assert significant(value) == text


def test_digits_and_zeros():
    assert (significant(17461.0, 3), significant(1.0 / 3, 2), with_zeros(2.5), with_zeros(999.96)) == (
        "17,461",
        "0.33",
        "2.500",
        "1,000",
    )


@given(st.floats(1e-6, 1e12), st.integers(1, 6))
def test_a_figure_is_near_its_value(value, digits):
    text = significant(value, digits)
    assert "e" not in text
    assert float(text.replace(",", "")) == pytest.approx(value, rel=0.51 * 10 ** (1 - digits))
