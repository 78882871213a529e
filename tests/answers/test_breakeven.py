"""`breakeven`: the ratio of throughputs at every limit, both bounds, what is withheld, and how it is shown."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from paretoken.answers.breakeven import BreakevenQuestion, breakeven
from paretoken.answers.points import Data
from paretoken.errors import NoData
from tests.support.points import prepared
from tests.support.served import CHAT, curve

DAY = date(2026, 11, 24)
ASKED = BreakevenQuestion(**CHAT, accelerator="MI300X", against="H200", rent_usd=2.0)
H200 = curve("H200", (2, 100), (4, 200), (8, 400))
MI300X = curve("MI300X", (2, 50), (4, 150), (8, 200), users=16.0)


@pytest.fixture
def data(catalog):
    return lambda *rows: Data(catalog, prepared(*rows))


def rents(answer) -> dict[float, float]:
    return {round(p.value, 6): p.break_even_usd_per_gpu_h for p in answer.points}


def near(answer, latency_s: float):
    return min(answer.points, key=lambda p: abs(p.value - latency_s))


def test_the_rent_is_the_ratio_of_the_throughputs_at_every_limit(data):
    answer = breakeven(ASKED, data(*H200, *MI300X))
    at = rents(answer)
    assert (at[2.0], at[8.0]) == (pytest.approx(1.0), pytest.approx(1.0))
    assert near(answer, 4.0).break_even_usd_per_gpu_h == pytest.approx(1.5, rel=0.01)
    assert answer.range_usd_per_gpu_h == (min(at.values()), max(at.values()))


def test_what_is_faster_counts_at_every_slower_limit(data):
    """MI300X ends at 3 s: at 8 s it still gives what it gives there."""
    answer = breakeven(ASKED, data(*H200, *curve("MI300X", (2, 50), (3, 300))))
    assert rents(answer)[8.0] == pytest.approx(2.0 * 300 / 400)


def test_both_bounds_each_with_its_range(data):
    drafted = curve("MI300X", (2.1, 500), (7.9, 900), speculative="mtp")
    answer = breakeven(ASKED, data(*H200, *MI300X, *drafted))
    assert (answer.serving, answer.speculative) == ("single-node", "none")
    of_any = answer.best_known
    assert (of_any.serving, of_any.speculative, of_any.best_known) == ("any", "any", None)
    assert rents(of_any)[8.0] == pytest.approx(2.0 * 900 / 400) and rents(answer)[8.0] == pytest.approx(1.0)
    assert breakeven(replace(ASKED, speculative="any"), data(*H200, *MI300X, *drafted)).best_known is None


def test_no_plain_curve_leaves_the_best_known(data):
    drafted = curve("MI300X", (2.1, 500), (7.9, 900), speculative="mtp")
    answer = breakeven(ASKED, data(*H200, *drafted))
    assert answer.points == () and answer.range_usd_per_gpu_h is None and "MI300X" in answer.unmet
    assert rents(answer.best_known)[8.0] == pytest.approx(4.5)
    with pytest.raises(NoData, match="MI300X and H200 have no latency in common: MI300X: no points"):
        breakeven(ASKED, data(*H200))


OUT_OF_ORDER = (
    *curve("H100", (2, 100), (4, 220), (8, 300)),
    *curve("H200", (2, 150), (4, 180), (8, 400)),
)
"""H200 has at least the hardware of H100, but serves less from 4 s on until it passes it."""


def test_what_is_out_of_the_order_of_the_hardware_is_withheld_and_in_no_range(data):
    answer = breakeven(replace(ASKED, accelerator="H100"), data(*OUT_OF_ORDER))
    assert near(answer, 2.0).withheld is None and near(answer, 8.0).withheld is None
    assert "H200 has at least the hardware of H100" in near(answer, 4.0).withheld
    low, high = answer.range_usd_per_gpu_h
    assert near(answer, 4.0).break_even_usd_per_gpu_h == pytest.approx(2 * 220 / 180, rel=0.01)
    assert high == max(p.break_even_usd_per_gpu_h for p in answer.points if not p.withheld) < 2.1
    assert low == pytest.approx(2.0 * 100 / 150)
    market = breakeven(replace(ASKED, accelerator="H100", market=True, at=DAY), data(*OUT_OF_ORDER))
    term = market.terms[0]
    assert [bool(w) for w in market.withheld] == [bool(p.withheld) for p in answer.points]
    assert term.high < max(term.break_even_usd_per_gpu_h)
    assert term.high / term.against_usd_per_gpu_h == pytest.approx(high / 2.0)


def test_nothing_but_withheld_limits_has_no_range_and_no_verdict(data):
    h100 = [r | {"accelerator": "H100", "total_tput_per_gpu_tok_s": 2 * r["total_tput_per_gpu_tok_s"]} for r in H200]
    points = data(*H200, *h100)
    assert breakeven(replace(ASKED, accelerator="H100"), points).range_usd_per_gpu_h is None
    (term, *_) = breakeven(replace(ASKED, accelerator="H100", market=True, at=DAY), points).terms
    assert term.spread_usd_per_gpu_h is None and term.verdict == "no verdict: inconsistent data"


def test_the_pair_alone_decides_what_is_withheld(data):
    """H100 and H200 are out of order; MI300X against H200 is not."""
    answer = breakeven(ASKED, data(*OUT_OF_ORDER, *MI300X))
    assert not any(p.withheld for p in answer.points)


def test_software_far_apart_is_said_at_each_limit(data):
    late = [r | {"date": "2026-06-01"} for r in MI300X]
    assert {p.days_apart for p in breakeven(ASKED, data(*H200, *late)).points} == {151}
    assert {p.days_apart for p in breakeven(ASKED, data(*H200, *MI300X)).points} == {0}


def test_the_title_says_whose_rent_is_which(shown):
    out = shown("breakeven --accelerator MI300X --against H200 --rent 2", *H200, *MI300X)
    assert "Break-even rent of MI300X when H200 costs 2.00 USD per GPU-hour: 1.00 – 1.5" in out
    assert "Plain serving, which is also the best known of the two" in out and out.count("Break-even rent of") == 1


def test_both_bounds_are_printed_where_they_differ(shown):
    drafted = curve("MI300X", (2.1, 500), (7.9, 900), speculative="mtp")
    out = shown("breakeven --accelerator MI300X --against H200 --rent 2", *H200, *MI300X, *drafted)
    assert "Plain serving: one node" in out and "Best known serving: also disaggregated" in out
    only = shown("breakeven --accelerator MI300X --against H200 --rent 2", *H200, *drafted)
    assert "no break-even rent: MI300X:" in only and only.count("when H200 costs 2.00") == 1
    plain = json.loads(shown("breakeven --accelerator MI300X --against H200 --rent 2 --json", *H200, *drafted))
    assert plain["points"] == [] and plain["best_known"]["points"]


def test_doubts_are_printed(shown):
    late = [r | {"date": "2026-06-01"} for r in MI300X]
    out = shown("breakeven --accelerator MI300X --against H200 --rent 2", *H200, *late)
    assert "The software of the two is up to 151 days apart at" in out
    out = shown("breakeven --accelerator H100 --against H200 --rent 2", *OUT_OF_ORDER)
    assert "Withheld at" in out and "H200 has at least the hardware of H100" in out
