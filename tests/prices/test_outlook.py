"""Trends of dated runs: steps, regressions, growth planted and found; scenarios played through, and their mistakes."""

from __future__ import annotations

import json
from datetime import date, timedelta
from math import exp, log

import polars as pl
import pytest

from paretoken.answers.outlook import OutlookQuestion, outlook
from paretoken.answers.points import Data
from paretoken.errors import BadConfig, BadFile, NoData
from paretoken.frontier.trend import DAYS_PER_QUARTER, KEY, growth_per_quarter, repeat_spread, trends
from paretoken.points.published import published_points
from paretoken.prices.outlook.project import Today, project, winners
from paretoken.prices.outlook.scenario import find_scenario, load_scenario, shipped_scenarios_of_points
from tests.support.points import prepared
from tests.support.served import curve

START = date(2026, 1, 1)


def runs(levels, days=None, accelerator="H200", loads=((4, 0.02), (64, 0.05)), source="runs", origin="published"):
    """Dated runs of one configuration: every load's throughput times the day's level."""
    configuration = {
        "source": source,
        "accelerator": accelerator,
        "engine": "vllm",
        "model": "m",
        "precision": "fp8",
        "isl": 1024,
        "osl": 1024,
        "mean_isl": 921.6,
        "mean_osl": 921.6,
        "n_gpus": 8,
        "tp": 8,
        "ep": 1,
        "dp_attention": False,
        "speculation": "none",
        "disaggregated": False,
    }
    days = days or [14 * i for i in range(len(levels))]
    return pl.DataFrame(
        [
            configuration
            | {
                "date": str(START + timedelta(days=d)),
                "concurrency": float(c),
                "central_tpot_s": tpot,
                "tput_per_gpu": level * c * 10.0,
                "suspicious": None,
                "engine_version": f"v{i}",
                "source_ref": None,
                "origin": origin,
                "run": hash((source, level, d, c)),
                "workload": None,
            }
            for i, (level, d) in enumerate(zip(levels, days, strict=True))
            for c, tpot in loads
        ],
        schema_overrides={"suspicious": pl.String, "source_ref": pl.String},
    )


def test_a_regression_is_named():
    found = trends(runs([1, 1.001, 0.999, 1, 0.8, 0.801, 0.799, 0.8]))[0]
    assert [(s.on, s.regression, s.run) for s in found.steps] == [(START + timedelta(days=56), True, "v4")]
    assert found.steps[0].change == pytest.approx(-0.2, abs=2e-3)


def test_a_gain_is_a_step_and_no_regression():
    steps = trends(runs([1, 1.002, 1, 0.998, 1.5, 1.499, 1.5, 1.501]))[0].steps
    assert len(steps) == 1 and not steps[0].regression and steps[0].change == pytest.approx(0.5, abs=5e-3)


def test_what_the_last_day_alone_shows_is_no_step_yet():
    assert trends(runs([1, 1.001, 0.999, 1, 1, 1.001, 1, 0.8]))[0].steps == ()


def test_two_sources_are_two_trends():
    """Another harness measures half: no step, no growth."""
    both = pl.concat([runs([1, 1.001, 0.999, 1, 1]), runs([0.5] * 5, [100, 101, 102, 103, 104], source="nightly")])
    assert [t.steps for t in trends(both)] == [(), ()]


@pytest.mark.parametrize("change", [{"origin": "emulated"}, {"origin": "predicted"}, {"speculation": "unknown"}])
def test_what_nobody_measured_or_states_has_no_trend(change):
    assert trends(runs([1, 1.1, 1.2, 1.3]).with_columns(**{k: pl.lit(v) for k, v in change.items()})) == []


def test_a_nightly_series_weighs_no_more_than_a_weekly_one():
    """Five quick weeks of nights and then five slow months: growth is that of the weeks, not of the nights."""
    days = [*range(35), *(35 + 28 * i for i in range(1, 6))]
    weekly = [d for d in days if d >= 35 or d % 7 == 3]
    of = [trends(runs([1.1 ** (min(d, 35) / 35 + d / 300) for d in chosen], chosen))[0] for chosen in (days, weekly)]
    assert of[0].per_quarter == pytest.approx(of[1].per_quarter, abs=0.01)


def test_several_runs_of_a_day_are_pooled():
    """Three runs a day, of which the third is twice as fast: the median counts."""
    table = pl.concat([runs([level] * 5) for level in (1, 1.001, 2)]).with_columns(run=pl.int_range(pl.len()))
    assert trends(table)[0].tput_per_gpu == pytest.approx(trends(runs([1.001] * 5))[0].tput_per_gpu)


def test_growth_is_fitted():
    days = [0, 30, 61, 95, 120, 183]
    found = trends(runs([1.1 ** (d / DAYS_PER_QUARTER) for d in days], days))[0]
    assert found.per_quarter == pytest.approx(0.1) and found.interval == pytest.approx((0.1, 0.1))
    assert growth_per_quarter([found], "H200") == (pytest.approx(0.1), 1)
    assert growth_per_quarter([found], "MI300X") is None


def test_one_odd_day_does_not_make_the_growth():
    days = [14 * i for i in range(12)]
    levels = [1.05 ** (d / DAYS_PER_QUARTER) for d in days]
    levels[10] = 0.25
    found = trends(runs(levels, days))[0]
    assert found.per_quarter == pytest.approx(0.05) and found.interval[1] == pytest.approx(0.05)


def test_a_growth_whose_interval_says_nothing_is_not_stated():
    found = trends(runs([1, 3, 0.5, 4, 1, 2, 0.7], [0, 15, 30, 45, 60, 75, 90]))[0]
    assert found.per_quarter is None and (1 + found.interval[1]) / (1 + found.interval[0]) > 1.5
    assert growth_per_quarter([found], "H200") is None


def test_it_reads_at_equal_interactivity():
    """A day with other loads is read on the same curve: nothing moves."""
    same = [
        runs([1], [14 * i], loads=loads)
        for i, loads in enumerate([((4, 0.02), (64, 0.05)), ((1, 0.01), (4, 0.02), (64, 0.05))] * 3)
    ]
    values = trends(pl.concat(same))[0].tput_per_gpu
    assert values == pytest.approx([values[0]] * 6)


def test_too_little_is_no_trend():
    assert trends(runs([1, 1, 1])) == []
    assert trends(runs([1] * 5, loads=((4, 0.02),))) == []
    assert trends(runs([1, 1.1, 1.2, 1.3], [0, 5, 10, 15]))[0].per_quarter is None


def test_permuted_rows_change_nothing():
    table = runs([1, 1.1, 0.9, 1.3, 1.2])
    assert trends(table.sample(fraction=1, shuffle=True, seed=3)) == trends(table)


def test_spread_of_repeated_runs():
    close = runs([1, 1.02, 1, 1.02], [0, 1, 2, 3])
    assert repeat_spread(close) == pytest.approx(exp(log(1.02) / 2**0.5) - 1, rel=1e-6)
    assert repeat_spread(runs([1, 2, 3], [0, 30, 60])) is None


def test_published_trends_show_what_is_known():
    found = trends(published_points())
    assert len(found) > 20
    regressions = [(t.configuration["accelerator"], s.change) for t in found for s in t.steps if s.regression]
    assert any(a.startswith("MI3") and c < -0.2 for a, c in regressions)
    assert all(set(t.configuration) == set(KEY) for t in found)
    stated = [t for t in found if t.per_quarter is not None]
    assert stated and all((1 + t.interval[1]) / (1 + t.interval[0]) <= 1.5 for t in stated)
    (h200,) = [t for t in stated if t.title.startswith("deepseek-r1 fp8 8192/1024, H200 sglang")]
    assert 0 < h200.per_quarter < 0.1


def scenario(tmp_path, **changes):
    lines = {
        "name": '"x"',
        "model": '"llama-3-70b"',
        "precision": '"fp8"',
        "workload": '"chat"',
        "e2e_s": "20",
        "reference": '"H200"',
        "from": "2026-10-01",
        "to": "2027-10-01",
        "tco": '"2026-07"',
    } | changes
    body = "".join(f"{k} = {v}\n" for k, v in lines.items() if not k.startswith("[") and v)
    body += "".join(v for k, v in lines.items() if k.startswith("["))
    (tmp_path / "s.toml").write_text(body)
    return load_scenario(tmp_path / "s.toml")


COMING = """
[[coming]]
name = "New"
like = "{}"
throughput_factor = 3
usd_per_gpu_h = 4
available = 2027-03-01
source = "test"
"""
TPUT = {"H200": 1000.0, "MI300X": 500.0}
TODAY = Today(TPUT, {"H200": 2.0, "MI300X": 1.2})


def test_nothing_changes_nothing(tmp_path):
    states = project(scenario(tmp_path), TODAY)
    assert len(states) == 10 and {s.origin for s in states} == {"scenario"}
    assert {s.break_even_usd_per_gpu_h for s in states if s.accelerator == "MI300X"} == {1.0}
    assert all(w[1:3] == ("H200", "MI300X") for w in winners(states))


def test_a_rent_cut_turns_the_answer(tmp_path):
    cut = '[[change]]\naccelerator = "MI300X"\non = 2027-01-01\nprice_factor = 0.7\n'
    found = winners(project(scenario(tmp_path, **{"[c": cut}), TODAY))
    assert [w[1] for w in found] == ["H200", "MI300X", "MI300X", "MI300X", "MI300X"]
    assert found[1][3] == pytest.approx(1 / 0.84 - 1)


def test_a_speed_up_compounds_and_ends(tmp_path):
    speedup = '[[speedup]]\naccelerator = "MI300X"\nper_quarter = 0.1\nuntil = 2027-04-01\n'
    states = [s for s in project(scenario(tmp_path, **{"[s": speedup}), TODAY) if s.accelerator == "MI300X"]
    quarters = (date(2027, 4, 1) - date(2026, 10, 1)).days / DAYS_PER_QUARTER
    assert states[0].tput_per_gpu == 500
    assert [s.tput_per_gpu for s in states[2:]] == pytest.approx([500 * 1.1**quarters] * 3)
    assert states[-1].break_even_usd_per_gpu_h == pytest.approx(2.0 * states[-1].tput_per_gpu / 1000)


def test_an_accelerator_to_come(tmp_path):
    coming = COMING.format("H200")
    states = project(scenario(tmp_path, **{"[c": coming}), TODAY)
    new = [s for s in states if s.accelerator == "New"]
    assert [s.day for s in new] == [date(2027, 4, 1), date(2027, 7, 1), date(2027, 10, 1)]
    assert (new[0].tput_per_gpu, new[0].break_even_usd_per_gpu_h, new[0].basis) == (3000, 6.0, "H200 × 3")


def test_a_fitted_speed_up_comes_from_the_runs(tmp_path):
    asked = scenario(
        tmp_path,
        model='"deepseek-r1"',
        e2e_s="",
        interactivity="60",
        precision='"fp4"',
        reference='"B200"',
        accelerators='["B200", "MI355X"]',
        **{"[s": '[[speedup]]\naccelerator = "B200"\nper_quarter = "fitted"\n'},
    )
    found = outlook(OutlookQuestion(scenario=asked, at=date(2026, 11, 24)))
    growth, n = found.fitted_per_quarter["B200"], found.fitted_trends["B200"]
    assert n >= 2 and growth == growth_per_quarter(trends(published_points()), "B200", "fp4")[0]
    b200 = [s.tput_per_gpu for s in found.states if s.accelerator == "B200"]
    quarters = (date(2027, 10, 1) - date(2026, 10, 1)).days / DAYS_PER_QUARTER
    assert b200[-1] / b200[0] == pytest.approx((1 + growth) ** quarters)


H200 = curve("H200", (2, 200), (4, 400))
MI300X = curve("MI300X", (2, 50), (4, 100), date="2026-06-01")


def test_both_sides_start_from_the_same_serving_and_say_from_what(tmp_path, catalog):
    drafted = curve("MI300X", (2.1, 600), (4.1, 800), speculative="mtp", engine="sglang")
    data = Data(catalog, prepared(*H200, *MI300X, *drafted))
    plain = outlook(OutlookQuestion(scenario=scenario(tmp_path)), data)
    start = plain.starts_from["MI300X"]
    assert (start.tput_per_gpu, start.engine, start.software, start.tp) == (100, "vllm", "2026-06", "8")
    assert (plain.verdict_today.winner, plain.verdict_today.stale, plain.limits) == (
        "H200",
        True,
        "at most 20 s end to end",
    )
    of_any = outlook(OutlookQuestion(scenario=scenario(tmp_path, speculative='"any"')), data)
    assert of_any.starts_from["MI300X"].tput_per_gpu == 800 and of_any.starts_from["H200"].tput_per_gpu == 400


def test_a_start_from_inconsistent_data_is_said(tmp_path, catalog):
    h100 = [r | {"accelerator": "H100", "total_tput_per_gpu_tok_s": 2 * r["total_tput_per_gpu_tok_s"]} for r in H200]
    answer = outlook(OutlookQuestion(scenario=scenario(tmp_path)), Data(catalog, prepared(*H200, *h100)))
    assert "H200 has at least the hardware of H100" in answer.verdict_today.withheld


@pytest.mark.parametrize("name", shipped_scenarios_of_points())
def test_shipped_scenarios_play(call, name):
    code, out, err = call(f"outlook {name} --json")
    answer = json.loads(out)
    assert (code, err, answer["origin"]) == (0, "", "scenario")
    assert {s["origin"] for s in answer["states"]} == {"scenario"} and answer["winners"]
    code, out, _ = call(f"outlook {name}")
    assert code == 0 and out.startswith("SCENARIO") and "not a measurement" in out and " starts from " in out
    assert find_scenario(name).name


def test_trend_verb(call):
    code, out, err = call("outlook --trend --accelerator MI300X --json")
    assert (code, err) == (0, "") and all("MI300X" in t["title"] for t in json.loads(out))
    assert "REGRESSION" in call("outlook --trend")[1]


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"to": "2026-01-01"}, BadConfig, "is not after its start"),
        ({"to": "2040-01-01"}, BadConfig, "ten years"),
        ({"e2e_s": ""}, BadConfig, "must give one latency"),
        ({"interactivity": "20"}, BadConfig, "must give one latency"),
        ({"refrence": '"H200"'}, BadConfig, "did you mean 'reference'"),
        ({"name": ""}, BadConfig, "'name' is missing"),
        ({"e2e_s": "-1"}, BadConfig, "greater than 0"),
        ({"name": "broken"}, BadFile, "not valid TOML"),
        ({"[s": '[[speedup]]\naccelerator = "H200"\nper_quarter = -1.5\n'}, BadConfig, "above -1"),
    ],
)
def test_a_bad_scenario_says_why(tmp_path, changes, error, says):
    with pytest.raises(error, match=says):
        scenario(tmp_path, **changes)


def test_what_a_scenario_cannot_know(tmp_path, call):
    with pytest.raises(NoData, match="reference"):
        project(scenario(tmp_path, reference='"B200"'), TODAY)
    with pytest.raises(NoData, match="no price"):
        project(scenario(tmp_path), Today(TPUT, {}))
    with pytest.raises(NoData, match="changes MI999"):
        project(scenario(tmp_path, **{"[c": '[[change]]\naccelerator = "MI999"\non = 2027-01-01\n'}), TODAY)
    like = COMING.format("X")
    with pytest.raises(NoData, match="is modelled on X"):
        project(scenario(tmp_path, **{"[c": like}), TODAY)
    for line, says in (
        ("outlook", "Usage"),
        ("outlook none.toml", "does not exist"),
        ("outlook rent-cuts", "rent-cut"),
        ("outlook rent-cut --trend", "give a scenario, or use --trend"),
        ("outlook --trend --accelerator L40S", "no configuration"),
    ):
        code, out, err = call(line)
        assert says in out + err and (code == 2 or says == "Usage")
