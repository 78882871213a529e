"""A plan on the terminal: what is in it, at which width, and texts that a terminal would obey."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest

from paretoken.cli.price.plan_tables import FLEETS, SPARE, print_plan, sparkline
from tests.support.plans import hostile, many, nothing_meets, plan_answer, row, traffic

NASTY = "e[/b]\x1b]0;own\x07\x1b[2J\u202e[link=http://x]\nrow\r[bold]:smile:"


@pytest.fixture
def printed(capsys):
    def text(answer) -> str:
        print_plan(answer)
        return capsys.readouterr().out.replace("\u00a0", " ")

    return text


def test_the_decision_comes_first(printed):
    out = printed(plan_answer())
    answer = plan_answer()
    assert out.startswith(answer.headline)
    for part in (
        "SLO: TTFT p99 ≤ 2 s, TPOT p95 ≤ 40 ms. Availability: N+1. A task is a session of 3.4 requests.",
        "Traffic: requests.jsonl: 198,720 requests of one day",
        "198,707 in 24 h; 2.3/s; 4.2/s in the busiest hour",
        "input p50 1,210, p90 4,100, p99 9,800; output p50 240",
        "burstiness 3.4 in windows of 1 min",
        "prefix reuse 37 % of input tokens at best",
        "00:00 ▃▂▂▂▂▂▃▃▄▅▆▆▇█████▇▆▆▅▄▃ 23:00",
        "worst hour; TTFT p99 fails first",
        "TPOT p95  likely   31 ms",
        "reserved, 1 year",
        "perfect foresight of every five minutes would rent 159.4 GPU-hours a day, 367 USD",
        "TPOT p95 ≤ 75 ms",
        "paretoken launch vllm llama-3-70b --accelerator MI355X",
        "apiVersion: apps/v1 … (62 lines, in plan.html with --out)",
        "Calibration: 1,204 published points.",
    ):
        assert part in out, part
    fleets = [line for line in out.splitlines() if "vLLM" in line and "TP" in line]
    assert [line.split()[0] for line in fleets[:3]] == ["1", "2", "3"]
    assert fleets[0].split()[5:8] == ["owned", "12", "411"]
    assert "14 points" in fleets[1]


def test_a_fleet_without_a_price_has_dashes(printed):
    bare = replace(row(1, "H200", 4, 4, 2.6), bills=(), cheaper=None)
    line = next(line for line in printed(plan_answer(rows=(bare,))).splitlines() if line.startswith("   1  H200"))
    assert line.count("–") == 6


def test_nothing_meets_the_limits(printed):
    out = printed(nothing_meets())
    assert "Nothing meets" in out and "Left out" in out and "Fleets" not in out


@pytest.mark.parametrize("width", [100, 80])
def test_columns_fall_away_in_order(width, terminal):
    with terminal(width) as screen:
        print_plan(plan_answer())
    out = screen.text
    rows = [line for line in out.splitlines() if not line.startswith("paretoken ")]
    assert all(len(line) <= width for line in rows)
    before, after = out.split("\nrank", 1)
    above, head = before.split("Fleets by the cost")[1], after.splitlines()[0]
    gone = [line for line in above.splitlines() if line.startswith("left out: ")]
    for line in gone:
        named = line.removeprefix("left out: ").partition(" (--wide")[0].partition(" and ")[0].split(", ")
        assert set(named) <= set(SPARE)
    assert bool(gone) is (width == 80)
    for column in ("fleet", "GPUs", "USD/day", "P(SLO)"):
        assert column in head or column in above


def test_spare_columns_are_columns():
    assert set(SPARE) < set(FLEETS) and len(set(FLEETS)) == len(FLEETS)


def test_sparklines():
    hours = traffic().hours
    assert len(sparkline(hours)) == 24
    assert len(sparkline(traffic(168).hours)) == 48
    assert sparkline(()) == ""
    assert sparkline([replace(h, rate_s=0.0) for h in hours]) == "▁" * 24
    one = [replace(h, rate_s=float(i == 3)) for i, h in enumerate(hours)]
    assert sparkline(one) == "▁▁▁█" + "▁" * 20


def test_hostile_texts_are_shown(printed):
    out = printed(hostile(NASTY))
    obeyed = [c for c in out if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert not obeyed
    assert r"e[/b]\x1b]0;own\x07" in out


def test_many_fleets(printed):
    assert "40  H200" in printed(many())
