"""Cells of the rental market, their index over time, and who offers what."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.catalog.loader import load_catalog
from paretoken.prices.market.cells import availability, cell_at, vendors_offered
from paretoken.prices.market.history import basket, index_of
from paretoken.prices.market.prices import market_tariff
from paretoken.prices.market.quality_flags import flagged
from paretoken.prices.tariff import tariff, with_prices
from tests.support.patience import PATIENT
from tests.support.rentals import DAY, TODAY, row, table


@settings(PATIENT)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0.5, 9)), min_size=1, max_size=20), st.randoms())
def test_a_cell_does_not_depend_on_the_order(offers, random):
    rows = [row(provider=p, usd=x, instance=str(i)) for i, (p, x) in enumerate(offers)]
    shuffled = random.sample(rows, len(rows))
    cells = [cell_at(flagged(table(*r), load_catalog()), "H200", "on-demand", DAY) for r in (rows, shuffled)]
    assert [(c.median_usd_per_gpu_h, c.q1, c.q3, c.providers, c.rows) for c in cells[:1]] == [
        (c.median_usd_per_gpu_h, c.q1, c.q3, c.providers, c.rows) for c in cells[1:]
    ]


def test_median_of_provider_medians(catalog):
    """Many rows of one provider weigh as one."""
    rows = [row("a", 5.0, instance=str(i)) for i in range(7)] + [row("b", 2.0), row("c", 3.0)]
    found = cell_at(flagged(table(*rows), catalog), "H200", "on-demand", DAY)
    assert (found.median_usd_per_gpu_h, found.providers, found.rows, found.q1, found.q3) == (3.0, 3, 9, 2.5, 4.0)


def test_too_few_shows_rows_and_no_median(catalog):
    found = cell_at(flagged(table(row("a", 2.0), row("b", 4.0)), catalog), "H200", "on-demand", DAY)
    assert (
        found.too_few and found.median_usd_per_gpu_h is None and [o.usd_per_gpu_h for o in found.offers] == [2.0, 4.0]
    )
    assert found.indication == 3.0 and "too few" in found.evidence


def test_staleness_window_and_latest_day(catalog):
    rows = [row(p, x, date=d) for p, x, d in (("a", 5.0, DAY - timedelta(days=170)), ("a", 2.0, DAY), ("b", 3.0, DAY))]
    rows += [row("c", 4.0), row("d", 99.0, date=DAY - timedelta(days=200))]
    found = cell_at(flagged(table(*rows), catalog), "H200", "on-demand", DAY)
    assert (found.median_usd_per_gpu_h, found.providers, found.age_days, found.stale) == (3.0, 3, 0, False)
    later = cell_at(flagged(table(*rows), catalog), "H200", "on-demand", DAY + timedelta(days=91))
    assert later.stale and later.age_days == 91
    assert (
        cell_at(flagged(table(*rows), catalog), "H200", "on-demand", DAY + timedelta(days=300)).evidence == "no price"
    )


def test_a_tariff_says_how_old_a_stale_price_is(catalog):
    rows = [row(p, 3.0) for p in "abc"] + [row(p, 2.0, accelerator="B200", date=TODAY) for p in "abc"]
    market, _ = market_tariff(flagged(table(*rows), catalog), "on-demand", DAY + timedelta(days=100), ("H200", "B200"))
    assert (market.doubt("H200"), market.doubt("B200")) == ("stale, newest 100 days old", None)
    assert with_prices(market, {"H200": 2.5}).doubt("H200") is None
    priced = replace(tariff(catalog), placeholders=("H200",))
    assert (priced.doubt("H200"), priced.doubt("B200")) == ("estimated", None)


def test_pcie_and_nvl_stay_out_unless_asked(catalog):
    rows = [row(p, 2.0) for p in "abc"] + [row(p, 9.0, form="NVL") for p in "def"]
    marked = flagged(table(*rows), catalog)
    assert cell_at(marked, "H200", "on-demand", DAY).providers == 3
    assert cell_at(marked, "H200", "on-demand", DAY, forms=("NVL",)).median_usd_per_gpu_h == 9.0


def test_the_index_holds_the_mix_fixed(catalog):
    """Nobody changes a price, a dear provider joins: the median moves, the chain does not."""
    days = [date(2026, 2, 1), date(2026, 5, 1), date(2026, 8, 1)]
    rows = [row(p, x, date=d) for d in days for p, x in (("a", 2.0), ("b", 3.0), ("c", 4.0))]
    rows += [row(p, 12.0, date=days[1]) for p in ("x", "y")]
    periods = index_of(flagged(table(*rows), catalog), "H200")
    assert [p.median for p in periods] == [3.0, 4.0, 3.0]
    assert [p.index for p in periods] == [3.0, 3.0, 3.0]
    assert periods[1].entered == ("x", "y") and periods[2].left == ("x", "y")
    assert periods[1].from_mix == pytest.approx(1 / 3)
    assert [x for _, x in basket(flagged(table(*rows), catalog), "H200", ["a", "x"])] == [
        None,
        pytest.approx(24**0.5),
        None,
    ]


def test_the_index_follows_a_price_cut(catalog):
    rows = [
        row(p, x * f, date=d)
        for d, f in ((date(2026, 2, 1), 1), (date(2026, 5, 1), 0.7))
        for p, x in (("a", 2.0), ("b", 3.0), ("c", 4.0))
    ]
    rows += [row("d", 9.0, date=date(2026, 5, 1))]
    before, after = index_of(flagged(table(*rows), catalog), "H200")
    assert after.index == after.median == pytest.approx((2.1 + 2.8) / 2) and after.linked == 3
    assert before.index == pytest.approx(after.median / 0.7)


def test_quarters_and_links_of_too_few_providers_are_not_shown(catalog):
    """A quarter of two has no median, and a link of two no weight: the chain breaks and each part ends at a median."""
    quarters = {date(2025, 11, 1): "abcd", date(2026, 2, 1): "ab", date(2026, 5, 1): "abcx", date(2026, 8, 1): "bxyz"}
    rows = [row(p, 2.0 + i + ord(p) % 5, date=d) for i, (d, who) in enumerate(quarters.items()) for p in who]
    first, thin, third, last = index_of(flagged(table(*rows), catalog), "H200")
    assert (thin.median, thin.q1, thin.index, thin.link, thin.linked, thin.providers) == (None, None, None, None, 0, 2)
    assert third.linked == 3 and third.index == third.median
    assert first.index == pytest.approx(third.median / third.link)
    assert (last.link, last.linked, last.from_mix, last.index) == (None, 0, None, last.median)


def test_a_chain_of_the_shipped_prices_ends_at_the_medians_of_the_market(book):
    for name in ("H100", "H200", "B200", "MI300X"):
        assert index_of(book, name)[-1].index == cell_at(book, name, "on-demand", TODAY).median_usd_per_gpu_h


def test_availability_and_the_handful(book, catalog):
    offered = availability(book, TODAY)
    counts = dict(offered.select("accelerator", "any").iter_rows())
    assert counts["H100"] > 20 and counts["MI300X"] < 6
    vendors = vendors_offered(book, {k: a.vendor for k, a in catalog.accelerators.items()}, TODAY)
    assert vendors["NVIDIA"] > 4 * vendors["AMD"]
