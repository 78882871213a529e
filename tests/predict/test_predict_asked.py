"""Questions to the predictor, by options or as rows of a file, and one sentence for each that is refused."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig, BadFile
from paretoken.predict.configure import case, replicated, sizes_that_fit
from paretoken.predict.csvfile import ANSWERS, FIGURES, predict_rows, read_rows
from paretoken.predict.deployment import Deployment, Lengths, check, resolve
from paretoken.predict.explain import explain_case
from paretoken.predict.predictor import predict_cases
from paretoken.predict.rows import predicted_points
from paretoken.predict.simulated import growth_of, simulate_rate, simulate_users
from paretoken.predict.slo import highest_users, parse_slos
from paretoken.predict.speculation import SPECULATIVE
from tests.support.configurations import assert_refused

CATALOG = load_catalog()
H8 = Deployment(accelerator="H100", model="llama-3-70b", precision="fp8", engine="vllm", gpus=8, tp=8)
CHAT, LONG = Lengths(1024, 1024, 0.8), Lengths(100_000, 1000, 0.8)
CONFIGURED = "--accelerator H100 --model llama-3-70b --precision fp8 --engine vllm"
QUESTION = f"{CONFIGURED} --isl 1024 --osl 1024"
ROW = {
    "accelerator": "H100",
    "n_gpus": "8",
    "model": "llama-3-70b",
    "precision": "fp8",
    "engine": "vllm",
    "tp": "8",
    "ep": "1",
    "isl": "1024",
    "osl": "1024",
    "concurrency": "16",
    "length_range_ratio": "0.8",
}


def row(**changed):
    return predict_rows([ROW | changed], catalog=CATALOG)[0]


# ---- arrivals at a rate


@pytest.mark.parametrize("rate", [1, 10])
def test_all_that_arrives_is_served(rate):
    s = simulate_rate(H8, CHAT, rate)
    assert not s.overloaded
    assert s.total_tput_per_gpu == pytest.approx(rate * (CHAT.mean_isl + CHAT.mean_osl) / 8)
    assert abs(growth_of(s.run)) < 0.02


@pytest.mark.parametrize("rate", [11.5, 20, 1e9])
def test_more_than_can_be_served_is_overload_and_serves_no_more(rate):
    """The closed loop with all kv_slots taken serves as much; what preempts more serves up to 4 % less."""
    s, full = simulate_rate(H8, CHAT, rate), simulate_users(H8, CHAT, 1100, requests=22_000)
    assert s.overloaded
    assert s.total_tput_per_gpu == pytest.approx(full.total_tput_per_gpu, rel=0.04)
    assert s.quantiles["ttft"]["p50"] > 20


def test_latencies_at_a_rate_do_not_depend_on_the_simulated_time():
    default, longer = (simulate_rate(H8, CHAT, 8, requests=n).quantiles for n in (None, 50_000))
    assert default["tpot"]["p50"] == pytest.approx(longer["tpot"]["p50"], rel=0.1)
    assert default["e2e"]["p50"] == pytest.approx(longer["e2e"]["p50"], rel=0.1)


@pytest.mark.parametrize(("rate", "words"), [("inf", "finite"), ("nan", "finite"), ("0", "rate is"), ("-1", "rate is")])
def test_a_rate_is_a_finite_number_above_zero(call, rate, words):
    assert_refused(call, f"predict {QUESTION} --tp 8 --rate {rate}", words)


# ---- rows of a file


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        *(({"isl": value}, "isl") for value in ("nan", "inf", "1e300", "-5", "2.5")),
        *(({name: "0"}, f"{name} is 0") for name in ("tp", "pp", "n_gpus")),
        *(({"date": day}, "2026-05-01") for day in ("2026-13-45", "05/01/2026", "2026-5-1", "yesterday", "20260501")),
        *(({"concurrency": users}, "concurrency") for users in ("inf", "nan", "1e308", "0")),
        ({"n_gpus": "1e308"}, "n_gpus"),
        ({"speculative": "foobar"}, "foobar"),
        ({"isl": "100000", "osl": "1000", "tp": "1", "n_gpus": "1"}, "holds 4,000"),
        ({"ep": "8"}, "dense"),
    ],
)
def test_a_bad_row_has_no_figures_and_says_why(changed, words):
    bad, good = predict_rows([ROW | changed, ROW], catalog=CATALOG)
    assert words in bad["status"]
    assert all(bad[name] is None for name in FIGURES)
    assert good["status"] == "ok"


@pytest.mark.parametrize(
    "changed", [{"date": "2025-10-05..2026-01-02"}, {"date": "2026-05-01"}, {"date": "2026-05"}, {"precision": "FP16"}]
)
def test_periods_days_and_other_names_are_read(changed):
    assert row(**changed)["status"] == "ok"


def test_fewer_users_than_replicas_leave_some_idle():
    one, eight, all_busy = (
        row(n_gpus="2", tp="2", concurrency="1"),
        *(row(n_gpus="16", tp="2", concurrency=users) for users in ("1", "8")),
    )
    assert eight["total_tput_per_gpu_tok_s"] == pytest.approx(one["total_tput_per_gpu_tok_s"] / 8)
    assert eight["median_tpot_ms"] == pytest.approx(one["median_tpot_ms"])
    assert all_busy["total_tput_per_gpu_tok_s"] == pytest.approx(one["total_tput_per_gpu_tok_s"])


def test_without_tp_a_stage_takes_all_its_gpus_as_far_as_a_node_goes():
    assert row(tp="") == row()
    assert row(tp="", n_gpus="16", concurrency="32") == row(n_gpus="16", concurrency="32")


def test_a_file_of_predictions_is_predicted_anew_but_own_columns_are_kept(tmp_path, call):
    def table(path, rows):
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    source, once, twice = (tmp_path / name for name in ("in.csv", "once.csv", "twice.csv"))
    table(source, [ROW, ROW | {"tp": "7"}])
    for line in (f"predict --in {source} --out {once}", f"predict --in {once} --out {twice}"):
        assert call(line)[0] == 0
    assert once.read_text() == twice.read_text()
    good = next(csv.DictReader(once.read_text().splitlines()))
    table(source, [good | {"tp": "7"}])
    assert call(f"predict --in {source} --out {twice}")[0] == 0
    failed = next(csv.DictReader(twice.read_text().splitlines()))
    assert failed["status"] != "ok" and not any(failed[name] for name in FIGURES)
    table(source, [ROW | {"median_tpot_ms": "9.9"}])
    assert read_rows(source)[0] == ROW | {"given_median_tpot_ms": "9.9"}
    assert not set(read_rows(once)[0]) & set(ANSWERS)


def test_a_missing_column_is_a_whole_sentence(tmp_path):
    (tmp_path / "x.csv").write_text("q\n1\n")
    with pytest.raises(BadFile, match=r"'accelerator'\. Required: "):
        read_rows(tmp_path / "x.csv")


# ---- deployments


def test_speculation_is_one_of_the_known_ways_in_any_case():
    assert not resolve(replace(H8, speculative="NONE"), CATALOG).drafting
    for name in SPECULATIVE:
        check(resolve(replace(H8, speculative=name.upper()), CATALOG), CATALOG)
    with pytest.raises(BadConfig, match="eagle"):
        case(replace(H8, speculative="eagel"), CHAT, 1)


@pytest.mark.parametrize("verb", ["predict", "predict --slo ttft=9s", "predict --rate 1", "explain"])
def test_a_request_larger_than_the_cache_is_refused(call, verb):
    line = f"{verb} {CONFIGURED} --isl 100000 --osl 1000"
    assert_refused(call, f"{line} --tp 1", "holds 4,000")
    code, out, err = call(f"{line} --json")
    assert code == 0, err
    assert "H100" in out


def test_auto_takes_the_sizes_with_room_and_of_the_gpus_given():
    assert [d.tp for d in sizes_that_fit(H8, CATALOG)] == [1, 2, 4, 8]
    assert [d.tp for d in sizes_that_fit(H8, CATALOG, lengths=LONG)] == [2, 4, 8]
    some = [replicated(d, CATALOG) for d in sizes_that_fit(H8, CATALOG, gpus=8)]
    assert [(d.gpus, n) for d, n in some] == [(1, 8), (2, 4), (4, 2), (8, 1)]
    with pytest.raises(BadConfig, match="3 GPUs"):
        sizes_that_fit(replace(H8, pp=2), CATALOG, gpus=3)


def test_options_and_rows_mean_the_same(call):
    for tp, gpus, users in ((4, 8, 1), (4, 8, 64), (8, 8, 64)):
        out = call(f"predict {QUESTION} --tp {tp} --gpus {gpus} --concurrency {users} --json")[1]
        by_options, by_row = json.loads(out)[0], row(tp=str(tp), n_gpus=str(gpus), concurrency=str(users))
        assert by_options["n_gpus"] == gpus
        assert all(by_options[name] == pytest.approx(by_row[name]) for name in FIGURES)
    d, replicas = replicated(
        Deployment(accelerator="H200", model="deepseek-r1", precision="fp8", engine="sglang", gpus=8, tp=4), CATALOG
    )
    assert (d.gpus, d.dp_attention, replicas) == (8, True, 1)


def test_replicas_are_one_deployment_to_points_and_objectives():
    one = replace(H8, gpus=4, tp=4)
    points = predicted_points(predict_cases([case(one, CHAT, 64, replicas=2)], catalog=CATALOG))
    assert points.select("n_gpus", "tp", "concurrency").row(0) == (8, 4, 64.0)
    alone, two = (explain_case(case(one, CHAT, n, replicas=r)) for n, r in ((32, 1), (64, 2)))
    assert two.parts == alone.parts
    bound = parse_slos("tpot=15ms")
    assert highest_users(one, CHAT, bound, replicas=2) // 2 == highest_users(one, CHAT, bound)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("--tp 4 --ep 4", "dense"),
        ("--tp ²", "--tp"),
        ("--tp 8 --gpus 12", "multiple"),
        ("--tp 8 --speculative foobar", "foobar"),
        ("--tp 8 --date 20260501", "2026-05-01"),
        ("--tp 8 --concurrency ramp:1:64:60s", "ramp"),
        ("--tp 8 --concurrency 9999999", "concurrency"),
        ("--tp 8 --rate 3 --out x.csv", "--out"),
        ("--tp 8 --slo ttft=1s --out x.csv", "--out"),
        ("--tp 8 --slo ttft=1s --rate 3", "--rate and --slo"),
        ("--tp 8 --slo ttft=1s --concurrency 3", "--concurrency and --slo"),
        ("--tp 8 --slo ttft=1.2.3s", "1.2.3s"),
        ("--in x.csv", "--in"),
        ("--tp 8 --out absent/x.csv", "absent/x.csv"),
    ],
)
def test_a_question_without_an_answer_is_one_sentence(call, wrong, words):
    assert_refused(call, f"predict {QUESTION} {wrong}", words)


def test_more_gpus_to_a_layer_than_a_node_links_are_predicted_as_new():
    p = predict_cases(
        [
            case(
                Deployment(accelerator="H100", model="llama-3-70b", precision="fp8", engine="vllm", gpus=n, tp=n),
                CHAT,
                16,
            )
            for n in (8, 16)
        ]
    )
    assert p.novelty == [("random half",), ("tp", "several nodes")]
    low, high = p.band("tpot")
    assert high[1] / low[1] > 2.5 > high[0] / low[0]


def test_gpus_without_links_may_share_a_layer_within_a_server():
    case(Deployment(accelerator="L40S", model="llama-3-70b", precision="fp8", engine="vllm", gpus=8, tp=8), CHAT, 1)


# ---- objectives


def test_a_median_is_that_of_the_closed_form_whatever_else_is_bound():
    alone, beside = (highest_users(H8, CHAT, parse_slos(x)) for x in ("ttft=150ms", "ttft=150ms,e2e_p99=1000s"))
    assert alone == beside > 10


def test_the_highest_load_that_is_tried_is_marked(call):
    assert "4,096 or more" in call(f"predict {QUESTION} --tp 8 --slo ttft=1000s")[1]
    assert json.loads(call(f"predict {QUESTION} --tp 8 --slo ttft=50ms --json")[1])[0]["or_more"] is False


# ---- single tokens


def test_single_tokens_have_no_tpot(call):
    one = f"{CONFIGURED} --isl 1024 --osl 1 --tp 8"
    predicted = json.loads(call(f"predict {one} --concurrency 4 --json")[1])[0]
    assert predicted["median_tpot_ms"] is predicted["median_tpot_ms_lo"] is None
    assert predicted["median_e2el_ms"] > 0
    assert "–" in call(f"predict {one} --concurrency 4")[1]
    assert json.loads(call(f"predict {one} --rate 2 --json")[1])[0]["p50_tpot_ms"] is None
    assert "TPOT not defined" in call(f"explain {one}")[1]
    assert_refused(call, f"predict {one} --slo tpot=5ms", "TPOT")
    assert row(osl="1")["status"] == "ok" and row(osl="1")["median_tpot_ms"] is None
    points = predicted_points(predict_cases([case(H8, Lengths(1024, 1, 0.8), 4)], catalog=CATALOG))
    assert points["median_tpot_s"].to_list() == [None]
    assert np.isfinite(points["total_tput_per_gpu_tok_s"][0])


# ---- files and catalogs


def test_points_are_csv_where_the_name_says_so(tmp_path, call):
    from paretoken.points.files import read_points

    for name in ("x.csv", "x.parquet"):
        assert call(f"predict {QUESTION} --tp 8 --concurrency 1,2 --out {tmp_path / name}")[0] == 0
    assert (tmp_path / "x.csv").read_text().startswith("origin,")
    a, b = (read_points(tmp_path / name)[0] for name in ("x.csv", "x.parquet"))
    assert a["median_tpot_s"].to_list() == pytest.approx(b["median_tpot_s"].to_list())


def test_novelty_is_named_for_each_size(call):
    assert "The calibration has data for this" in call(f"predict {QUESTION} --tp 8 --concurrency 1")[1]
    assert "TP 1: tp; TP 2: nothing" in call(f"predict {QUESTION} --concurrency 1")[1]
    assert json.loads(call(f"predict {QUESTION} --tp 8 --concurrency 1 --json")[1])[0]["new_to_calibration"] == []


def test_an_explanation_that_cannot_be_written_is_one_sentence(call):
    assert_refused(call, f"explain {QUESTION} --tp 8 --plot absent/x.html", "absent/x.html")


def test_own_hardware_is_predicted(tmp_path, call):
    own = '[X9]\nname = "X9"\nvendor = "ACME"\nhbm_gib = 200\nhbm_tb_per_s = 9\nbf16_tflops = 2000\nsource = "me"\n'
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "accelerators.toml").write_text(own + 'date = "2026-11-24"\n')
    line = f"{QUESTION.replace('H100', 'X9')} --tp 2 --catalog {tmp_path / 'mine'}"
    for verb in ("predict", "predict --rate 1", "predict --slo ttft=1s", "explain"):
        code, out, err = call(f"{verb} {line}")
        assert code == 0, err
    (tmp_path / "in.csv").write_text(pl.DataFrame([ROW | {"accelerator": "X9"}]).write_csv())
    out = call(f"predict --in {tmp_path / 'in.csv'} --catalog {tmp_path / 'mine'}")[1]
    assert json.loads(out)[0]["status"] == "ok"
    for verb in ("calibrate --published --out x.toml", "validate"):
        assert_refused(call, f"{verb} --catalog absent", "absent")


@pytest.mark.parametrize(
    "wrong", ["--decode-ms nan", "--decode-ms inf", *(f"{CONFIGURED} --date {x}" for x in ("2026-13-01", "yesterday"))]
)
def test_an_endpoint_needs_finite_times_and_a_day(call, wrong):
    assert_refused(call, f"emulate {wrong}")
