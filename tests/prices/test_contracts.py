"""Own, reserve or rent: each contract against a month-by-month account, the turning points, and a case by hand."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.errors import BadConfig
from paretoken.prices.contracts import Contract, compare_contracts
from paretoken.prices.own_or_rent import own_or_rent
from paretoken.prices.owner.levelised import total
from tests.support.owners import owned
from tests.support.patience import PATIENT

ON_DEMAND = Contract(name="on-demand", usd_per_gpu_h=4.0, price_decline_per_year=0.2)
YEAR = Contract(name="1-year", usd_per_gpu_h=3.0, term_months=12, price_decline_per_year=0.2)
OWN = Contract(name="own", usd_per_gpu_h=1.5, term_months=36)


def account(contract: Contract, hourly: Contract | None, share: float, months: int, rate: float) -> float:
    """The present value of a contract, one month's bill after another."""
    i, term = rate / 12, contract.term_months
    paid = {}
    if term:
        terms = max(1, months // term) if hourly else ceil(months / term)
        paid = {m: contract.usd_per_gpu_h * 0.8 ** (m // term * term / 12) for m in range(terms * term)}
    by_the_hour = contract if not term else hourly
    total_usd = 0.0
    for month in range(max(months, len(paid))):
        hourly_usd = by_the_hour.usd_per_gpu_h * 0.8 ** (month / 12) * share if by_the_hour else 0.0
        total_usd += 730 * paid.get(month, hourly_usd) / (1 + i) ** (month + 1)
    return total_usd


def costs(contracts, share=0.6, months=36, rate=0.12):
    choice = compare_contracts(contracts, share, months, rate)
    return {c.contract.name: c for c in choice.costs}


def test_the_case_of_the_docs():
    """36 months at 12 % a year, needed in 60 % of the hours; computed by hand in docs/economics.md."""
    by_name = costs([ON_DEMAND, YEAR, OWN])
    assert by_name["on-demand"].present_value_usd == pytest.approx(39_581.64, abs=0.01)
    assert by_name["1-year"].present_value_usd == pytest.approx(54_572.09, abs=0.01)
    assert by_name["own"].present_value_usd == pytest.approx(32_967.72, abs=0.01)
    assert by_name["on-demand"].usd_per_needed_gpu_h == pytest.approx(3.0015, abs=1e-4)
    assert by_name["1-year"].usd_per_needed_gpu_h == pytest.approx(4.1383, abs=1e-4)
    assert by_name["own"].usd_per_needed_gpu_h == pytest.approx(2.5, abs=1e-9)
    assert by_name["own"].turns_at_share == pytest.approx(0.4997, abs=1e-4)
    assert by_name["own"].turns_at_on_demand_usd == pytest.approx(3.3316, abs=1e-4)
    assert by_name["1-year"].turns_at_share == pytest.approx(0.8272, abs=1e-4)
    assert [c.contract.name for c in compare_contracts([ON_DEMAND, YEAR, OWN], 0.6, 36, 0.12).costs] == [
        "own",
        "on-demand",
        "1-year",
    ]


@settings(PATIENT)
@given(st.sampled_from([0, 1, 6, 12, 24, 36]), st.floats(0.01, 1), st.integers(1, 60), st.floats(0, 0.5), st.booleans())
def test_every_contract_is_the_sum_of_its_bills(term, share, months, rate, hourly):
    contract = Contract(name="c", usd_per_gpu_h=2.5, term_months=term, price_decline_per_year=0.2)
    others = [ON_DEMAND] if hourly and term else []
    cost = costs([contract, *others], share, months, rate)["c"]
    assert cost.present_value_usd == pytest.approx(
        account(contract, others[0] if others else None, share, months, rate)
    )


@settings(PATIENT)
@given(st.sampled_from([YEAR, OWN, replace(YEAR, term_months=24)]), st.floats(0.05, 1), st.integers(1, 60))
def test_at_its_turning_points_a_contract_costs_what_on_demand_does(contract, share, months):
    turned = costs([ON_DEMAND, contract], share, months)[contract.name]
    if turned.turns_at_share <= 1:
        same = costs([ON_DEMAND, contract], turned.turns_at_share, months)
        assert same[contract.name].present_value_usd == pytest.approx(same["on-demand"].present_value_usd)
    dearer = replace(ON_DEMAND, usd_per_gpu_h=turned.turns_at_on_demand_usd)
    same = costs([dearer, contract], share, months)
    assert same[contract.name].present_value_usd == pytest.approx(same["on-demand"].present_value_usd)


def test_a_commitment_bills_hours_that_are_not_needed():
    idle, busy = (costs([ON_DEMAND, YEAR], share)["1-year"] for share in (0.1, 1.0))
    assert idle.present_value_usd == pytest.approx(busy.present_value_usd)
    assert idle.usd_per_needed_gpu_h == pytest.approx(10 * busy.usd_per_needed_gpu_h)
    idle, busy = (costs([ON_DEMAND, YEAR], share)["on-demand"] for share in (0.1, 1.0))
    assert idle.present_value_usd == pytest.approx(busy.present_value_usd / 10)


def test_a_term_longer_than_the_horizon_is_billed_to_its_end():
    three_years = replace(YEAR, name="3-year", term_months=36)
    cost = costs([ON_DEMAND, three_years], months=12)["3-year"]
    assert (cost.committed_months, cost.hourly_months) == (36, 0)
    left_over = costs([ON_DEMAND, three_years], months=48)["3-year"]
    assert (left_over.committed_months, left_over.hourly_months) == (36, 12)
    without_hourly = costs([three_years], months=48)["3-year"]
    assert (without_hourly.committed_months, without_hourly.hourly_months) == (72, 0)
    assert without_hourly.turns_at_share is None and without_hourly.turns_at_on_demand_usd is None


def test_owning_costs_what_its_cash_flows_do():
    """The present value of the levelised cost is that of capital, running costs and residual value."""
    case_a = owned(["H200"], sets=["h200-2025"])[0]
    values = {**case_a.values, "sold_share": 1.0}
    own = Contract(name="own", usd_per_gpu_h=float(total(values)), term_months=48)
    hourly = Contract(name="on-demand", usd_per_gpu_h=2.0)
    by_name = costs([hourly, own], 0.9, 48, values["cost_of_capital_per_year"])
    saved = by_name["on-demand"].present_value_usd - by_name["own"].present_value_usd
    against = own_or_rent(case_a, 2.0, 0.9)
    assert saved == pytest.approx(against.npv_usd)
    assert by_name["own"].turns_at_share == pytest.approx(against.break_even_share)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"needed_share": 0.0}, "share of hours is 0"),
        ({"needed_share": 1.1}, "share of hours is 1.1"),
        ({"months": 0}, "horizon is 0 months"),
        ({"cost_of_capital_per_year": -0.1}, "cost of capital is -0.1"),
        ({"contracts": []}, "no contract has a price"),
    ],
)
def test_mistakes(change, says):
    sound = {"contracts": [ON_DEMAND], "needed_share": 1.0, "months": 12, "cost_of_capital_per_year": 0.1}
    with pytest.raises(BadConfig, match=says):
        compare_contracts(**sound | change)


def test_a_contract_has_a_price_and_a_decline_below_all_of_it():
    with pytest.raises(BadConfig, match="a price is above 0"):
        replace(ON_DEMAND, usd_per_gpu_h=-1.0)
    with pytest.raises(BadConfig, match="price decline is 100%"):
        replace(ON_DEMAND, price_decline_per_year=1.0)
