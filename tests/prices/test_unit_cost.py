"""Unit costs worked by hand: input and output apart, a cached token, idle hours, carbon, earnings, payback."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.catalog.loader import load_catalog
from paretoken.prices.cost import (
    cached_usd_per_mtok,
    gco2_per_mtok,
    idle_usd_per_gpu_day,
    joules_per_token,
    phase_usd_per_mtok,
    split_usd_per_mtok,
)
from paretoken.prices.earnings import OwnerCapital, earnings, owner_capital, payback_months, revenue_usd_per_gpu_h
from paretoken.prices.fleet import fleet
from paretoken.prices.own_or_rent import own_or_rent
from paretoken.prices.owner.price import owner_inputs

positive = st.floats(0.01, 1e4)
CAPITAL = OwnerCapital(40_000.0, 0.40, "neocloud", 60.0)


def test_prefill_and_decode_pay_for_the_hour_each_its_share():
    """0.30 · 2.00 / 3.6 = 0.1667 USD per million input tokens; 0.70 · 2.00 / 0.9 = 1.5556 per million output tokens."""
    inputs, outputs = phase_usd_per_mtok(2.0, 1000.0, 250.0, 0.30)
    assert (inputs, outputs) == (pytest.approx(0.1667, abs=5e-5), pytest.approx(1.5556, abs=5e-5))


@given(positive, positive, positive, st.floats(0, 1), st.floats(0.01, 1))
def test_a_split_by_time_pays_for_every_hour_exactly(usd, inputs, outputs, share, load):
    input_usd, output_usd = phase_usd_per_mtok(usd, inputs, outputs, share, load)
    earned = (input_usd * inputs + output_usd * outputs) * 3600 / 1e6 * load
    assert earned == pytest.approx(usd)


@given(positive, positive, positive, st.floats(0.1, 20), st.floats(0.01, 1))
def test_a_ratio_of_prices_is_a_split_by_the_share_that_it_implies(usd, inputs, outputs, ratio, load):
    share = inputs / (inputs + ratio * outputs)
    assert split_usd_per_mtok(usd, inputs, outputs, ratio, load) == pytest.approx(
        phase_usd_per_mtok(usd, inputs, outputs, share, load)
    )


def test_a_cached_token_costs_the_reading_of_its_kv_entries():
    """1.5556 · 1024 · 0.20 / (4096 + 512) = 0.0691 USD per million."""
    assert cached_usd_per_mtok(1.5556, 0.20, 4096, 1024) == pytest.approx(0.0691, abs=5e-5)
    assert cached_usd_per_mtok(1.5556, 0.0, 4096, 1024) == 0.0


def test_idle_hours_of_a_day():
    """24 · 2.00 · 0.40 = 19.20 USD."""
    assert idle_usd_per_gpu_day(2.0, 0.6) == pytest.approx(19.20)
    assert idle_usd_per_gpu_day(2.0, 1.0) == 0.0


def test_carbon_of_a_million_tokens():
    """1.37 kW · 1.35 = 1.8495 kW at the meter, / 442 tok/s = 4.1844 J; / 3.6 · 400 = 464.9 g."""
    joules = joules_per_token(442.0, 1.37 * 1.35)
    assert joules == pytest.approx(4.1844, abs=5e-5)
    assert gco2_per_mtok(joules, 400.0) == pytest.approx(464.9, abs=0.05)


def test_earnings_of_a_gpu_and_of_a_megawatt():
    """2,000 tok/s · 0.0036 · 0.60 · 0.5 = 2.16 USD/h, less 1.73; 500 GPUs a MW, 8,760 h; 40,000 / (1.76 · 730)."""
    e = earnings(2000.0, 1.73, 0.60, 0.5, utility_kw_per_gpu=2.0, capital=CAPITAL)
    assert e.revenue_usd_per_gpu_h == pytest.approx(2.16)
    assert e.margin_usd_per_gpu_h == pytest.approx(0.43)
    assert e.margin_share == pytest.approx(0.1991, abs=5e-5)
    assert e.revenue_usd_per_mw_year == pytest.approx(9_460_800)
    assert e.profit_usd_per_mw_year == pytest.approx(1_883_400)
    assert (e.capital_usd_per_gpu, e.capital_usd_per_mw) == (40_000, pytest.approx(20_000_000))
    assert (e.payback_months, e.life_months) == (pytest.approx(31.13, abs=5e-3), 60.0)


def test_what_is_not_known_of_a_site_is_absent():
    e = earnings(2000.0, 1.73, 0.60)
    assert (e.profit_usd_per_mw_year, e.revenue_usd_per_mw_year, e.capital_usd_per_mw) == (None, None, None)
    assert (e.capital_usd_per_gpu, e.payback_months, e.payback_basis) == (None, None, None)


def test_no_payback_if_the_revenue_does_not_cover_the_running_costs():
    assert payback_months(CAPITAL, 0.40) is None


def test_no_payback_beyond_the_owners_life():
    """1.50 USD per hour over the running costs pays 40,000 back in 36.5 months; 0.90 in 60.9, after a life of 60."""
    assert payback_months(CAPITAL, 1.90) == pytest.approx(36.53, abs=5e-3)
    assert payback_months(CAPITAL, 1.30) is None
    assert owner_capital(owner_inputs(load_catalog(), "neocloud", ["H200"])[0]).life_months == 48.0


def test_profit_per_megawatt_agrees_with_that_of_a_fleet_but_for_the_last_gpu():
    """InferenceX states profit per GW-year of a whole fleet: GPUs are whole there."""
    of_mw = earnings(2000.0, 1.73, 0.60, 0.5, utility_kw_per_gpu=1.7)
    of_fleet = fleet(1000.0, 1.7, 1.73, 2000.0, 0.5, 0.60)
    assert of_mw.profit_usd_per_mw_year * 1000 == pytest.approx(of_fleet.profit_usd_per_gw_year, rel=1e-5)


def test_an_owners_payback_is_that_of_renting_it_out_at_the_same_revenue(catalog):
    """`own_or_rent` counts whole months; the residual value comes at the end only."""
    inputs = owner_inputs(catalog, "neocloud", ["H200"])[0]
    revenue = revenue_usd_per_gpu_h(2000.0, 0.60)
    months = payback_months(owner_capital(inputs), revenue)
    whole = own_or_rent(inputs, revenue).payback_months
    assert whole - 1 < months <= whole
