"""The summary and the operating point of a level: figures, warnings, errors, repeats."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import orjson
import polars as pl
import pytest

from paretoken.bench.documents import to_json, write_json
from paretoken.bench.level_context import why_failed
from paretoken.bench.metadata import RunMetadata
from paretoken.bench.plan import Closed, Open
from paretoken.bench.stats.level_summary import LevelSummary, LevelTimes
from paretoken.bench.stats.point import points_frame
from paretoken.bench.stats.repeats import mean_point, spreads
from paretoken.bench.stats.scrape import CounterDeltas, Gauges, GaugeStatistics, ServerMetrics
from paretoken.bench.stats.summary import LevelContext, summarise
from paretoken.bench.stats.sweep_summary import SweepSummary
from paretoken.errors import BadConfig, BadFile, NoData
from paretoken.points.check import checked
from paretoken.points.requests import empty_requests
from paretoken.slo import parse_slos
from tests.support.levels import S, closed, opened, request, table
from tests.support.runs import proof, scraped

RECORDED = Path(__file__).parent.parent / "data" / "run-0.1"

ABOUT = LevelContext(
    columns={"accelerator": "h200-sxm", "model": "llama-3-70b", "engine": "vllm", "isl": 100, "osl": 50, "tp": 8},
    config={"workload": "chat", "api": "chat"},
    times=LevelTimes(t0_unix_s=1.5),
    seed=7,
    n_gpus=8,
)


def codes(summary):
    return [w.code for w in summary.warnings]


def text_of(summary, code):
    return next(w.text for w in summary.warnings if w.code == code)


def test_the_point_holds_the_truth_and_fits_the_schema():
    point = summarise(closed(8, 60.0), Closed(8), ABOUT).point
    frame, errors = checked(points_frame([point]), "point")
    assert not errors and frame.height == 1
    assert point["output_tput_per_gpu_tok_s"] == pytest.approx(8 * 50 / 1.18 / 8)
    assert point["input_tput_per_gpu_tok_s"] == pytest.approx(8 * 100 / 1.18 / 8)
    assert point["total_tput_per_gpu_tok_s"] == pytest.approx(8 * 150 / 1.18 / 8)
    assert point["median_ttft_s"] == pytest.approx(0.2)
    assert point["mean_tpot_s"] == pytest.approx(0.02)
    assert point["p99_e2e_s"] == pytest.approx(1.18)
    assert (point["load_kind"], point["concurrency"], point["request_rate"]) == ("closed", 8.0, None)
    assert (point["mean_isl"], point["mean_osl"], point["isl"]) == (100.0, 50.0, 100)
    assert point["origin"] == "measured" and point["n_gpus"] == 8


def test_the_summary_is_json_and_says_what_made_it():
    summary = summarise(closed(8, 30.0), Closed(8), ABOUT)
    again = json.loads(orjson.dumps(to_json(summary)))
    assert (again["schema"], again["schema_version"], again["seed"]) == ("paretoken.summary", 1, 7)
    assert again["tool"]["name"] == "paretoken" and again["run"] == {"t0_unix_s": 1.5}
    assert again["window"]["steady"] is True
    assert again["throughput"]["n_gpus"] == 8
    assert {"window", "whole_run", "ramp", "tail"} <= again["throughput"].keys()
    assert again["load"] == {"kind": "closed", "users": 8, "think_s": 0.0}


def test_ramp_window_and_tail_add_up_to_all_tokens():
    requests = closed(8, 30.0)
    summary = summarise(requests, Closed(8), ABOUT)
    parts = [
        part.output_tokens for part in (summary.throughput.ramp, summary.throughput.window, summary.throughput.tail)
    ]
    assert sum(parts) == requests["output_tokens"].sum()


def test_intervals_hold_the_value_and_depend_on_the_seed_alone():
    requests = closed(8, 30.0, tpot=lambda rng, t: 0.02 * rng.lognormal(0, 0.1), stagger_s=0.1)
    first = summarise(requests, Closed(8), ABOUT)
    again = summarise(requests, Closed(8), ABOUT)
    assert first.intervals == again.intervals
    for name in (
        "output_tok_s",
        "total_tok_s",
        "mean_ttft_s",
        "median_tpot_s",
        "median_interactivity_tok_s",
        "mean_itl_s",
        "median_itl_s",
        "p99_itl_s",
    ):
        interval = first.intervals[name]
        assert interval.low <= interval.value <= interval.high, name
    assert first.intervals["output_tok_s"].value == pytest.approx(first.throughput.window.output_tok_s, rel=1e-9)


def test_an_open_loop_names_its_rate():
    requests = opened(20.0, 40.0, service_s=0.5, servers=40)
    load = Open(requests["due_ns"].to_numpy() / S, 20.0)
    summary = summarise(requests, load, ABOUT)
    point = summary.point
    assert (point["load_kind"], point["request_rate"], point["concurrency"]) == ("open", 20.0, None)
    assert summary.load.arrivals == requests.height


def test_a_clean_level_warns_of_nothing_but_rare_quantiles():
    summary = summarise(closed(8, 60.0), Closed(8), ABOUT)
    point = summary.point
    assert set(codes(summary)) <= {"quantile_unsupported", "quantile_thin"}
    assert point["notes"] is None


def test_each_trouble_has_its_warning():
    rows = closed(8, 30.0).with_columns(
        planned_output=pl.lit(60, pl.Int32),
        output_tokens=pl.lit(52, pl.Int32),
        input_tokens=pl.lit(110, pl.Int32),
        coalesced=pl.lit(5, pl.Int32),
    )
    counters = CounterDeltas(prefix_cache_hits=60, prefix_cache_queries=100, cache_hit_rate=0.6, preemptions=3.0)
    summary = summarise(
        rows,
        Closed(8),
        ABOUT,
        fidelity=replace(proof(8), client_limited=True, reasons=("event loop 30 ms late",)),
        server=ServerMetrics(delta=counters),
    )
    expected = {
        "short_output",
        "count_mismatch",
        "input_mismatch",
        "coalesced",
        "client_limited",
        "cache_hits",
        "preemptions",
    }
    assert expected <= set(codes(summary))
    assert "13.3% shorter" in text_of(summary, "short_output")
    assert "event loop 30 ms late" in text_of(summary, "client_limited")
    assert "60.0%" in text_of(summary, "cache_hits")
    assert "preempted 3 requests" in summary.point["notes"]


def test_short_outputs_name_what_can_be_done():
    rows = closed(8, 30.0).with_columns(planned_output=pl.lit(60, pl.Int32))
    free = LevelContext(columns=ABOUT.columns, config={"ignore_eos": False})
    assert text_of(summarise(rows, Closed(8), free), "short_output").endswith("; try --ignore-eos")
    assert "--ignore-eos" not in text_of(summarise(rows, Closed(8), ABOUT), "short_output")
    silent = rows.with_columns(output_tokens=pl.lit(-1, pl.Int32))
    assert "chunks, not tokens" in text_of(summarise(silent, Closed(8), free), "short_output")


def test_more_output_than_max_tokens_allows_is_said():
    summary = summarise(closed(8, 30.0).with_columns(output_tokens=pl.lit(100, pl.Int32)), Closed(8), ABOUT)
    assert "(100.0 of 50.0 on average)" in text_of(summary, "long_output")
    assert "long_output" not in codes(summarise(closed(8, 30.0), Closed(8), ABOUT))


def test_hits_that_the_workload_implies_are_no_trouble():
    about = LevelContext(columns=ABOUT.columns, implied_hit_rate=0.6)
    server = ServerMetrics(delta=CounterDeltas(cache_hit_rate=0.62, preemptions=0.0))
    summary = summarise(closed(8, 30.0), Closed(8), about, server=server)
    assert not {"cache_hits", "preemptions"} & set(codes(summary))


def test_absent_counters_warn_of_nothing():
    server = ServerMetrics()
    summary = summarise(closed(8, 30.0), Closed(8), ABOUT, server=server)
    assert not {"cache_hits", "preemptions"} & set(codes(summary))


def test_retracted_requests_seen_in_passing_are_preemptions():
    server = ServerMetrics(gauges=Gauges(retracted=GaugeStatistics(0.1, 2.0)))
    summary = summarise(closed(8, 30.0), Closed(8), ABOUT, server=server)
    assert "at least 2" in text_of(summary, "preemptions")


def test_errors_are_counted_as_what_they_are():
    rows = [
        *closed(8, 30.0).to_dicts(),
        request(5 * S, [], status="http_429", detail="slow down", output_tokens=-1, user=0, end_ns=5 * S + 1),
        request(6 * S, [], status="refused", detail="connection refused", output_tokens=-1, user=1, end_ns=6 * S + 1),
        *[request(7 * S + k, [], status="http_429", output_tokens=-1, user=2, end_ns=7 * S + k) for k in range(3)],
    ]
    summary = summarise(table(rows), Closed(8), ABOUT)
    errors = summary.errors
    assert errors.by_status == {"refused": 1, "http_429": 4}
    assert errors.failed == 5 and errors.ok == len(rows) - 5
    assert errors.detail == {"refused": "connection refused", "http_429": "slow down"}
    assert "1 refused, 4 http_429" in text_of(summary, "errors")
    clean = summarise(closed(8, 30.0), Closed(8), ABOUT).point
    assert summary.point["error_rate"] == pytest.approx(5 / len(rows))
    assert mean_point([clean, summary.point])["error_rate"] == pytest.approx(2.5 / len(rows))


def test_requests_cut_at_the_end_are_no_errors():
    rows = [*closed(8, 30.0).to_dicts(), request(29 * S, [30 * S], status="cancelled", output_tokens=-1, user=3)]
    summary = summarise(table(rows), Closed(8), ABOUT)
    assert (summary.errors.failed, summary.errors.by_status) == (0, {"cancelled": 1})
    assert "the end of the window cut off 1 request, so" in text_of(summary, "cut")


def test_requests_cut_at_the_end_do_not_dilute_the_error_rate():
    failed = [request(k * S, [], status="http_5xx", output_tokens=-1, user=k, end_ns=k * S + 1) for k in range(10)]
    cut = [request(29 * S, [30 * S], status="cancelled", output_tokens=-1, user=k) for k in range(200)]
    ended = closed(8, 30.0).to_dicts()[:10] + failed
    summary = summarise(table(ended + cut), Closed(200), ABOUT)
    assert (summary.errors.requests, summary.errors.ok, summary.errors.failed) == (220, 10, 10)
    assert summary.errors.rate == summary.point["error_rate"] == 0.5
    assert "10 of 20 ended requests failed (50.0%)" in text_of(summary, "errors")
    assert why_failed(summary.errors, 0.05, None).startswith("50.0% of the requests that ended failed")


def test_a_level_where_all_failed_is_still_told():
    rows = [request(k * S, [], status="refused", output_tokens=-1) for k in range(20)]
    summary = summarise(table(rows), Closed(2), ABOUT)
    point = summary.point
    assert summary.errors.rate == 1.0
    assert {"no_steady_state", "errors"} <= set(codes(summary))
    assert point["output_tput_per_gpu_tok_s"] is None and point["median_ttft_s"] is None
    assert not checked(points_frame([point]), "point")[1]
    json.loads(orjson.dumps(to_json(summary)))


def test_no_records_at_all_are_a_summary_too():
    summary = summarise(empty_requests(), Closed(2), ABOUT)
    assert summary.errors.requests == 0
    json.loads(orjson.dumps(to_json(summary)))


def test_without_a_steady_state_the_whole_run_stands_in_and_says_so():
    summary = summarise(closed(10, 0.5), Closed(10), ABOUT)
    point = summary.point
    assert not summary.window.steady
    assert point["output_tput_per_gpu_tok_s"] == pytest.approx(10 * 50 / 1.18 / 8)
    assert "no steady state" in point["notes"]


def test_p99_of_few_requests_is_left_out_of_the_point():
    summary = summarise(closed(4, 20.0), Closed(4), ABOUT)
    point = summary.point
    assert point["p99_ttft_s"] is None and point["p90_ttft_s"] is not None
    assert "p99 needs 299" in text_of(summary, "quantile_unsupported")
    assert "requests in the window, has " in text_of(summary, "quantile_unsupported")


def test_a_p99_that_too_few_requests_support_is_approximate_and_has_no_interval():
    few, enough = (summarise(closed(8, seconds), Closed(8), ABOUT) for seconds in (20.0, 60.0))
    assert 100 <= few.latency.e2e_s.n < 299 <= enough.latency.e2e_s.n
    assert few.latency.e2e_s.p99 and few.intervals["p99_e2e_s"] is None
    assert f"p99 needs 299 requests in the window, has {few.latency.e2e_s.n}: approximate" in text_of(
        few, "quantile_thin"
    )
    assert enough.intervals["p99_e2e_s"] and "p99" not in enough.latency.e2e_s.thin


def test_goodput_stands_in_the_summary():
    about = LevelContext(columns=ABOUT.columns, slos=parse_slos("ttft_p99=1s,tpot_p50=10ms"))
    summary = summarise(closed(8, 30.0), Closed(8), about)
    goodput = summary.goodput
    assert goodput.requests_s == 0.0 and not goodput.met
    assert [o.met for o in goodput.objectives] == [True, False]


def test_an_unknown_column_is_refused_with_the_nearest():
    with pytest.raises(BadConfig, match="accelerator"):
        summarise(closed(2, 5.0), Closed(2), LevelContext(columns={"accelerater": "h100"}))


def test_repeats_give_the_mean_and_the_spread_between_runs():
    points = [summarise(closed(8, 30.0, tpot=lambda rng, t, k=k: 0.02 + k), Closed(8), ABOUT).point for k in (0, 1e-3)]
    merged = mean_point(points)
    tpot = spreads(points)["mean_tpot_s"]
    assert merged["mean_tpot_s"] == pytest.approx(0.0205)
    assert tpot.std == pytest.approx(1e-3 / 2**0.5)
    assert tpot.low < 0.0205 < tpot.high
    assert "mean of 2 repeats" in merged["notes"]
    assert not checked(points_frame([merged]), "point")[1]
    with pytest.raises(NoData):
        spreads([])


def test_one_repeat_has_no_spread():
    spread = spreads([summarise(closed(8, 30.0), Closed(8), ABOUT).point])
    assert spread["mean_tpot_s"].std is None


def test_a_summary_comes_back_from_disk_as_it_was(tmp_path):
    summary = summarise(closed(8, 30.0), Closed(8), ABOUT, fidelity=proof(8), server=scraped(8, 30))
    write_json(tmp_path / "summary.json", summary)
    assert LevelSummary.read(tmp_path / "summary.json") == summary


@pytest.mark.parametrize("name", ["failed", "open", "steady"])
def test_a_summary_of_version_0_1_reads_without_loss(name):
    path = RECORDED / f"level-{name}.json"
    summary = LevelSummary.read(path)
    assert to_json(summary) == json.loads(path.read_bytes())
    assert summary.load.kind == ("open" if name == "open" else "closed")
    assert bool(summary.failed) == (name == "failed")


def test_a_run_of_version_0_1_reads_without_loss():
    for name, kind, new in (("run", RunMetadata, {"origin": "measured"}), ("sweep", SweepSummary, {})):
        document = json.loads((RECORDED / f"{name}.json").read_bytes())
        assert to_json(kind.from_json(document, name)) == document | new


def test_a_run_of_an_earlier_version_against_the_emulator_is_emulated():
    document = json.loads((RECORDED / "run.json").read_bytes())
    document["run"]["servers"][0]["dialect"] = "emulated"
    assert RunMetadata.from_json(document, "run").origin == "emulated"
    level = LevelSummary.read(RECORDED / "level-steady.json")
    assert level.origin == "measured"
    assert replace(level, columns={**level.columns, "engine": "emulated"}).origin == "emulated"


def test_figures_of_the_client_that_a_file_lacks_are_unknown(tmp_path):
    document = json.loads((RECORDED / "level-steady.json").read_bytes())
    document["fidelity"] = {"client_limited": True, "reasons": ["busy"], "cpu_share": 0.95}
    fidelity = LevelSummary.from_json(document, "here").fidelity
    assert (fidelity.client_limited, fidelity.reasons, fidelity.cpu_share) == (True, ("busy",), 0.95)
    assert math.isnan(fidelity.loop_lag_p99_s)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "not the summary of a load level"),
        (b'{"schema": "other"}', "not the summary of a load level"),
        (b'{"schema": "paretoken.summary", "schema_version": 99}', "version 99"),
        (b'{"schema": "paretoken.summary", "schema_version": 1, "seed": "x"}', r"summary\.json: \w+: "),
    ],
)
def test_what_is_no_summary_is_refused_in_words(tmp_path, content, message):
    path = tmp_path / "summary.json"
    path.write_bytes(content)
    with pytest.raises(BadFile, match=message):
        LevelSummary.read(path)


def test_a_missing_place_is_named(tmp_path):
    with pytest.raises(BadFile, match="does not exist"):
        LevelSummary.read(tmp_path / "none.json")
