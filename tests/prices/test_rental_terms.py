"""Terms and names of rental prices as written, and the term structure of rents."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from paretoken.answers.market import MarketQuestion, rental_prices
from paretoken.errors import BadConfig, UnknownName
from paretoken.prices import finance
from paretoken.prices.market.cells import cell_at
from paretoken.prices.market.names import accelerator_of
from paretoken.prices.market.quality_flags import flagged
from paretoken.prices.market.structure import forward_rent, forwards, levelled, ratios, term_rents
from paretoken.prices.market.terms import term_of
from tests.support.rentals import TODAY, row, table


def test_ratios_of_the_shipped_data(book):
    """The same seller on the same day, as others computed them from the same rows."""
    by_term = {r.term: r.by_provider for r in ratios(book, until=date(2025, 12, 31))}
    assert by_term["1-year"]["aws"] == pytest.approx(0.585, abs=1e-3)
    assert by_term["3-year"]["aws"] == pytest.approx(0.354, abs=1e-3)
    assert by_term["1-year"]["gcp"] == pytest.approx(0.697, abs=2e-3)
    assert by_term["3-year"]["gcp"] == pytest.approx(0.450, abs=1e-3)
    recent = {r.term: r.by_provider for r in ratios(book, ["H100-NVL"], date(2025, 1, 1))}
    assert recent["1-year"]["azure"] == pytest.approx(0.832, abs=1e-3)


def test_forward_rents():
    assert forward_rent(12, 2.0, 36, 1.5) == pytest.approx((36 * 1.5 - 12 * 2) / 24)
    with pytest.raises(BadConfig):
        forward_rent(12, 2, 12, 2)


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("reserved-1y", "1-year"),
        ("36 months", "3-year"),
        ("On Demand", "on-demand"),
        ("on_demand", "on-demand"),
        ("spot", "spot"),
        ("interruptible", "spot"),
        ("on-demand (community)", "community"),
        ("Community cloud", "community"),
        ("1 month", "1-month"),
        ("6mo", "3-6-month"),
        ("on-demand or spot", "on-demand or spot"),
        ("5yr", "5-year"),
        ("serverless", "serverless"),
        ("24-month", "2-year"),
    ],
)
def test_terms_as_written(text, term):
    assert term_of(text) == term


def test_a_term_nobody_knows():
    with pytest.raises(UnknownName, match="rental term"):
        term_of("forever")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A100-80GB-PCIe", ("A100", "PCIe", 80.0)),
        ("A100-40GB", ("A100-40GB", "", 40.0)),
        ("H100 (form unspecified)", ("H100", "", None)),
        ("H200-NVL", ("H200", "NVL", None)),
        ("H100 NVL", ("H100-NVL", "", None)),
        ("H100NVL", ("H100-NVL", "", None)),
        ("NVIDIA H100-NVL-94GB", ("H100-NVL", "", 94.0)),
        ("B200 NVL", ("B200", "NVL", None)),
        ("RTX PRO 6000", ("RTX-PRO-6000", "", None)),
        ("L4 PCIe", ("L4", "", None)),
        ("NVIDIA-GB200-NVL72", ("GB200", "NVL72", None)),
        ("NVIDIA H100 SXM5 80GB", ("H100", "SXM", 80.0)),
        ("mi300x", ("MI300X", "OAM", None)),
        ("AMD Instinct MI325X", ("MI325X", "OAM", None)),
        ("TPU v5e", ("TPUv5e", "", None)),
        ("Cerebras", ("Cerebras", "", None)),
    ],
)
def test_names_as_written(catalog, text, found):
    assert accelerator_of(text, catalog) == found


def test_a_rent_paid_upfront_costs_more_at_a_cost_of_capital(catalog):
    rows = [
        row(term="3-year", upfront_share=0.25),
        row(provider="b", term="3-year"),
        row(provider="c", upfront_share=0.5),
    ]
    book = levelled(flagged(table(*rows), catalog), 0.12)
    paid = finance.level_rent(2.0, 0.25, 0.12, 36)
    assert book["usd_per_gpu_h"].to_list() == pytest.approx([paid, 2.0, 2.0]) and paid > 2.05
    assert levelled(flagged(table(*rows), catalog), 0.0)["usd_per_gpu_h"].to_list() == [2.0] * 3
    with pytest.raises(BadConfig, match="cost of capital"):
        rental_prices(MarketQuestion(cost_of_capital=4.0))


def test_a_term_without_a_price_is_empty_unless_it_is_estimated(book):
    assert list(term_rents(book, "H200", TODAY)) == ["on-demand"]
    assert term_rents(book, "MI355X", TODAY, estimate=True) == {}
    rents = term_rents(book, "H200", TODAY, estimate=True)
    ratio = {r.term: r for r in ratios(book, None, TODAY - timedelta(days=730), TODAY)}
    assert rents["1-year"][0] == pytest.approx(rents["on-demand"][0] * ratio["1-year"].ratio)
    assert rents["3-year"][1].startswith("estimate: on-demand × 0.44, the ratio at aws, azure, gcp on A100")
    assert "TPUv5e" in rents["3-year"][1] and "H200" not in ratio["3-year"].accelerators
    ahead = forwards(rents)
    assert [f.term for f in ahead] == ["on-demand", "1-year", "3-year"]
    assert sum(
        f.forward_usd * (f.months - before) for f, before in zip(ahead, (0, 1, 12), strict=True)
    ) == pytest.approx(36 * rents["3-year"][0])


def test_community_offers_are_not_on_demand(book):
    """Firm medians of the shipped rows: those of the provider's community are a term of their own."""
    community = book.filter(pl.col("term") == "community")
    assert community.height == 34 and set(community["provider"]) == {"runpod"}
    firm = {a: cell_at(book, a, "on-demand", TODAY).median_usd_per_gpu_h for a in ("B200", "H200", "H100")}
    assert firm == pytest.approx({"B200": 6.69, "H200": 4.485, "H100": 3.29})
    mixed = book.with_columns(term=pl.col("term").replace("community", "on-demand"))
    assert cell_at(mixed, "B200", "on-demand", TODAY).median_usd_per_gpu_h == pytest.approx(6.385)


def test_list_prices_of_commitments_are_shipped(book):
    listed = book.filter(pl.col("source").str.contains("Cyclenerd") & (pl.col("region") == "us-central1"))
    assert {r["term"]: r["usd_per_gpu_h"] for r in listed.iter_rows(named=True)} == pytest.approx(
        {"spot": 6.6367, "on-demand": 11.0612, "1-year": 7.6730, "3-year": 4.8580}
    )
    assert set(listed["licence"]) == {"Apache-2.0"} and set(listed["date"]) == {date(2026, 8, 20)}
