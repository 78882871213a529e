"""Cost, energy and break-even rent against worked cases and closed forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.answers.priced import rank
from paretoken.answers.rent_curve import rent_curve
from paretoken.errors import BadConfig, UnknownName
from paretoken.frontier import candidates, curve_grid
from paretoken.prices import (
    break_even_rent,
    joules_per_token,
    split_usd_per_mtok,
    tariff,
    tariffs,
    tok_s_per_mw,
    usd_per_mtok,
    with_prices,
)
from tests.frontier.test_frontier import curves_of, points_of

money = st.floats(0.01, 100)
speed = st.floats(1, 1e5)


@pytest.mark.parametrize(
    ("rent", "tput", "load", "cost"),
    [(1.95, 5856.9, 1.0, "0.0925"), (1.12, 725.2, 1.0, "0.4290"), (2.00, 442, 0.75, "1.6759")],
)
def test_worked_cases(rent, tput, load, cost):
    assert f"{usd_per_mtok(rent, tput, load):.4f}" == cost


def test_energy():
    assert tok_s_per_mw(1000, 1.25) == 800_000
    assert joules_per_token(1000, 1.25) == pytest.approx(1.25)


@given(money, speed, speed, st.floats(1, 10))
def test_a_split_pays_for_the_hour(rent, given_, made, ratio):
    usd_in, usd_out = split_usd_per_mtok(rent, given_, made, ratio)
    assert usd_out == pytest.approx(ratio * usd_in)
    assert (usd_in * given_ + usd_out * made) * 3600 / 1e6 == pytest.approx(rent)


@given(money, speed, st.floats(0.01, 1))
def test_cost_times_throughput_is_constant(rent, tput, load):
    assert usd_per_mtok(rent, tput, load) * tput * load * 3600 / 1e6 == pytest.approx(rent)


@given(money, speed, speed)
def test_break_even_is_reciprocal(rent, a, b):
    there = break_even_rent(rent, a, b)
    assert break_even_rent(there, b, a) == pytest.approx(rent)
    assert usd_per_mtok(there, b) == pytest.approx(usd_per_mtok(rent, a))


def test_switching_cost_lowers_the_rent():
    assert break_even_rent(2.5, 100, 80, switching_usd=1000, hours=10_000) == pytest.approx(2.0 - 0.1)


def test_break_even_curve_from_where_both_meet_the_limit():
    grid = curve_grid(curves_of(*points_of("H200", (2, 100), (8, 100.5)), *points_of("MI300X", (1, 50), (5, 50.5))))
    curve = rent_curve(grid, "e2e", "MI300X", "H200", 2.5)
    assert (curve[0].value, curve[-1].value) == (2, 8)
    assert [p.break_even_usd_per_gpu_h for p in curve] == pytest.approx([1.25] * len(curve), rel=0.02)
    assert rent_curve(grid, "e2e", "B200", "H200", 2.5) == ()


def test_ranking_by_cost_with_one_candidate_per_accelerator(catalog):
    rows = points_of("H200", (1, 100), (9, 110)) + points_of("H200", (1, 90), (9, 95), engine="trtllm")
    rows += points_of("B200", (1, 120), (9, 130)) + points_of("L40S", (1, 10), (9, 12))
    ranking = rank(candidates(curves_of(*rows), 1.0), tariff(catalog, "2026-07", "hyperscaler"))
    assert [c.accelerator for c in ranking.candidates] == ["H200", "B200", "L40S"]
    assert [(c.accelerator, c.engine) for c in ranking.other_engines] == [("H200", "trtllm")]
    assert (ranking.throughput_winner, ranking.throughput_margin) == ("B200", pytest.approx(0.2))
    assert ranking.candidates[-1].usd_per_mtok_total is None


def test_tariffs(catalog):
    assert tariff(catalog).price_set == catalog.newest_tco()
    assert [t.tier for t in tariffs(catalog, "2026-07")] == ["hyperscaler", "neocloud", "rent-3yr"]
    assert "B300" in tariff(catalog, "2025-08", "neocloud").placeholders
    with pytest.raises(UnknownName, match="neocloud"):
        tariff(catalog, "2026-07", "neoclod")
    with pytest.raises(UnknownName, match="2026-07"):
        tariff(catalog, "2026-7")


def test_own_prices_go_over_the_tariff(catalog):
    mine = with_prices(tariff(catalog, "2026-07"), {"H200": 9.0})
    assert (mine.usd_per_gpu_h["H200"], mine.usd_per_gpu_h["H100"]) == (9.0, 1.17)
    assert "own prices" in mine.name and mine.own_prices == ("H200",) and mine.tier == "hyperscaler"
    with pytest.raises(BadConfig, match="above 0"):
        with_prices(mine, {"H200": -1.0})
