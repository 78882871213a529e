"""Owning against renting after income tax, against an account kept month by month without the library's formulas."""

from __future__ import annotations

import pytest

from paretoken.prices.own_or_rent import own_or_rent
from tests.support.owners import owned

MACRS = (0.20, 0.32, 0.192, 0.1152, 0.1152, 0.0576)
H200 = {"capital": 32_153.0, "opex_h": 0.4018, "rate": 0.133, "life": 48}


def account(rent, share, tax, write_off, *, capital, opex_h, rate, life, resale=0.0):
    """(NPV, payback month, IRR a year): the profit of every month is taxed, a loss saves tax at once."""
    flows, book = [-capital], capital
    for month in range(life):
        written = write_off(month) * capital
        book -= written
        cash = 730 * (rent * share - opex_h)
        flows.append(cash - tax * (cash - written))
    flows[-1] += resale - tax * (resale - book)

    def worth(yearly):
        return sum(usd / (1 + yearly / 12) ** month for month, usd in enumerate(flows))

    low, high = -0.9, 10.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if worth(middle) > 0 else (low, middle)
    paid = next((m for m in range(life + 1) if sum(flows[: m + 1]) >= 0), None)
    return worth(rate), paid, low


@pytest.mark.parametrize(
    ("rent", "share", "tax", "npv_usd", "months", "irr"),
    [
        (4.485, 0.6, 0.25, 20_515, 23, 0.434),
        (2.0, 0.6, 0.4, -9_261, None, -0.039),
        (6.0, 1.0, 0.4, 68_673, 12, 0.993),
        (4.485, 0.6, 0.0, 29_794, 20, 0.5515),
    ],
)
def test_the_shipped_h200(rent, share, tax, npv_usd, months, irr):
    (h200,) = owned(["H200"], sets=[{"tax_rate": tax}])
    ours = own_or_rent(h200, rent, share)
    independent = account(rent, share, tax, lambda _: 1 / 48, **H200)
    assert (ours.npv_usd, ours.irr_per_year) == (pytest.approx(npv_usd, abs=1), pytest.approx(irr, abs=6e-4))
    assert (ours.npv_usd, ours.irr_per_year) == (
        pytest.approx(independent[0], abs=3),
        pytest.approx(independent[2], abs=2e-4),
    )
    assert ours.payback_months == months == independent[1]
    assert (ours.months, ours.tax_rate) == (48, tax)


def test_a_schedule_that_ends_after_the_life_and_a_taxed_resale():
    figures = {"tax_rate": 0.3, "depreciation": "macrs-5", "residual_share": 0.2}
    (h200,) = owned(["H200"], sets=["h200-2025", figures])
    (untaxed,) = owned(["H200"], sets=["h200-2025", {"residual_share": 0.2}])
    capital, running = 34_698.0, _running_usd_h(untaxed)
    facts = {"capital": capital, "opex_h": running, "rate": 0.133, "life": 48, "resale": 0.2 * capital}
    independent = account(3.0, 0.8, 0.3, lambda month: MACRS[month // 12] / 12, **facts)
    ours = own_or_rent(h200, 3.0, 0.8)
    assert ours.npv_usd == pytest.approx(independent[0], rel=1e-3)
    assert (ours.payback_months, ours.irr_per_year) == (independent[1], pytest.approx(independent[2], abs=1e-3))


def _running_usd_h(untaxed):
    """What is left of the levelised cost without capital and its resale, USD per hour."""
    factor = (1 - (1 + 0.133 / 12) ** -48) / (0.133 / 12)
    capital = 34_698.0 * (1 - 0.2 * (1 + 0.133 / 12) ** -48) / factor / 730
    return own_or_rent(untaxed, 3.0).owned_usd_per_gpu_h - capital


@pytest.mark.parametrize("depreciation", ["straight-line", "declining-balance", "macrs-5", "observed"])
@pytest.mark.parametrize("life", [30, 48, 84])
def test_at_the_break_even_share_nothing_is_gained_after_tax(depreciation, life):
    """The levelised cost with tax is the rent at which the cash flows after tax are worth nothing."""
    figures = {"tax_rate": 0.3, "depreciation": depreciation, "life_months": life, "residual_share": 0.1}
    (h200,) = owned(["H200"], sets=["h200-2025", figures])
    share = own_or_rent(h200, 4.0).break_even_share
    assert own_or_rent(h200, 4.0, share).npv_usd == pytest.approx(0, abs=1e-6)
