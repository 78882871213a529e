"""Questions on disaggregated layouts, their answers, and the search with what it is compared with."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from paretoken.answers import pool_rivals
from paretoken.answers.pool_explain import ExplainPoolsQuestion, explain_disaggregated
from paretoken.answers.pool_frontiers import search_frontiers
from paretoken.answers.pool_rivals import (
    RentedCurve,
    aggregated_frontier,
    crossings,
    measured_frontiers,
    worth,
)
from paretoken.answers.pool_search import PoolSearchQuestion, search_disaggregated
from paretoken.answers.pools import PoolsQuestion, predict_disaggregated
from paretoken.answers.predict import PredictQuestion, predict
from paretoken.answers.predict_file import PredictFileQuestion, predict_file
from paretoken.answers.prediction import prepared
from paretoken.answers.seam import question_from_json, to_json
from paretoken.errors import BadConfig, NoData, UnknownName
from paretoken.points.files import read_points
from paretoken.points.published import published_points
from paretoken.predict.calibration.engines import calibrated_engines
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.pools.measured import measured_workers
from paretoken.predict.settings import EngineSettings
from tests.support.pooled import aggregated_row, run_row

R1 = {"accelerator": "GB200", "model": "deepseek-r1", "precision": "fp4", "engine": "trtllm", "isl": 8192, "osl": 1024}
LAYOUT = "4xDEP4+1xDEP32"


def answered(**changed):
    return predict_disaggregated(PoolsQuestion(**{**R1, "layout": LAYOUT, "concurrency": (256,), **changed}))


# ---- one layout


def test_a_layout_by_json():
    question = question_from_json(PoolsQuestion, json.dumps({**R1, "layout": LAYOUT, "concurrency": [16, 256]}))
    rows = to_json(predict_disaggregated(question))["rows"]
    assert [r["concurrency"] for r in rows] == [16, 256]
    assert rows[0]["prefill_workers"] == 4 and rows[0]["decode_gpus"] == 32 and rows[0]["n_gpus"] == 48
    for figure in ("median_tpot_ms", "median_ttft_ms", "total_tput_per_gpu_tok_s", "output_tput_per_gpu_tok_s"):
        assert rows[0][f"{figure}_lo"] < rows[0][figure] < rows[0][f"{figure}_hi"]
    assert rows[1]["interactivity_tok_s"] == pytest.approx(1e3 / rows[1]["median_tpot_ms"])


def test_throughput_is_per_gpu_of_both_pools():
    (row,) = answered().rows
    tokens = Lengths(8192, 1024, 0.8).mean_isl + Lengths(8192, 1024, 0.8).mean_osl
    requests_per_s = 256 / (row.median_e2el_ms / 1e3)
    assert row.total_tput_per_gpu_tok_s == pytest.approx(requests_per_s * tokens / 48, rel=0.1)


def test_the_highest_load_within_an_slo_meets_it_and_one_more_user_does_not():
    answer = answered(slo="ttft=1s,tpot=20ms")
    (row,) = answer.rows
    assert row.median_ttft_ms <= 1000 and row.median_tpot_ms <= 20 and not answer.or_more
    (more,) = answered(concurrency=(int(row.concurrency) + 1,)).rows
    assert more.median_ttft_ms > 1000 or more.median_tpot_ms > 20


def test_a_rent_prices_the_gpus_of_both_pools():
    (row,) = answered(rents=("3.50",)).rows
    assert row.usd_per_mtok_total == pytest.approx(3.5 / (row.total_tput_per_gpu_tok_s * 3600 / 1e6))
    mixed = answered(layout="1xDEP16@H200+1xDEP32", precision="fp8", engine="sglang", rents=("H200=2", "GB200=5")).rows[
        0
    ]
    assert mixed.usd_per_gpu_h == pytest.approx((16 * 2 + 32 * 5) / 48)
    assert mixed.accelerator == "H200+GB200"


def test_the_engine_of_a_core_is_noted_and_settings_are_of_each_pool():
    answer = answered()
    assert answer.rows[0].engine == "dynamo-trtllm" and "dynamo-trtllm" in answer.notes[0]
    assert answered(engine="dynamo-trtllm").notes == ()
    assert answer.prefill_settings.keys() == answer.decode_settings.keys()


def test_operating_points_have_the_layout_in_the_columns_of_the_schema(tmp_path):
    target = tmp_path / "points.parquet"
    (row,) = answered(out=target).rows
    points, _ = read_points(target)
    (point,) = points.to_dicts()
    assert point["disaggregated"] and point["origin"] == "predicted" and point["n_gpus"] == 48
    assert (point["prefill_workers"], point["prefill_gpus"], point["prefill_ep"]) == (4, 16, 4)
    assert (point["decode_workers"], point["decode_gpus"], point["tp"], point["dp_attention"]) == (1, 32, 32, True)
    assert point["median_tpot_s"] == pytest.approx(row.median_tpot_ms / 1e3)


@pytest.mark.parametrize(
    ("changed", "kind", "words"),
    [
        ({"layout": "4xDEP4"}, BadConfig, "write WORKERSxKINDGPUS"),
        ({"layout": "0xDEP4+1xDEP8"}, BadConfig, "prefill_workers is 0"),
        ({"layout": "1xDEP0+1xDEP8"}, BadConfig, "a prefill worker has 0 GPUs"),
        ({"layout": "1xTP4+1xDP4", "model": "llama-3-70b", "precision": "fp8"}, BadConfig, "for models with experts"),
        ({"settings": EngineSettings(redundant_experts=1000)}, BadConfig, "redundant_experts is 1,000, more than"),
        ({"layout": "1xDEP4+1xDEP99999999"}, BadConfig, "at most 512"),
        ({"layout": "1xTP3+1xTP8"}, BadConfig, "tp 3 does not divide the 128 attention heads"),
        ({"layout": "1xTP1+1xTP8"}, BadConfig, "does not fit 1 x GB200"),
        ({"layout": "1xTP4@nothing+1xTP8"}, UnknownName, "unknown accelerator"),
        ({"gpus": 40}, BadConfig, "has 48 GPUs, more than 'gpus' 40"),
        ({"tp": 4}, BadConfig, "tp is stated beside a disaggregated layout"),
        ({"dp_attention": True}, BadConfig, "dp_attention is stated"),
        ({"osl": 1}, BadConfig, "osl is 1"),
        ({"slo": "ttft_p99=1s"}, BadConfig, "limits p99; disaggregated serving is predicted as medians"),
        ({"slo": ""}, BadConfig, "SLO '' is empty"),
        ({"slo": "ttft=1ms"}, NoData, "misses ttft=1ms with one user"),
        ({"rents": ("x",)}, BadConfig, "rent 'x' is not one"),
        ({"rents": ("nan",)}, BadConfig, "rent 'nan' is not one"),
        ({"rents": ("3", "4")}, BadConfig, "the rent of every accelerator is stated twice"),
        ({"rents": ("GB200=3", "gb200=4")}, BadConfig, "the rent of GB200 is stated twice"),
        ({"layout": "2xTP8@H200+1xTP8@MI355X", "engine": "sglang"}, BadConfig, r"on H200 \(NVIDIA\) and MI355X"),
        ({"rents": ("H200=3",)}, BadConfig, "the rent of GB200 is missing"),
        ({"engine": "mori-sglang"}, BadConfig, "does not serve disaggregated on NVIDIA"),
        ({"concurrency": (0,)}, BadConfig, "concurrency is 0"),
    ],
)
def test_what_cannot_be_is_refused(changed, kind, words):
    with pytest.raises(kind, match=words):
        answered(**changed)


def test_an_explanation_by_json():
    answer = to_json(explain_disaggregated(question_from_json(ExplainPoolsQuestion, {**R1, "layout": LAYOUT})))
    assert sum(g["share"] for g in answer["explanation"]["gpus"]) == pytest.approx(1)
    assert answer["explanation"]["case"]["pools"]["decode_workers"] == 1 and answer["prefill_memory"]


def test_batched_tokens_are_those_of_prefill_workers():
    default, stated = answered(), answered(settings=EngineSettings(max_batched_tokens=32768))
    assert stated.prefill_settings["max_batched_tokens"].value == "32768"
    assert stated.decode_settings == default.decode_settings
    assert stated.rows[0].median_tpot_ms == pytest.approx(default.rows[0].median_tpot_ms, rel=0.01)


def test_the_search_and_an_explanation_state_settings_and_speculation():
    explained = explain_disaggregated(ExplainPoolsQuestion(**R1, layout=LAYOUT, speculative="mtp"))
    searched = search_disaggregated(PoolSearchQuestion(**R1, gpus=8, concurrency=(16,), speculative="mtp"))
    for result in (explained, searched):
        assert result.speculation == answered(speculative="mtp").speculation
        assert result.decode_settings["kv_dtype"].value == "fp8"
    assert searched.notes and explained.notes


def test_a_file_may_mix_rows_of_one_pool_and_of_two(tmp_path):
    (tmp_path / "in.csv").write_text(
        "accelerator,n_gpus,model,precision,engine,tp,ep,isl,osl,concurrency,dp_attention,prefill_workers,prefill_tp\n"
        "GB200,8,deepseek-r1,fp4,trtllm,8,8,8192,1024,16,true,,\n"
        "GB200,16,deepseek-r1,fp4,trtllm,8,1,8192,1024,16,false,2,4\n"
        "GB200,8,deepseek-r1,fp4,trtllm,8,1,8192,1024,16,false,,\n"
    )
    answer = predict_file(PredictFileQuestion(source=tmp_path / "in.csv"))
    assert answer.not_predicted == 0
    one, two, other = (r["total_tput_per_gpu_tok_s"] for r in answer.rows)
    (alone,) = predict(PredictQuestion(**R1, tp=8, concurrency=(16,))).rows
    assert other == pytest.approx(alone.total_tput_per_gpu_tok_s)
    (pooled,) = answered(layout="2xTP4+1xTP8", concurrency=(16,)).rows
    assert two == pytest.approx(pooled.total_tput_per_gpu_tok_s) and one != two


# ---- the search


@pytest.fixture(scope="module")
def answer():
    return search_disaggregated(PoolSearchQuestion(**R1, gpus=24, slo="ttft=2s,interactivity=40", rents=("3",)))


def test_the_best_layouts_meet_the_slo_and_fill_the_gpus(answer):
    assert len(answer.best) == 5 and answer.layouts > 100
    tput = [b.total_tput_per_rented_gpu_tok_s for b in answer.best]
    assert answer.slo == "ttft=2s,interactivity=40" and tput == sorted(tput, reverse=True)
    for b in answer.best:
        assert b.row.median_ttft_ms <= 2000 and b.row.interactivity_tok_s >= 40
        assert b.replicas * b.row.n_gpus + b.idle_gpus == 24 and 0 <= b.idle_gpus < b.row.n_gpus
        used = b.replicas * b.row.n_gpus / 24
        assert b.total_tput_per_rented_gpu_tok_s == pytest.approx(b.row.total_tput_per_gpu_tok_s * used)
        assert b.usd_per_mtok_rented == pytest.approx(3 / (b.total_tput_per_rented_gpu_tok_s * 3600 / 1e6))
        assert b.total_tput_per_rented_gpu_tok_s_lo < b.total_tput_per_rented_gpu_tok_s


def test_a_row_of_the_search_is_the_prediction_of_its_layout(answer):
    row = answer.best[0].row
    (alone,) = answered(layout=row.layout, concurrency=(int(row.concurrency),)).rows
    assert alone.total_tput_per_gpu_tok_s == pytest.approx(row.total_tput_per_gpu_tok_s)


def test_frontiers_rise_and_keep_their_origin(answer):
    own = search_frontiers(PoolSearchQuestion(**R1, gpus=24), answer).predicted
    for frontier in (own, answer.aggregated):
        assert {r.origin for r in frontier} == {"predicted"}
        assert [r.median_tpot_ms for r in frontier] == sorted(r.median_tpot_ms for r in frontier)
        assert [r.total_tput_per_gpu_tok_s for r in frontier] == sorted(r.total_tput_per_gpu_tok_s for r in frontier)
        assert all(r.median_ttft_ms <= 2000 for r in frontier)
    assert {r.origin for r in answer.measured} == {"published"}
    assert all(r.n_gpus + r.idle_gpus == 24 for r in answer.aggregated)
    assert [r.total_tput_per_gpu_tok_s for r in own] == [p.total_tput_per_rented_gpu_tok_s for p in answer.frontier]


def test_a_worker_that_no_shipped_point_has_is_marked(answer):
    prefill, decode = measured_workers("deepseek-r1", "GB200")
    for b in (*answer.best, *answer.frontier):
        first, second = (side.split("x")[1] for side in b.row.layout.split("+"))
        assert ("prefill" in b.unmeasured) == (first not in prefill)
        assert ("decode" in b.unmeasured) == (second not in decode)


@pytest.mark.parametrize(
    ("slo", "users", "in_force"),
    [
        (None, (), "ttft=5s"),
        ("interactivity=20", (), "ttft=5s,interactivity=20"),
        ("tpot=9ms,e2e=9s", (), "tpot=9ms,e2e=9s"),
        ("TTFT=none", (), ""),
        ("ttft = none,tpot=9ms", (), "tpot=9ms"),
        (None, (32,), ""),
    ],
)
def test_a_search_limits_the_ttft_unless_it_is_lifted(slo, users, in_force):
    question = PoolSearchQuestion(**R1, gpus=16, slo=slo, concurrency=users)
    assert question.slo_in_force() == in_force
    assert len(question.limits()) == len(in_force.split(",")) - (not in_force)


def test_idle_gpus_of_aggregated_replicas_count():
    data = prepared(PoolSearchQuestion(**R1, gpus=20), None)[1]
    even, uneven = (aggregated_frontier(ONE, n, Lengths(8192, 1024), (), (64,), data)[0] for n in (16, 20))
    of = {r.layout: r for r in uneven}
    assert any(r.idle_gpus for r in uneven) or {r.n_gpus for r in uneven} == {20}
    assert all(r.n_gpus + r.idle_gpus == 20 for r in uneven) and all(r.idle_gpus == 0 for r in even)
    for r in even:
        if other := of.get(r.layout):
            assert other.total_tput_per_gpu_tok_s == pytest.approx(r.total_tput_per_gpu_tok_s * 16 / 20)


def test_aggregated_serving_is_by_the_engines_that_were_calibrated_there():
    data = prepared(PoolSearchQuestion(**R1, gpus=20), None)[1]
    amd = replace(ONE, accelerator="MI355X", precision="fp8", engine="sglang")
    engines = calibrated_engines(amd, data.calibration, data.catalog)
    assert len(engines) > 1 and not any(data.catalog.engines[name].disaggregated for name in engines)
    assert calibrated_engines(replace(amd, model="gemma-3-27b"), data.calibration, data.catalog) == ["sglang"]
    assert calibrated_engines(replace(amd, speculative="mtp"), data.calibration, data.catalog) == ["sglang"]


def test_what_a_gpu_hour_may_cost_is_the_ratio_of_throughputs(answer):
    assert answer.worth
    for w in answer.worth:
        assert w.ratio == pytest.approx(w.disaggregated_tput_per_gpu_tok_s / w.aggregated_tput_per_gpu_tok_s)
        assert w.break_even_usd_per_gpu_h == pytest.approx(3 * w.ratio)


def test_stated_loads_are_the_only_ones():
    result = search_disaggregated(PoolSearchQuestion(**R1, gpus=16, concurrency=(32, 128)))
    assert {p.row.concurrency for p in result.frontier} <= {32, 128} and result.slo == ""


@pytest.mark.parametrize(
    ("changed", "kind", "words"),
    [
        ({"gpus": None}, BadConfig, "'gpus' is missing"),
        ({"gpus": 1}, BadConfig, "'gpus' is 1; a search needs at least 2"),
        ({"gpus": 10**6}, BadConfig, "at most 1,152"),
        ({"gpus": 3}, BadConfig, "no layout has at most 3 GPUs"),
        ({"slo": "ttft=1ms"}, NoData, "no layout of at most 16 GPUs meets ttft=1ms; the nearest is"),
        ({"pp": 2}, BadConfig, "pp is stated"),
        ({"concurrency": (0,)}, BadConfig, "concurrency is 0"),
        ({"isl": 10**6}, BadConfig, "exceed the context"),
    ],
)
def test_a_search_that_cannot_be_is_refused(changed, kind, words):
    with pytest.raises(kind, match=words):
        search_disaggregated(PoolSearchQuestion(**{**R1, "gpus": 16, **changed}))


# ---- frontiers compared


def line(points):
    return [aggregated_row(tok_s, tput, factor=1.5) for tok_s, tput in points]


def served(points):
    tput = np.array([float(tput) for _, tput in points])
    return RentedCurve(np.array([1 / tok_s for tok_s, _ in points]), tput, tput / 2, tput * 2)


def test_frontiers_cross_where_they_serve_as_much():
    """In logarithms both are straight: 1000·(100/x) and 1000·(100/x)^2 meet at 100."""
    shallow, steep = [(200, 500), (50, 2000)], [(200, 250), (50, 4000)]
    assert crossings(served(shallow), line(steep)) == pytest.approx([100], rel=0.01)
    assert crossings(served(steep), line(shallow)) == pytest.approx([100], rel=0.01)
    assert crossings(served(shallow), line([(200, 250), (50, 1900)])) == ()
    assert crossings(served(shallow), []) == ()


def test_a_demand_below_the_slowest_point_is_served_by_that_point():
    """The aggregated frontier goes on to 10 tok/s, where it serves more than the other's slowest point."""
    disaggregated, aggregated = [(200, 500), (50, 2000)], [(200, 300), (50, 1200), (10, 6000)]
    assert crossings(served(disaggregated), line(aggregated)) == pytest.approx([30], rel=0.05)
    at = {w.interactivity_tok_s: w for w in worth(served(disaggregated), line(aggregated), None)}
    assert at[10].ratio == pytest.approx(2000 / 6000) and at[50].ratio == pytest.approx(2000 / 1200)
    assert max(at) == 200 and at[10].break_even_usd_per_gpu_h is None


def test_a_ratio_has_the_interval_of_both_predictions():
    (w,) = [w for w in worth(served([(60, 2000), (40, 2000)]), line([(60, 1000), (40, 1000)]), 3.0) if w.ratio > 1][:1]
    spread = np.hypot(np.log(2), np.log(1.5))
    assert w.ratio == pytest.approx(2) and w.break_even_usd_per_gpu_h == pytest.approx(6)
    assert (w.ratio_lo, w.ratio_hi) == pytest.approx((2 * np.exp(-spread), 2 * np.exp(spread)))


def test_the_ratio_that_was_measured_stands_where_both_were():
    runs = [
        run_row(60, 3000),
        run_row(20, 8000),
        run_row(50, 1000, serving="aggregated"),
        run_row(10, 4000, serving="aggregated"),
    ]
    runs.sort(key=lambda r: r.central_tpot_ms)
    rows = worth(served([(100, 3000), (5, 9000)]), line([(100, 1000), (5, 4000)]), None, runs)
    at = {w.interactivity_tok_s: w.measured_ratio for w in rows}
    assert at[10] is None and at[60] is None and at[50] == pytest.approx(3 * 1.2 ** (np.log(8 / 3) / np.log(3)))
    assert at[20] == pytest.approx(8000 / 4000 * 2 ** (2 * np.log(2) / np.log(5)), rel=0.01)


def test_leads_of_a_few_per_cent_do_not_count():
    assert crossings(served([(200, 500), (50, 2000)]), line([(200, 495), (100, 1020), (50, 1980)])) == ()


ONE = Deployment(accelerator="GB200", model="deepseek-r1", precision="fp4", engine="trtllm", gpus=1, tp=1)


def test_shipped_points_of_the_cell_come_by_serving():
    rows = measured_frontiers(ONE, Lengths(8192, 1024, 0.8))
    assert {r.serving for r in rows} <= {"disaggregated", "aggregated"} and rows
    for serving in {r.serving for r in rows}:
        tput = [r.total_tput_per_gpu_tok_s for r in rows if r.serving == serving]
        assert tput == sorted(tput)
    assert measured_frontiers(ONE, Lengths(77, 77)) == ()


def test_points_with_and_without_speculation_stay_apart(monkeypatch):
    points = published_points().filter(pl.col("model") == "deepseek-r1", pl.col("accelerator") == "GB200")
    drafted = points.filter(pl.col("speculation") == "mtp", pl.col("isl") == 8192, pl.col("osl") == 1024)
    monkeypatch.setattr(pool_rivals, "published_points", lambda: drafted)
    assert measured_frontiers(ONE, Lengths(8192, 1024)) == ()
    assert measured_frontiers(replace(ONE, speculative="mtp"), Lengths(8192, 1024))
