"""The options of a verb as the question that they ask."""

from __future__ import annotations

from datetime import date

from paretoken.answers.rent import RentQuestion
from paretoken.cli.asking import question


def test_without_a_day_the_market_is_that_of_the_day_of_the_call():
    """Which is the day of the shipped prices here: see tests/conftest.py."""
    assert question(RentQuestion, {"at": None}).at == date(2026, 11, 24)
