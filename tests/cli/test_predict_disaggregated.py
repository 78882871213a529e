"""`predict --disaggregated` and `explain --disaggregated`: tables, JSON, and one sentence for what is refused."""

from __future__ import annotations

import csv
import json

import pytest

from tests.support.configurations import assert_refused

R1 = "--accelerator GB200 --model deepseek-r1 --precision fp4 --engine trtllm --isl 8192 --osl 1024"
LAYOUT = "--disaggregated 4xDEP4+1xDEP32"


def test_a_layout_as_a_table(call):
    code, out, err = call(f"predict {R1} {LAYOUT} --concurrency 64,256 --rent 3.5")
    assert code == 0
    assert "4xDEP4+1xDEP32 of GB200, dynamo-trtllm" in out and "USD/M tok" in out
    assert "48 GPUs, 16 prefill and 32 decode" in out and "Predicted, not measured" in out
    assert "note: TensorRT-LLM is served disaggregated by" in err
    assert [line.split()[0] for line in out.splitlines() if line.strip().startswith(("64 ", "256 "))] == ["64", "256"]


def test_a_layout_as_json(call):
    code, out, _ = call(f"predict {R1} {LAYOUT} --slo ttft=1s,tpot=20ms --json")
    answer = json.loads(out)
    (row,) = answer["rows"]
    assert code == 0 and row["median_ttft_ms"] <= 1000 and row["layout"] == "4xDEP4+1xDEP32"
    assert answer["decode_settings"]["kv_dtype"]["value"] == "fp8"


def test_operating_points_are_written(call, tmp_path):
    assert call(f"predict {R1} {LAYOUT} --concurrency 64 --out points.csv")[0] == 0
    (point,) = csv.DictReader((tmp_path / "points.csv").read_text(encoding="utf-8").splitlines())
    assert point["disaggregated"] == "true" and point["prefill_workers"] == "4" and point["decode_gpus"] == "32"


@pytest.mark.slow
def test_the_best_layouts_as_tables(call):
    code, out, _ = call(f"predict {R1} --disaggregated auto --gpus 16 --slo ttft=2s,interactivity=40 --top 2 --rent 3")
    assert code == 0
    for title in (
        "Best disaggregated layouts: deepseek-r1 fp4 on at most 16 GB200",
        "Frontier, disaggregated, predicted",
        "Frontier, aggregated on the same GPUs, predicted",
        "Frontiers of the shipped points",
        "Worth of disaggregated serving",
    ):
        assert title in out
    assert "tok/s/rented GPU" in out and "unmeasured workers" in out
    assert "queue long" not in out and "default limit" not in out


@pytest.mark.slow
def test_a_search_without_a_limit_of_ttft_has_one_that_can_be_lifted(call):
    code, out, _ = call(f"predict {R1} --disaggregated auto --gpus 8 --slo interactivity=20 --top 1")
    assert code == 0 and "within ttft=5s,interactivity=20" in out and "ttft=5s is the default limit" in out
    code, out, _ = call(f"predict {R1} --disaggregated auto --gpus 8 --slo ttft=none --top 1")
    assert code == 0 and "no limits" in out and "queue long for prefill" in out


@pytest.mark.slow
def test_the_best_layouts_as_json(call):
    code, out, _ = call(f"predict {R1} --disaggregated AUTO --gpus 12 --concurrency 32 --top 2 --json")
    answer = json.loads(out)
    assert code == 0 and len(answer["best"]) == 2 and answer["layouts"] > 10
    assert {b["row"]["concurrency"] for b in answer["best"]} == {32}


def test_an_explanation_as_a_table_and_as_json(call):
    code, out, _ = call(f"explain {R1} {LAYOUT} --concurrency 1024")
    assert code == 0
    assert "The prefill pool limits the throughput" in out and "Memory of one decode GPU" in out
    answer = json.loads(call(f"explain {R1} {LAYOUT} --json")[1])
    assert answer["explanation"]["limited_by"] == "users"
    assert {p["phase"] for p in answer["explanation"]["parts"]} == {"prompt", "decode", "ttft"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"predict {R1} --disaggregated 4xDEP4", "write WORKERSxKINDGPUS"),
        (f"predict {R1} --disaggregated 1xTP1+1xTP8", "does not fit 1 x GB200"),
        (f"predict {R1} {LAYOUT} --gpus 40", "more than --gpus 40"),
        (f"predict {R1} {LAYOUT} --tp 4 --ep 4", "leave out --ep, --tp"),
        (f"predict {R1} {LAYOUT} --rate 3", "--rate does not predict disaggregated"),
        (f"predict {R1} {LAYOUT} --top 3", "--top is for --disaggregated auto"),
        (f"predict {R1} {LAYOUT} --rent free", "rent 'free' is not one"),
        (f"predict {R1} {LAYOUT} --slo ttft=1s --concurrency 4", "cannot be combined"),
        (f"predict {R1} --disaggregated auto", "add --gpus"),
        (f"predict {R1} --disaggregated auto --gpus 8 --out x.csv", "use --json"),
        (f"predict {R1} --disaggregated auto --gpus 3", "no layout has at most 3 GPUs"),
        (f"predict {R1} --rent 3", "--rent needs --disaggregated"),
        (f"predict {R1} --tp 8 --top 3", "--top needs --disaggregated"),
        (f"predict --in x.csv {LAYOUT}", "leave out --disaggregated"),
        (f"predict {R1} --disaggregated 4xDEP4@H200+1xDEP8 --out x.csv", "an operating point has one accelerator"),
        (f"explain {R1} {LAYOUT} --plot x.html", "leave it out with --disaggregated"),
        (f"explain {R1} --disaggregated auto", "explain takes one layout"),
        (f"explain {R1} {LAYOUT} --dp-attention", "leave out --dp-attention"),
        ("predict --serve-command x --disaggregated 1xTP4+1xTP4", "leave out --serve-command"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(call, line, words):
    assert_refused(call, line, words)
