"""Questions of prediction: they come from JSON, their answers go to JSON, and both have a schema."""

from __future__ import annotations

import json

import pytest

from paretoken.answers.ask import ask
from paretoken.answers.calibrate import CalibrateAnswer, CalibrateQuestion, calibrate
from paretoken.answers.explain import ExplainAnswer, ExplainQuestion, explain
from paretoken.answers.predict import PredictAnswer, PredictQuestion, predict
from paretoken.answers.predict_file import PredictFileAnswer, PredictFileQuestion, predict_file
from paretoken.answers.seam import json_schema, question_from_json, to_json
from paretoken.answers.validate import ValidateAnswer, ValidateQuestion, validate
from paretoken.errors import BadConfig
from paretoken.predict.calibration.file import CALIBRATION_VERSION, shipped_calibration

LLAMA = {"accelerator": "H100", "model": "llama-3-70b", "engine": "vllm", "precision": "fp8", "isl": 1024, "osl": 512}


@pytest.mark.parametrize(
    "kind",
    [
        *(PredictQuestion, PredictAnswer, PredictFileQuestion, PredictFileAnswer, ExplainQuestion, ExplainAnswer),
        *(ValidateQuestion, ValidateAnswer, CalibrateQuestion, CalibrateAnswer),
    ],
)
def test_questions_and_answers_have_a_schema(kind):
    assert json_schema(kind)["type"] == "object"


def test_a_prediction_by_json():
    question = question_from_json(PredictQuestion, json.dumps({**LLAMA, "tp": 8, "concurrency": [1, 16]}))
    rows = to_json(predict(question))["rows"]
    assert [r["concurrency"] for r in rows] == [1, 16]
    assert rows[0]["median_tpot_ms_lo"] < rows[0]["median_tpot_ms"] < rows[0]["median_tpot_ms_hi"]


def test_a_rate_and_an_slo_are_questions_too():
    rate = to_json(predict(PredictQuestion(**LLAMA, tp=8, rate=0.5)))["rows"]
    assert rate[0]["overloaded"] is False and rate[0]["p99_ttft_ms"] > rate[0]["p50_ttft_ms"]
    met, missed = (
        to_json(predict(PredictQuestion(**LLAMA, tp=8, slo=slo)))["rows"][0] for slo in ("tpot=20ms", "tpot=1us")
    )
    assert met["users"] > 0 and met["median_tpot_ms"] <= 20
    assert missed["users"] == 0 and "median_tpot_ms" not in missed


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"concurrency": []}, "'concurrency' is empty; give at least one level"),
        ({"rate": 2, "slo": "tpot=50ms"}, "'rate' and 'slo' cannot be combined"),
        ({"rate": 2, "out": "points.csv"}, "'out' takes operating points at 'concurrency'; leave out 'rate'"),
        ({"slo": "tpot=50ms", "out": "points.csv"}, "leave out 'slo'"),
    ],
)
def test_a_prediction_has_one_load(fields, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadConfig, match=why):
        ask("predict", json.dumps({**LLAMA, "tp": 8, **fields}))
    assert not list(tmp_path.iterdir())


def test_a_layout_needs_a_load():
    with pytest.raises(BadConfig, match="'concurrency' is empty"):
        ask("predict-disaggregated", {**LLAMA, "layout": "1xTP4+1xTP4", "concurrency": []})


@pytest.mark.parametrize(
    ("verb", "fields"),
    [
        ("predict", {"tp": 8, "slo": "tpot=50ms"}),
        ("predict-disaggregated", {"layout": "1xTP4+1xTP4", "slo": "tpot=50ms"}),
    ],
)
def test_an_slo_needs_no_concurrency(verb, fields):
    assert len(ask(verb, {**LLAMA, **fields, "concurrency": []}).answer["rows"]) == 1


def test_without_a_tp_every_size_that_fits_is_answered():
    assert {r.tp for r in predict(PredictQuestion(**LLAMA, concurrency=(1,))).rows} == {1, 2, 4, 8}


R1 = {"model": "deepseek-r1", "engine": "sglang", "precision": "fp8", "isl": 1024, "osl": 1024}
WIDE = {"dp_attention": True, "settings": {"memory_utilization": 0.85}}


@pytest.mark.parametrize(
    ("accelerator", "shape", "note"),
    [
        ("H200", {"tp": 16}, "TP 16 of H200 spans 2 nodes"),
        ("H200", {"tp": 8, "pp": 2}, ""),
        ("H200", {"tp": 16, "ep": 16, **WIDE}, ""),
        ("MI355X", {"tp": 32, "ep": 32, **WIDE}, ""),
        ("H20", {"tp": 16, "ep": 16, **WIDE}, "does not state the network of H20"),
        ("GB200", {"tp": 64, "ep": 64, **WIDE}, ""),
        ("GB200", {"tp": 72, "ep": 72, **WIDE}, ""),
    ],
)
def test_several_nodes_are_answered_with_a_note_where_the_network_is_assumed_or_slows_tp(accelerator, shape, note):
    fields = {**R1, "accelerator": accelerator, **shape}
    (row,) = predict(question_from_json(PredictQuestion, {**fields, "concurrency": [64]})).rows
    assert row.median_tpot_ms > 0
    assert (note in "; ".join(row.assumed)) if note else row.assumed == ()
    explanation = explain(question_from_json(ExplainQuestion, fields))
    assert explanation.assumed == row.assumed


def test_an_explanation_by_json():
    (explanation,) = to_json(explain(question_from_json(ExplainQuestion, {**LLAMA, "tp": 8})))["explanations"]
    assert explanation["case"]["deployment"]["accelerator"] == "H100"
    assert sum(p["share"] for p in explanation["parts"] if p["phase"] == "decode") == pytest.approx(1)


def test_a_file_by_json(tmp_path):
    (tmp_path / "in.csv").write_text(
        "accelerator,n_gpus,model,precision,engine,tp,ep,isl,osl,concurrency\n"
        "H100,8,llama-3-70b,fp8,vllm,8,1,1024,1024,16\nH100,8,nothing,fp8,vllm,8,1,1024,1024,16\n"
    )
    answer = predict_file(question_from_json(PredictFileQuestion, {"source": str(tmp_path / "in.csv")}))
    assert answer.not_predicted == 1
    assert [r["status"] == "ok" for r in to_json(answer)["rows"]] == [True, False]


def test_unknown_keys_are_refused_with_the_nearest():
    with pytest.raises(BadConfig, match="did you mean 'precision'"):
        question_from_json(PredictQuestion, {**LLAMA, "precison": "fp8"})


def test_what_cannot_be_asked_is_refused(tmp_path):
    with pytest.raises(BadConfig, match="no points to learn from"):
        calibrate(CalibrateQuestion(out=tmp_path / "c.parquet"))
    with pytest.raises(BadConfig, match="no split 'foo'"):
        validate(ValidateQuestion(splits=("foo",)))
    with pytest.raises(BadConfig, match="use targets or all"):
        validate(ValidateQuestion(models="some"))


def test_a_calibration_is_shown(call):
    code, out, err = call("calibrate --show shipped")
    assert code == 0, err
    shipped = shipped_calibration()
    assert f"points: {shipped.made_from['points']}\n" in out and f"effects: {len(shipped.effects):,}" in out
    document = json.loads(call("calibrate --show shipped --json")[1])
    assert document["calibration_version"] == CALIBRATION_VERSION and document["effects"]["kv"]["one"]
    assert call("calibrate --show absent.parquet")[0] == 2
    assert call("calibrate --show shipped --out x")[0] == 2
