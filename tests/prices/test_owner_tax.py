"""Income tax: month by month the after-tax cash flows are worth nothing today, under every schedule."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from paretoken.errors import BadConfig, UnknownName
from paretoken.prices.owner.depreciation import DEPRECIATIONS, book_share, deductions_today, schedule
from paretoken.prices.owner.explain import explained
from paretoken.prices.owner.levelised import stack, total
from paretoken.prices.owner.statement import owner_statement
from tests.support.owners import owned

CASE_A = {"tax_rate": 0.25}
TAX_OF_CASE_A = {
    "straight-line": ("0.0973", "1.7555"),
    "declining-balance": ("0.0695", "1.7277"),
    "macrs-5": ("0.1031", "1.7613"),
    "observed": ("0.1150", "1.7732"),
}
"""Tax and total of the case without tax that costs 1.6582 USD; declining-balance over the life."""


def yearly_shares(method: str, months: int, life: int) -> list[float]:
    """What is written off in each year of the life, by the rule of the schedule; written anew for this test."""
    years = -(-life // 12)
    if method == "straight-line":
        return [max(0, min(months, 12 * k + 12) - 12 * k) / months for k in range(years)]
    if method == "macrs-5":
        return [0.2, 0.32, 0.192, 0.1152, 0.1152, 0.0576, *[0.0] * years][:years]
    if method == "observed":
        return [0.45 ** (k / 3) - 0.45 ** ((k + 1) / 3) for k in range(years)]
    left, shares = 1.0, list[float]()
    for k in range(years):
        rest = months / 12 - k
        share = 0.0 if rest <= 0 else min(left, left * max(24 / months, 1 / rest) * min(rest, 1))
        shares.append(share)
        left -= share
    return shares


def npv_of_the_owner(values: dict[str, float], method: str, usd_per_gpu_h: float) -> float:
    """Capital, then every month's rent, running costs, deduction and tax; at the end the sale and its tax."""
    capital, life, tax = values["all_in_usd"], int(values["life_months"]), values["tax_rate"]
    months, monthly_rate = int(values["depreciation_months"] or life), values["cost_of_capital_per_year"] / 12
    by_year = yearly_shares(method, months, life)
    servers = 1 / values["gpus_per_server"]
    running = (
        values["kw"] * values["colo_usd_per_kw_month"]
        + values["kw"] * values["power_draw_share"] * values["pue"] * 730 * values["electricity_usd_per_kwh"]
        + servers * (values["remote_hands_usd_per_server_month"] + values["staff_usd_per_server_month"])
        + capital * values["insurance_share_per_year"] / 12
    )
    worth, book = -capital, capital
    for month in range(1, life + 1):
        year = (month - 1) // 12
        length = min(12, months - 12 * year) if method in ("straight-line", "declining-balance") else 12
        deduction = capital * by_year[year] / length if (month - 1) % 12 < length else 0.0
        book -= deduction
        rent = usd_per_gpu_h * 730 * values["sold_share"]
        cash = rent - running - tax * (rent - running - deduction)
        if month == life:
            sale = capital * values["residual_share"]
            cash += sale - tax * (sale - book)
        worth += cash / (1 + monthly_rate) ** month
    return worth


@pytest.mark.parametrize("method", DEPRECIATIONS)
@pytest.mark.parametrize(
    "figures",
    [
        {},
        {"residual_share": 0.2, "sold_share": 0.8, "insurance_share_per_year": 0.01},
        {"depreciation_months": 60, "staff_usd_per_server_month": 240, "tax_rate": 0.4},
        {"depreciation_months": 30, "life_months": 77},
        {"cost_of_capital_per_year": 0.0, "residual_share": 1.0},
    ],
)
def test_the_cost_leaves_the_owner_nothing_after_tax(method, figures):
    own = {"depreciation": method, "kw": {"value": 1.3, "holds_pue": False}, **CASE_A, **figures}
    values = owned(["H200"], sets=["h200-2025", own])[0].values
    assert npv_of_the_owner(values, method, float(total(values))) == pytest.approx(0, abs=1e-7)
    assert npv_of_the_owner(values, method, float(total(values)) + 0.001) > 1


@pytest.mark.parametrize("method", TAX_OF_CASE_A)
def test_worked_cases(method):
    values = owned(["H200"], sets=["h200-2025", {**CASE_A, "depreciation": method}])[0].values
    tax, cost = TAX_OF_CASE_A[method]
    assert (f"{stack(values)['tax']:.4f}", f"{total(values):.4f}") == (tax, cost)


def test_without_tax_nothing_changes():
    for i in owned():
        taxed = owned([i.accelerator], sets=[{"depreciation": "macrs-5"}])[0]
        assert stack(i.values)["tax"] == 0 and total(taxed.values) == total(i.values)


def test_tax_without_interest_costs_nothing():
    """Profit is nil in every sum of years, so the tax is, too."""
    values = owned(["H100"], sets=[{"cost_of_capital_per_year": 0, "tax_rate": 0.3, "residual_share": 0.2}])[0].values
    assert stack(values)["tax"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("method", DEPRECIATIONS)
def test_every_schedule_writes_off_all(method):
    values = owned(["H100"], sets=[{"depreciation": method, "depreciation_months": 42}])[0].values
    assert all(a.end == b.start for a, b in pairwise(schedule(values)))
    book = [book_share(values, m) for m in range(601)]
    assert book[0] == 1 and all(a >= b - 1e-12 for a, b in pairwise(book)) and book[-1] >= -1e-12
    assert 0 < deductions_today(values) < 1
    if method not in ("observed",):
        assert book[-1] == pytest.approx(0, abs=1e-12)


def test_macrs_is_the_published_table():
    values = owned(["H100"], sets=[{"depreciation": "macrs-5"}])[0].values
    assert [round(float(book_share(values, 12 * k)), 4) for k in range(7)] == [
        1.0,
        0.8,
        0.48,
        0.288,
        0.1728,
        0.0576,
        0.0,
    ]


def test_arrays_of_lives_and_rates_agree_with_numbers():
    lives, rates = np.array([36.0, 41.0, 72.0]), np.array([0.08, 0.0, 0.18])
    for method in DEPRECIATIONS:
        values = owned(["H200"], sets=[{**CASE_A, "depreciation": method}])[0].values
        together = total({**values, "life_months": lives, "cost_of_capital_per_year": rates})
        alone = [
            total({**values, "life_months": n, "cost_of_capital_per_year": r})
            for n, r in zip(lives, rates, strict=True)
        ]
        assert together == pytest.approx(alone, rel=1e-12), method


def test_the_explanation_names_the_schedule():
    for method in DEPRECIATIONS:
        lines = explained(owned(["H200"], sets=["h200-2025", {**CASE_A, "depreciation": method}])[0])
        parts = [x.value for x in lines if x.what.endswith("per GPU-hour")]
        assert sum(parts) == pytest.approx(lines[-1].value)
        (deductions,) = [x for x in lines if x.what == "Deductions today A"]
        assert method in deductions.with_numbers and deductions.source


def test_the_last_set_names_the_schedule():
    sets = [{"depreciation": "macrs-5", "H200": {"depreciation": "observed"}}]
    assert [i.depreciation for i in owned(["H200", "H100"], sets=sets)] == ["observed", "macrs-5"]
    (after,) = owned(["H200"], sets=[*sets, {"depreciation": "straight-line"}])
    assert after.depreciation == "straight-line"


@pytest.mark.parametrize(
    ("figures", "error", "says"),
    [
        ({"depreciation": "macrs"}, UnknownName, "macrs-5"),
        ({"depreciation": 5}, UnknownName, "straight-line"),
        ({"tax_rate": 1.0}, BadConfig, "at most 0.95"),
        ({"tax_rate": -0.1}, BadConfig, "0 or more"),
        ({"depreciation_months": 700}, BadConfig, "at most 600"),
        ({"observed_value_share": 0}, BadConfig, "above 0"),
        ({"insurance_share_per_year": 1.5}, BadConfig, "at most 1"),
    ],
)
def test_mistakes(figures, error, says):
    with pytest.raises(error, match=says):
        owned(["H100"], sets=[figures])


def test_the_options(call):
    line = "tco --accelerator H200 --set h200-2025 --tax-rate 0.25 --depreciation macrs-5"
    (row,) = json.loads(call(f"{line} --json")[1])
    assert f"{row['usd_per_gpu_h']:.4f}" == "1.7613" and row["depreciation"] == "macrs-5"
    assert row["inputs"]["tax_rate"]["value"] == 0.25
    code, out, err = call(f"{line} --depreciation-months 60")
    assert (code, out, err.count("\n")) == (2, "", 1) and "leave --depreciation-months out" in err


def test_the_statement(call):
    line = "tco --accelerator H200 --set h200-2025 --tax-rate 0.25 --depreciation macrs-5 --statement"
    (page,) = json.loads(call(f"{line} --json")[1])
    cost = {x["name"]: x for x in page["lines"]}
    assert sum(x["usd_per_gpu_h"] for x in page["lines"]) == pytest.approx(page["usd_per_gpu_h"])
    assert f"{page['usd_per_gpu_h']:.4f}" == "1.7613"
    assert cost["electricity"]["usd_per_server_year"] == pytest.approx(10.2 * 0.8 * 1.35 * 8760 * 0.087)
    assert cost["colocation"]["usd_per_mw_year"] == pytest.approx(1000 / 1.35 * 130 * 12)
    assert page["gpus_per_mw"] == pytest.approx(1000 / (1.275 * 1.35))
    assert page["capital_usd_per_server"] == 8 * 34698
    assert {x["group"] for x in page["lines"]} == {"capital", "running", "tax"}
    years = page["write_off"]
    assert [round(y["book_value_usd"] / 34698, 4) for y in years] == [0.8, 0.48, 0.288, 0.0]
    assert sum(y["written_off_usd"] for y in years) == pytest.approx(34698)
    assert sum(y["tax_saved_usd"] for y in years) == pytest.approx(0.25 * 34698)
    # Spread over each year's months and discounted, that is the shield of today.
    i = 0.133 / 12
    today = sum(
        y["tax_saved_usd"] / 12 / (1 + i) ** (12 * k + m) for k, y in enumerate(years[:3]) for m in range(1, 13)
    ) + 0.25 * 34698 * (sum(0.1152 / 12 / (1 + i) ** (36 + m) for m in range(1, 13)) + 0.1728 / (1 + i) ** 48)
    assert page["tax_shield_usd_per_gpu"] == pytest.approx(today)
    code, out, _ = call(line)
    assert code == 0 and "= Running costs" in out and "Write-off, macrs-5" in out


def test_a_sold_hour_costs_more_but_a_year_does_not():
    whole, half = (owner_statement(owned(["H200"], sets=[{"sold_share": x}])[0]) for x in (1.0, 0.5))
    assert half.usd_per_gpu_h == pytest.approx(2 * whole.usd_per_gpu_h)
    assert [x.usd_per_gpu_year for x in half.lines] == [x.usd_per_gpu_year for x in whole.lines]
