"""Predictions: sources, intervals, batch files, commands, and the shipped calibration against what it was made of."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig, BadFile, UnknownName
from paretoken.points.check import checked
from paretoken.points.published import published_points
from paretoken.predict.calibration.file import read_calibration, shipped_calibration
from paretoken.predict.calibration.sample import sample, single_runs
from paretoken.predict.calibration.scoreboard import noise
from paretoken.predict.configure import case, sizes_that_fit
from paretoken.predict.csvfile import FIGURES, predict_rows, read_rows
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.predictor import novelty, predict_cases
from paretoken.predict.rows import predicted_points
from paretoken.predict.serving import served
from paretoken.predict.slo import highest_users, last_that, parse_slos
from tests.support import configurations

CATALOG = load_catalog()
LLAMA = Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=4, tp=4)
CHAT = Lengths(1024, 1024, 0.8)
SEEN = ("random half",)


@pytest.fixture(scope="module")
def learned():
    return sample(published_points(), CATALOG)


@pytest.fixture(scope="module")
def predicted(learned):
    return predict_cases(learned.cases, catalog=CATALOG)


def test_the_shipped_calibration_explains_what_it_was_made_of(learned, predicted):
    """Offline maxima have no TPOT."""
    off = np.abs(np.expm1(np.log(predicted.tpot_s) - learned.observed[:, 0]))
    assert np.nanmedian(off) < 0.04
    assert np.nanmean(off) < 0.12


def test_the_shipped_calibration_beats_the_uncalibrated_model(learned, predicted):
    """The crude end of the scale: the same physics with every multiplier at its base."""
    empty = replace(shipped_calibration(), effects={})
    bare = predict_cases(learned.cases, calibration=empty, catalog=CATALOG)
    crude, ours = (np.nanmedian(np.abs(np.log(p.tpot_s) - learned.observed[:, 0])) for p in (bare, predicted))
    assert ours < crude / 4


def test_intervals_hold_what_was_learned(learned, predicted):
    low, high = predicted.band("tpot")
    seen = np.exp(learned.observed[:, 0])
    inside = ((seen >= low) & (seen <= high))[np.isfinite(seen)]
    assert np.mean(inside) > 0.9


def test_repeated_runs_differ_by_less_than_the_note_says():
    assert 0 < noise(single_runs(published_points(), CATALOG))["tpot"] < 0.01


def test_throughput_and_latency_obey_littles_law():
    """Less the start and the end of a public harness's run, in which not all users are served."""
    for lengths in (Lengths(1024, 1024), CHAT):
        p = predict_cases([case(LLAMA, lengths, 32)], catalog=CATALOG)
        rate = 32 * (lengths.mean_isl + lengths.mean_osl) / (p.e2e_s[0] * 4)
        assert 0.94 <= p.total_tput_per_gpu[0] / rate <= 0.99


def test_predictions_are_points_that_say_so():
    points, _ = checked(predicted_points(predict_cases([case(LLAMA, CHAT, n) for n in (1, 64)], catalog=CATALOG)), "x")
    assert set(points["origin"]) == {"predicted"}
    assert points["input_tput_per_gpu_tok_s"].is_not_null().all()


@pytest.mark.parametrize(
    ("changed", "new"),
    [
        ({}, SEEN),
        ({"gpus": 8, "tp": 8, "model": "gpt-oss-120b", "precision": "fp4"}, SEEN),
        ({"accelerator": "MI355X", "engine": "atom-vllm", "model": "kimi-k2-thinking", "precision": "fp4"}, SEEN),
        ({"accelerator": "MI355X", "engine": "atom-sglang", "model": "deepseek-r1", "precision": "fp4"}, SEEN),
        ({"accelerator": "MI350X"}, ("accelerator",)),
        ({"model": "llama-3.1-405b", "gpus": 8, "tp": 8}, ("model",)),
        ({"engine": "sglang"}, ("cell",)),
    ],
)
def test_what_is_new_is_named(changed, new):
    assert novelty(case(replace(LLAMA, **changed), CHAT, 16), shipped_calibration()) == new


def test_new_lengths_and_unknown_things_widen_the_interval():
    def width(deployment, lengths):
        low, high = predict_cases([case(deployment, lengths, 16)], catalog=CATALOG).band("tpot")
        return high[0] / low[0]

    known = width(LLAMA, CHAT)
    assert width(LLAMA, Lengths(4096, 1024, 0.8)) > known
    assert width(replace(LLAMA, accelerator="MI350X"), CHAT) > known


def test_hardware_that_nobody_measured_is_predicted_from_its_data_sheet():
    rubin, blackwell = (
        predict_cases([case(replace(LLAMA, accelerator=a), CHAT, 64)], catalog=CATALOG) for a in ("VR200", "B200")
    )
    assert 0 < rubin.tpot_s[0] < 1.5 * blackwell.tpot_s[0]


@pytest.mark.parametrize(
    ("deployment", "lengths", "users", "words"),
    [
        (replace(LLAMA, precision="fp6"), CHAT, 4, "fp6"),
        (replace(LLAMA, gpus=3, tp=3), CHAT, 4, "heads"),
        (LLAMA, Lengths(131072, 1024), 4, "context"),
        (LLAMA, CHAT, 0, "concurrency"),
        (replace(LLAMA, model="llama-3.1-405b", gpus=2, tp=2), CHAT, 4, "GB"),
        (LLAMA, Lengths(1024, 1024, 1.5), 4, "ratio"),
    ],
)
def test_what_cannot_be_is_one_sentence(deployment, lengths, users, words):
    with pytest.raises(BadConfig, match=words):
        case(deployment, lengths, users)


def test_an_unknown_engine_names_the_nearest():
    with pytest.raises(UnknownName, match="vllm"):
        case(replace(LLAMA, engine="vlm"), CHAT, 4)


def test_auto_takes_every_size_that_fits():
    assert [d.gpus for d in sizes_that_fit(replace(LLAMA, accelerator="H100", precision="bf16"))] == [2, 4, 8]
    with pytest.raises(BadConfig, match="does not fit"):
        sizes_that_fit(replace(LLAMA, accelerator="H100", model="llama-3.1-405b", precision="bf16"))


ROW = {**configurations.ROW, "accelerator": "h200", "length_range_ratio": "0.8"}


def test_a_bad_row_says_why_and_the_others_go_on():
    good, unknown, empty = predict_rows([ROW, {**ROW, "engine": "foo"}, {**ROW, "isl": ""}])
    assert good["status"] == "ok"
    assert all(np.isfinite(good[f]) for f in FIGURES)
    assert "foo" in unknown["status"]
    assert "isl" in empty["status"]


def test_replicas_of_a_dense_model_share_the_users():
    one, two = predict_rows([ROW, {**ROW, "n_gpus": "8", "concurrency": "32"}])
    assert two["median_tpot_ms"] == pytest.approx(one["median_tpot_ms"])
    assert two["total_tput_per_gpu_tok_s"] == pytest.approx(one["total_tput_per_gpu_tok_s"])


def test_a_csv_keeps_its_rows_and_columns(tmp_path, call):
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    with source.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*ROW, "mine"])
        writer.writeheader()
        writer.writerows([{**ROW, "mine": "a"}, {**ROW, "mine": "b", "tp": "7"}])
    code, _, err = call(f"predict --in {source} --out {target}")
    assert code == 0, err
    with target.open() as file:
        rows = list(csv.DictReader(file))
    assert [r["mine"] for r in rows] == ["a", "b"]
    assert rows[0]["status"] == "ok"
    assert float(rows[0]["median_tpot_ms_lo"]) < float(rows[0]["median_tpot_ms"]) < float(rows[0]["median_tpot_ms_hi"])
    assert rows[1]["status"] != "ok"


def test_a_csv_without_a_column_is_refused(tmp_path):
    (tmp_path / "x.csv").write_text("accelerator,gpus\nH200,8\n")
    with pytest.raises(BadFile, match="n_gpus"):
        read_rows(tmp_path / "x.csv")


def test_objectives_are_read_and_met():
    assert parse_slos("ttft=1s,tpot_p99=50ms")[1].bound_s == pytest.approx(0.05)
    for text in ("ttft=1h", "tttt=1s", "ttft_p42=1s"):
        with pytest.raises(BadConfig):
            parse_slos(text)
    users = highest_users(LLAMA, CHAT, parse_slos("tpot=20ms"))
    above, below = (predict_cases([case(LLAMA, CHAT, n)], catalog=CATALOG).tpot_s[0] for n in (users + 1, users))
    assert below <= 0.02 < above


@pytest.mark.parametrize("answer", [0, 1, 2, 5, 64, 99, 100])
def test_bisection_finds_the_last(answer):
    assert last_that(lambda n: n <= answer, 100) == answer


ASKED = "--accelerator MI300X --model llama-3-70b --precision fp8 --engine vllm --isl 1024 --osl 1024"


def test_commands_answer(call):
    code, out, err = call(f"predict {ASKED} --tp 8 --concurrency 1,64 --json")
    assert code == 0, err
    rows = json.loads(out)
    assert [r["concurrency"] for r in rows] == [1, 64]
    assert all(r["origin"] == "predicted" for r in rows)
    assert call(f"predict {ASKED} --tp auto --slo tpot=20ms")[0] == 0
    assert call(f"predict {ASKED} --tp 8 --rate 2 --json")[0] == 0
    parts = json.loads(call(f"explain {ASKED} --tp 8 --json")[1])[0]["parts"]
    assert {"dense", "kv", "link"} <= {p["name"] for p in parts}


@pytest.mark.parametrize(
    "wrong",
    [
        "--tp 3",
        "--isl 0",
        "--concurrency 0",
        "--date soon",
        "--tp many",
        "--engine foo",
        "--calibration absent.parquet",
    ],
)
def test_mistakes_leave_with_two(call, wrong):
    code, _, err = call(f"predict {ASKED} --tp 4 {wrong}")
    assert code == 2
    assert err.count("\n") == 1
    assert err.startswith("error: ")


def test_an_emulated_deployment_has_the_predicted_pace_and_limits():
    from paretoken.emulate.engine import predicted

    engine = predicted(LLAMA, Lengths(1024, 1024))
    step = served(LLAMA, Lengths(1024, 1024)).step_time
    assert engine.step_time.decode(16) == step.decode(16)
    assert engine.context == 131072
    with pytest.raises(BadConfig, match="heads"):
        predicted(replace(LLAMA, gpus=3, tp=3), CHAT)


@pytest.mark.parametrize(
    ("model", "ep", "words"),
    [
        ("llama-3-70b", 3, "llama-3-70b is dense"),
        ("llama-3-70b", 4, "leave ep at 1"),
        ("deepseek-r1", 16, "use a divisor of 8"),
    ],
)
def test_experts_that_cannot_be_shared_are_one_sentence(call, model, ep, words):
    with pytest.raises(BadConfig, match=words):
        served(Deployment(accelerator="H200", model=model, precision="fp8", engine="vllm", gpus=8, tp=8, ep=ep), CHAT)
    line = f"emulate --accelerator H200 --model {model} --precision fp8 --engine vllm --tp 8 --gpus 8 --ep {ep}"
    code, _, err = call(line)
    assert code == 2 and err.count("\n") == 1 and words in err


@pytest.mark.parametrize(
    ("model", "engine", "speculative", "new"),
    [
        ("deepseek-r1", "sglang", "none", ("random half",)),
        ("deepseek-r1", "sglang", "mtp", ("random half",)),
        ("llama-3-70b", "vllm", "eagle3", ("speculation",)),
    ],
)
def test_speculation_that_nobody_ran_is_new(model, engine, speculative, new):
    d = Deployment(
        accelerator="H200", model=model, precision="fp8", engine=engine, gpus=8, tp=8, speculative=speculative
    )
    assert novelty(case(d, CHAT, 16), shipped_calibration()) == new


@pytest.mark.parametrize("day", [None, "2026-11-20"])
def test_own_runs_come_on_top_of_the_shipped_calibration(tmp_path, call, day):
    """Runs that are a fifth slower than predicted move the prediction of their own case, and hardly that of others."""
    from paretoken.points.files import write_points

    cases = [case(LLAMA, CHAT, n) for n in (4, 16, 64)]
    before = predict_cases(cases, catalog=CATALOG)
    points = predicted_points(before)
    slower = points.with_columns(
        origin=pl.lit("measured"),
        source=pl.lit("mine"),
        date=pl.lit(day, pl.String),
        median_tpot_s=points["median_tpot_s"] * 1.2,
        median_e2e_s=points["median_e2e_s"] * 1.2,
        **{f"{s}_tput_per_gpu_tok_s": points[f"{s}_tput_per_gpu_tok_s"] / 1.2 for s in ("total", "input", "output")},
    )
    write_points(slower, tmp_path / "mine.parquet")
    code, _, err = call("calibrate mine.parquet --on-top --out ours.parquet --json")
    assert code == 0, err
    ours = read_calibration(tmp_path / "ours.parquet")
    after = predict_cases(cases, calibration=ours, catalog=CATALOG)
    assert after.tpot_s / before.tpot_s == pytest.approx(1.2, rel=0.03)
    dated = [replace(c, deployment=replace(c.deployment, date=day)) for c in cases]
    assert predict_cases(dated, calibration=ours, catalog=CATALOG).tpot_s == pytest.approx(1.2 * before.tpot_s, rel=0.1)
    elsewhere = [case(replace(LLAMA, accelerator=other), CHAT, 16) for other in ("H100", "MI300X", "B200")]
    kept, moved = (predict_cases(elsewhere, calibration=c, catalog=CATALOG) for c in (shipped_calibration(), ours))
    assert moved.tpot_s == pytest.approx(kept.tpot_s, rel=0.06)
    medians = {k.group for k in ours.effects if k.effect == "split+period"}
    assert {g for g in medians if g.startswith("H200 vllm llama-3-70b fp8 ")} == {"H200 vllm llama-3-70b fp8 4/4/1/0"}
    assert call("calibrate --out x.parquet")[0] == 2


@pytest.mark.parametrize("wrong", ["--split foo", "--models some"])
def test_validate_refuses_what_it_does_not_know(call, wrong):
    code, _, err = call(f"validate {wrong}")
    assert code == 2
    assert err.startswith("error: ")
