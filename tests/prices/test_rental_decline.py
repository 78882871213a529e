"""The yearly change of rents: planted declines come back, thin histories say so."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from paretoken.answers.market import rental_prices
from paretoken.prices.market.decline import rent_decline_per_year

AT = date(2026, 11, 24)


def book(*sellers: tuple[str, float, tuple[int, ...]], accelerator: str = "H200", **columns) -> pl.DataFrame:
    """Prices that start at 4 USD two years before AT and change by a rate a year; days after the start."""
    start = AT - timedelta(days=730)
    rows = [
        {
            "provider": provider,
            "accelerator": accelerator,
            "term": "on-demand",
            "form": "SXM",
            "date": start + timedelta(days=d),
            "usd_per_gpu_h": 4 * (1 + rate) ** (d / 365.25),
            "counts": True,
        }
        | columns
        for provider, rate, days in sellers
        for d in days
    ]
    return pl.DataFrame(rows)


FIVE = [(name, rate, (0, 300, 700)) for name, rate in zip("abcde", (-0.3, -0.25, -0.2, -0.1, 0.05), strict=True)]


def test_planted_rates_come_back():
    decline = rent_decline_per_year(book(*FIVE), "H200", AT)
    assert decline.per_year == pytest.approx(-0.2) and decline.interval == pytest.approx((-0.3, 0.05))
    assert decline.by_provider == pytest.approx({n: r for n, r, _ in FIVE})
    assert (decline.first, decline.last) == (AT - timedelta(days=730), AT - timedelta(days=30)) and not decline.reason


def test_providers_that_come_and_go_move_nothing():
    """Cheap newcomers with one price each would halve the plain median."""
    newcomers = [(f"new{i}", -0.9, (700,)) for i in range(20)]
    assert rent_decline_per_year(book(*FIVE, *newcomers), "H200", AT).per_year == pytest.approx(-0.2)


def test_a_larger_set_has_a_narrower_interval():
    many = [(f"p{i}", -0.4 + 0.05 * i, (0, 400)) for i in range(8)]
    low, high = rent_decline_per_year(book(*many), "H200", AT).interval
    assert (low, high) == pytest.approx((-0.35, -0.1))  # 2nd and 7th of 8: 93 %


@pytest.mark.parametrize(
    "thin",
    [
        book(*FIVE[:4]),
        book(*[(n, r, (0, 100)) for n, r, _ in FIVE]),
        book(*FIVE, term="1-year"),
        book(*FIVE, counts=False),
        book(*FIVE, accelerator="H100"),
        book(*FIVE).with_columns(date=pl.col("date") - timedelta(days=1500)),
    ],
)
def test_a_thin_history_has_no_rate_and_says_why(thin):
    decline = rent_decline_per_year(thin, "H200", AT)
    assert decline.per_year is None and decline.interval is None
    assert "of H200 with on-demand prices" in decline.reason and "5 are needed" in decline.reason


def test_shipped_prices():
    """A100 has been rented for long enough by enough providers; the others have not."""
    rates = {a: rent_decline_per_year(rental_prices(), a, AT) for a in ("A100", "H100", "H200", "MI355X")}
    assert {a for a, rate in rates.items() if rate.per_year is not None} == {"A100"}
    assert rates["A100"].interval[0] < rates["A100"].per_year < rates["A100"].interval[1]
    assert rates["MI355X"].reason.startswith("only 0 providers of MI355X")
