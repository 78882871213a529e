"""How firm a verdict is: fragile, withheld where hardware is out of order, software dates apart."""

from __future__ import annotations

import polars as pl
import pytest

from paretoken.catalog.hardware import better_hardware
from paretoken.frontier import crossovers, curve_grid, curves, segments, verdict_at
from paretoken.frontier.consistency import noise
from paretoken.frontier.verdict import grid_inconsistencies
from tests.frontier.test_frontier import points_of
from tests.support.points import prepared

ORDER = frozenset({("H200", "H100")})
FLAT = [(float(x), 100.0 + x) for x in range(1, 9)]


def curves_of(*rows: dict):
    return curves(prepared(*rows).with_columns(suspicious=pl.lit(None, pl.String)), "e2e")


def scaled(accelerator: str, factor: float, **changes) -> list[dict]:
    return points_of(accelerator, *((x, factor * y) for x, y in FLAT), **changes)


def test_the_order_of_hardware_is_within_a_family_and_needs_every_figure(catalog):
    order = better_hardware(catalog.accelerators.entries)
    assert {("H200", "H100"), ("MI325X", "MI300X"), ("B300", "B200"), ("MI355X", "MI350X")} <= order
    assert not any((worse, better) in order for better, worse in order)
    families = {a: (e.vendor, e.architecture) for a, e in catalog.accelerators.entries.items()}
    assert all(families[better] == families[worse] for better, worse in order)
    assert ("B200", "H200") not in order and ("MI355X", "MI300X") not in order


def test_better_hardware_that_is_slower_withholds_the_verdict_of_both():
    rows = scaled("H200", 0.9) + scaled("H100", 1.0) + scaled("B200", 0.8)
    drawn = curves_of(*rows)
    verdict = verdict_at(drawn, 4.0, order=ORDER)
    assert verdict.winner == "H100" and verdict.withheld.startswith("inconsistent data: with at most 4 s end to end")
    assert "H200 serves 93.6 tok/s/GPU and H100 104, though H200 has at least the hardware of H100" in verdict.withheld
    assert "H200 vllm, 2026-01-01, TP8, 4 users: 93.6 tok/s/GPU" in verdict.withheld
    assert verdict_at(drawn, 4.0).withheld is None
    grid = curve_grid(drawn, order=ORDER)
    assert all(s.withheld for s in segments(grid))
    (pair,) = grid_inconsistencies(grid)
    assert (pair.better, pair.worse, pair.ratio, pair.missing_engine) == ("H200", "H100", pytest.approx(0.9), None)
    assert pair.range_s == (1, 8)


def test_a_verdict_that_rests_on_neither_is_given():
    drawn = curves_of(*scaled("H200", 0.5), *scaled("H100", 0.6), *scaled("B200", 1.0), *scaled("MI355X", 0.9))
    assert verdict_at(drawn, 4.0, order=ORDER).withheld is None
    assert [s.withheld for s in segments(curve_grid(drawn, order=ORDER))] == [None]
    assert len(grid_inconsistencies(curve_grid(drawn, order=ORDER))) == 1


@pytest.mark.parametrize(("share", "withheld"), [(0.975, False), (0.96, True)])
def test_slower_by_less_than_the_noise_is_in_order(share, withheld):
    drawn = curves_of(*scaled("H200", share), *scaled("H100", 1.0))
    assert bool(verdict_at(drawn, 4.0, order=ORDER).withheld) is withheld


def test_noise_grows_with_the_time_between_the_software():
    (base,) = curves_of(*scaled("H200", 1.0, date="2026-01-01"))
    others = [curves_of(*scaled("H100", 1.0, date=d))[0] for d in ("2026-02-10", "2026-03-20", "2026-06-01", None)]
    assert [noise(base, other) for other in others] == [0.034, 0.09, 1.0, 0.09]
    predicted, other = (curves_of(*scaled(a, 1.0, origin="predicted"))[0] for a in ("H100", "H200"))
    assert (noise(base, predicted), noise(other, predicted)) == (1.0, 0.15)


def test_software_of_another_date_is_no_contradiction_and_the_verdict_says_how_far_apart():
    drawn = curves_of(*scaled("H200", 0.7, date="2025-10-01"), *scaled("H100", 1.0, date="2026-05-01"))
    verdict = verdict_at(drawn, 4.0, order=ORDER)
    assert (verdict.withheld, verdict.days_apart) == (None, 212)


def test_an_engine_that_the_better_never_ran_bars_only_the_verdict_between_the_two():
    rows = scaled("H200", 0.9, engine="sglang") + scaled("H100", 1.0, engine="trtllm")
    verdict = verdict_at(curves_of(*rows), 4.0, order=ORDER)
    assert "it has no points with trtllm there" in verdict.withheld
    third = curves_of(*rows, *scaled("MI355X", 1.2))
    assert verdict_at(third, 4.0, order=ORDER).withheld is None
    ran = curves_of(*rows, *scaled("H200", 0.5, engine="trtllm"), *scaled("MI355X", 1.2))
    assert "H200" in verdict_at(ran, 4.0, order=ORDER).withheld


def test_price_decides_who_leads_and_throughput_who_is_out_of_order():
    """A dearer H200 that serves more is in order, though its tokens cost more."""
    drawn = curves_of(*scaled("H200", 1.1), *scaled("H100", 1.0))
    weight = {"H200": 0.5, "H100": 1.0}
    assert verdict_at(drawn, 4.0, weight, ORDER).withheld is None
    assert [s.withheld for s in segments(curve_grid(drawn, weight, ORDER))] == [None]


def test_near_a_crossover_a_verdict_is_fragile():
    a = points_of("H200", *((float(x), 100.0 + x) for x in range(1, 12)))
    b = points_of("B200", *((float(x), 90.0 + 4 * x) for x in range(1, 12)))
    drawn = curves_of(*a, *b)
    (crossing,) = crossovers(curve_grid(drawn))
    for nearness in (1 / 1.04, 1.04):
        assert "at which the winner changes" in verdict_at(drawn, crossing.latency_s * nearness).fragile
    for distance in (1 / 1.3, 1.3):
        assert verdict_at(drawn, crossing.latency_s * distance).fragile is None


def test_a_verdict_that_one_load_level_decides_is_fragile():
    steady = scaled("H200", 1.0)
    spike = [*((float(x), 90.0 + x) for x in range(1, 5)), (5.0, 200.0), (7.0, 201.0), (8.0, 202.0)]
    drawn = curves_of(*steady, *points_of("B200", *spike))
    assert verdict_at(drawn, 7.5).fragile is None
    last = curves_of(*steady, *points_of("B200", *spike[:5]))
    assert verdict_at(last, 6.0).fragile == "one load level decides it (B200 TP8, 5 users: 200 tok/s/GPU)"


def test_a_point_behind_the_front_takes_the_place_of_one_that_is_left_out():
    """Without its best point the winner still has a second configuration that is nearly as good."""
    second = points_of("B200", (4.9, 190.0), tp=4) + points_of("B200", (1.0, 150.0), (4.8, 191.0))
    drawn = curves_of(*scaled("H200", 1.0), *second)
    assert verdict_at(drawn, 6.0).fragile is None
    (curve,) = (c for c in drawn if c.accelerator == "B200")
    assert curve.dominated == ((4.9, 190.0),)
    assert curve.without(1).value_within(6.0) == 190.0


def test_who_led_until_its_data_end_is_named():
    """At 8 s the H200 serves more, for the B200 was never run at more load than at 4 s, where it led."""
    drawn = curves_of(*scaled("H200", 1.0), *points_of("B200", (2.0, 103.0), (4.0, 105.0)))
    verdict = verdict_at(drawn, 8.0)
    assert (verdict.winner, verdict.data_end) == ("H200", "B200 led until its data end, at 4 s end to end")
    assert verdict_at(drawn, 4.0).data_end is None
    assert verdict_at(drawn, 8.0, {"H200": 1.0}).data_end is None
    behind = curves_of(*scaled("H200", 1.0), *points_of("B200", (2.0, 93.0), (4.0, 95.0)))
    assert verdict_at(behind, 8.0).data_end is None


def test_nobody_within_the_limit_is_no_verdict():
    drawn = curves_of(*scaled("H200", 1.0))
    assert verdict_at(drawn, 0.5) is None
    assert verdict_at(drawn, 4.0, {"B200": 1.0}) is None
    assert verdict_at(drawn, 4.0).confidence == "uncontested"
