"""The place of the point value among the draws, against closed forms, and what moves the median away from it."""

from __future__ import annotations

import json
from math import exp, log

import numpy as np
import pytest

from paretoken.prices.owner.levelised import total
from paretoken.prices.owner.montecarlo import UncertainThroughput, simulate
from paretoken.prices.owner.point import point_place, point_places
from tests.prices.test_montecarlo import figure, owner_with

N = 40_000


def place_of(n: int = N, **figures):
    inputs = owner_with("H200", **figures)
    return inputs, point_place(inputs, simulate([inputs], n, 1))


def test_a_range_on_one_side_puts_the_point_at_an_end():
    """Hours sold from 0.75 to 1 with 1 as the value: every draw costs more."""
    inputs, place = place_of(sold_share=figure(1.0, 0.75, 1.0, "triangular"))
    assert place.below == 0 and place.usd_per_gpu_h == total(inputs.values)
    (shift,) = place.one_sided
    assert (shift.name, shift.above_value) == ("sold_share", 0.0)
    # The median of a triangle that rises to its end is low + width·√½, and cost goes with its reciprocal.
    median = total({**inputs.values, "sold_share": 0.75 + 0.25 * 0.5**0.5})
    assert shift.median_shift_usd == pytest.approx(median - total(inputs.values), rel=0.01)
    assert place.median_less_point_usd == pytest.approx(shift.median_shift_usd, rel=0.02)


def test_a_range_around_its_value_leaves_the_point_in_the_middle():
    centre = exp((log(0.05) + log(0.2)) / 2)
    _, place = place_of(electricity_usd_per_kwh=figure(centre, 0.05, 0.2, "lognormal"))
    assert place.below == pytest.approx(0.5, abs=0.01) and place.one_sided == ()
    assert place.median_less_point_usd == pytest.approx(0, abs=2e-3)


def test_a_lognormal_value_off_the_centre_has_the_normal_share_above():
    """The value 0.087 of 0.05 to 0.17 in 90 %: Φ((ln 0.0922 − ln 0.087) / σ) of the draws lie above."""
    from scipy.stats import norm

    mu, sigma = (log(0.05) + log(0.3)) / 2, log(0.3 / 0.05) / (2 * norm.ppf(0.95))
    _, place = place_of(electricity_usd_per_kwh=figure(0.087, 0.05, 0.3, "lognormal"))
    (shift,) = place.one_sided
    assert shift.above_value == pytest.approx(1 - norm.cdf((log(0.087) - mu) / sigma), abs=0.01)
    assert place.below == pytest.approx(norm.cdf((log(0.087) - mu) / sigma), abs=0.01)


def test_shifts_have_their_sign_and_order():
    _, place = place_of(
        sold_share=figure(1.0, 0.75, 1.0, "triangular"),
        residual_share=figure(0.0, 0.0, 0.05, "triangular"),
        pue=figure(1.35, 1.15, 1.55, "triangular"),
    )
    assert [s.name for s in place.one_sided] == ["sold_share", "residual_share"]
    assert place.one_sided[0].median_shift_usd > 0 > place.one_sided[1].median_shift_usd
    together = sum(s.median_shift_usd for s in place.one_sided)
    assert together == pytest.approx(place.median_less_point_usd, rel=0.05)


def test_without_ranges_the_point_is_every_draw():
    _, place = place_of(10)
    assert (place.below, place.median_less_point_usd, place.one_sided) == (0.5, 0.0, ())


def test_throughput_has_a_place_of_its_own():
    inputs = owner_with("H200", sold_share=figure(1.0, 0.75, 1.0, "triangular"))
    draws = simulate([inputs], N, 1, {"H200": UncertainThroughput(1000, 0.3)}, 0.5)
    place = point_places([inputs], draws)["H200"]
    assert place.below == 0
    point = total(inputs.values) / (1000 * 0.0036) / 0.5
    assert place.below_usd_per_mtok == pytest.approx(float(np.mean(draws.usd_per_mtok["H200"] < point)))
    assert 0.1 < place.below_usd_per_mtok < 0.5
    assert [s.name for s in place.one_sided] == ["sold_share"]


def test_the_verb_says_where_the_point_lies(call):
    line = "tco --accelerator H200 --monte-carlo 20000 --seed 1"
    place = json.loads(call(f"{line} --json")[1])["point"]["H200"]
    assert place["usd_per_gpu_h"] == pytest.approx(1.59) and 0.30 < place["below"] < 0.34
    first = place["one_sided"][0]
    assert (first["name"], first["above_value"], first["value"]) == ("sold_share", 0.0, 1.0)
    assert call(f"{line} --json")[1] == call(f"{line} --json")[1]
    code, out, _ = call(line)
    assert code == 0 and "draws below it" in out and "sold_share +0.1" in out
