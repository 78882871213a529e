"""Own, reserve or rent as an answer: which prices take part, what they rest on, and how rents are taken to fall."""

from __future__ import annotations

from datetime import date

import pytest

from paretoken.answers.market import Market
from paretoken.answers.own_or_rent import OwnOrRentTerms
from paretoken.answers.tco import TcoQuestion, tco
from paretoken.catalog.loader import load_catalog
from paretoken.prices.market.decline import rent_decline_per_year
from paretoken.prices.market.quality_flags import flagged
from tests.support.rentals import TODAY, row, table

CATALOG = load_catalog()
DAYS = [date(2025, 8, 1), date(2025, 11, 1), date(2026, 2, 1), date(2026, 5, 1), date(2026, 8, 1)]


def market(*rows):
    return Market(CATALOG, flagged(table(*rows), CATALOG), TODAY)


def answered(terms, *rows):
    question = TcoQuestion(accelerators=("H200",), own_or_rent=terms)
    (only,) = tco(question, market=market(*rows)).own_or_rent
    return only


def test_only_terms_with_a_median_of_their_own_take_part():
    rows = [row(p, 4.0) for p in "abc"] + [row(p, 3.0, term="1-year") for p in "abc"] + [row("a", 2.0, term="3-year")]
    only = answered(
        OwnOrRentTerms(needed_share=0.6), *rows, row("z", 1.0, term="community"), row("z", 1.0, term="spot")
    )
    assert {c.contract.name for c in only.contracts.costs} == {"on-demand", "1-year", "own"}
    assert only.without_price["3-year"].startswith("too few providers for a median: 1 provider")
    assert only.without_price["5-year"].startswith("no offer within 180 days")
    year = next(c for c in only.contracts.costs if c.contract.name == "1-year")
    assert year.contract.term_months == 12 and year.committed_months == only.contracts.months
    assert year.turns_at_share == pytest.approx(0.75)


def test_rents_fall_as_the_history_does_and_not_when_they_rose():
    history = [row(p, 4.0 * 0.95**q, date=day) for p in "abcde" for q, day in enumerate(DAYS)]
    only = answered(OwnOrRentTerms(), *history)
    hourly = next(c.contract for c in only.contracts.costs if c.contract.name == "on-demand")
    ours = rent_decline_per_year(market(*history).book, "H200", TODAY)
    assert hourly.price_decline_per_year == -ours.per_year == pytest.approx(1 - 0.95**4, abs=0.005)
    assert only.price_decline_basis.startswith("rents keep falling at the past rate: -19% a year at the same sellers")
    assert only.price_decline_basis.endswith("5 providers, 2025-08-01 to 2026-08-01")
    rising = [row(p, 4.0 * 1.05**q, date=day) for p in "abcde" for q, day in enumerate(DAYS)]
    level = answered(OwnOrRentTerms(), *rising)
    assert level.price_decline_basis.startswith("rents stay level, because a past rise is not projected: +22% a year")
    assert level.contracts.costs[-1].contract.price_decline_per_year == 0
    assert "as stated" in answered(OwnOrRentTerms(price_decline=0.1), *rising).price_decline_basis
    thin = answered(OwnOrRentTerms(), *(r for r in history if r["provider"] != "e")).price_decline_basis
    assert thin.startswith("rents stay level: only 4 providers of H200")


def test_without_any_price_there_is_no_comparison():
    only = answered(OwnOrRentTerms(), row("a", 4.0))
    assert only.contracts is None and only.own_or_rent is None
    reserved = answered(OwnOrRentTerms(reserved_usd={"1-year": 3.0}), row("a", 4.0))
    assert {c.contract.name for c in reserved.contracts.costs} == {"1-year", "own"} and reserved.own_or_rent is None
    assert all(c.turns_at_share is None for c in reserved.contracts.costs)


def test_the_horizon_and_an_owner_who_keeps_the_gpu_longer():
    only = answered(OwnOrRentTerms(months=12), *(row(p, 4.0) for p in "abc"))
    own = next(c for c in only.contracts.costs if c.contract.name == "own")
    assert only.contracts.months == 12 and own.committed_months == own.contract.term_months > 12


def test_the_choice_no_longer_mixes_contracts():
    """The shipped H200, needed in 60 % of the hours: on-demand at its own median, and owning pays."""
    shipped = TcoQuestion(accelerators=("H200",), own_or_rent=OwnOrRentTerms(needed_share=0.6), at=TODAY)
    (only,) = tco(shipped).own_or_rent
    assert [c.contract.name for c in only.contracts.costs] == ["own", "on-demand"]
    own, hourly = only.contracts.costs
    assert hourly.contract.usd_per_gpu_h == pytest.approx(4.485) and own.turns_at_share == pytest.approx(
        0.3545, abs=1e-4
    )
    assert hourly.present_value_usd - own.present_value_usd == pytest.approx(29_794, abs=1)
    assert hourly.present_value_usd - own.present_value_usd == pytest.approx(only.own_or_rent.npv_usd)


def test_a_horizon_below_the_life_and_one_above_it_are_explained():
    rents = [row(p, 4.0) for p in "abc"]
    short = answered(OwnOrRentTerms(months=24), *rents)
    assert short.basis["own"].endswith("all 48 months are billed, though 24 are needed: no earlier resale is counted")
    assert short.contracts.months == 24 and short.own_or_rent.months == 48
    twice = answered(OwnOrRentTerms(months=96, price_decline=0.2), *rents)
    assert "bought again every 48 months at today's capital cost" in twice.basis["own"]
    assert answered(OwnOrRentTerms(), *rents).basis["own"] == "levelised cost of the owner over 48 months"


def test_with_tax_the_basis_of_present_values_is_stated():
    question = TcoQuestion(accelerators=("H200",), sets=({"tax_rate": 0.25},), own_or_rent=OwnOrRentTerms())
    (only,) = tco(question, market=market(*(row(p, 4.0) for p in "abc"))).own_or_rent
    assert "25% income tax; present values are of prices before the payer" in only.basis["own"]
    assert only.own_or_rent.tax_rate == 0.25


def year_of(row_of_answer):
    return next(c for c in row_of_answer.contracts.costs if c.contract.name == "1-year")


def test_a_commitment_turns_against_on_demand_of_its_own_sellers():
    """Dear sellers commit at 70 to 90 % of their own price, and twice that of the cheap sellers by the hour."""
    cheap = [row(p, 3.0) for p in ("k", "l", "m", "n")]
    dear = [row(p, 10.0) for p in "abc"]
    years = [row(p, usd, term="1-year") for p, usd in zip("abcd", (7.0, 8.0, 9.0, 8.0), strict=True)]
    only = answered(OwnOrRentTerms(needed_share=0.9), *cheap, *dear, *years)
    hourly = next(c.contract for c in only.contracts.costs if c.contract.name == "on-demand")
    assert hourly.usd_per_gpu_h == 3.0 and year_of(only).contract.usd_per_gpu_h == 8.0
    assert year_of(only).turns_at_share == pytest.approx(0.8)
    assert year_of(only).turns_at_on_demand_usd == pytest.approx(8.0 / 0.9)
    assert only.turns_against["1-year"].basis.startswith("turns against on-demand of the 3 sellers that offer both")


def test_other_sellers_give_no_turning_point():
    rows = [row(p, 3.0) for p in "xyz"] + [row(p, 8.0, term="1-year") for p in "abc"]
    only = answered(OwnOrRentTerms(), *rows)
    assert year_of(only).turns_at_share is None and year_of(only).turns_at_on_demand_usd is None
    assert only.turns_against["1-year"].basis == (
        "no turning point, as no seller offers both: 1-year is of a, b, c; on-demand is of x, y, z"
    )
    own = next(c for c in only.contracts.costs if c.contract.name == "own")
    assert own.turns_at_share is not None


def test_a_stated_price_is_compared_with_the_rent_of_the_answer():
    rows = [row(p, 3.0) for p in "xyz"] + [row(p, 8.0, term="1-year") for p in "abc"]
    quoted = answered(OwnOrRentTerms(reserved_usd={"1-year": 1.5}), *rows)
    assert year_of(quoted).turns_at_share == pytest.approx(0.5) and not quoted.turns_against


def test_an_estimate_names_the_real_offers():
    ratios = [
        row(p, usd, accelerator="A100", memory_gb=80.0, term=term)
        for p in "abc"
        for usd, term in ((2.0, "on-demand"), (1.0, "1-year"))
    ]
    rents = [row(p, 4.0) for p in "xyz"]
    only = answered(OwnOrRentTerms(estimate_terms=True), *ratios, *rents, row("gcp", 8.876, term="1-year"))
    assert year_of(only).contract.usd_per_gpu_h == pytest.approx(2.0)
    assert only.basis["1-year"].endswith("on A100; real offers, USD per GPU-hour: gcp 8.876")
    only = answered(OwnOrRentTerms(estimate_terms=True), *ratios, *rents)
    assert only.basis["1-year"].endswith("on A100; no real offer")
