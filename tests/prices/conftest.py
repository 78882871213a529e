"""The shipped price book with its quality flags."""

from __future__ import annotations

import polars as pl
import pytest

from paretoken.answers.market import rental_prices


@pytest.fixture(scope="session")
def book() -> pl.DataFrame:
    return rental_prices()
