"""`predict --disaggregated` and `explain --disaggregated`: tables, JSON, and one sentence for what is refused."""

from __future__ import annotations

import csv
import json

import pytest

from tests.support.configurations import assert_refused

R1 = "--accelerator GB200 --model deepseek-r1 --precision fp4 --engine trtllm --isl 8192 --osl 1024"
UNPLACED = R1.removeprefix("--accelerator GB200 ")
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


def test_a_layout_may_name_its_accelerators(call):
    named = "--disaggregated 4xDEP4@GB200+1xDEP32@GB200 --concurrency 64 --json"
    assert call(f"predict {UNPLACED} {named}")[1] == call(f"predict {R1} {LAYOUT} --concurrency 64 --json")[1]


def test_settings_say_what_is_of_a_rank_and_the_commands_have_them_and_the_drafted_tokens(call):
    stated = "--max-num-seqs 64 --max-num-batched-tokens 16384 --kv-cache-dtype bf16 --speculative mtp"
    code, out, _ = call(f"predict {R1} --disaggregated 1xTP8+1xDEP8 --concurrency 8 {stated}")
    assert code == 0
    assert "Settings at prefill: KV cache bf16, 64 sequences, 16,384 batched tokens (stated)" in out
    assert "Settings at decode: KV cache bf16, 64 sequences per rank (stated)" in out
    assert "total tok/s/GPU" in out
    line = next(line for line in out.splitlines() if line.startswith("Commands to start it: "))
    assert "--speculative mtp:3" in line and "--set kv_dtype=bf16" in line
    assert "prefill.max_batched_tokens=16384" in line and "decode.max_batched_tokens" not in line
    code, commands, _ = call(line.removeprefix("Commands to start it: paretoken "))
    prefill, decode = (
        next(part for part in commands.split("\n# ") if f": {pool} worker" in part) for pool in ("prefill", "decode")
    )
    assert code == 0 and "DRAFT_TOKENS" not in commands
    assert "16384" in prefill and "16384" not in decode
    assert all("64" in part for part in (prefill, decode))


@pytest.mark.slow
def test_a_search_within_an_slo_may_state_its_loads(call):
    line = f"predict {R1} --disaggregated auto --gpus 8 --concurrency 8,16 --slo interactivity=40 --speculative mtp"
    code, out, _ = call(line)
    assert code == 0 and "Speculation: mtp, 3 tokens" in out and "Settings" in out


@pytest.mark.slow
def test_the_best_layouts_as_tables(call):
    code, out, _ = call(f"predict {R1} --disaggregated auto --gpus 16 --slo ttft=2s,interactivity=40 --top 2 --rent 3")
    assert code == 0
    for title in (
        "Best disaggregated layouts: deepseek-r1 fp4 on at most 16 GB200",
        "Frontier, disaggregated, predicted",
        "Frontier, aggregated on the same GPUs, predicted",
        "Frontiers of the shipped points",
        "Value of disaggregated serving",
    ):
        assert title in out
    assert "tok/s/rented GPU" in out and "unmeasured workers" in out
    assert "wait long" not in out and "default limit" not in out


@pytest.mark.slow
def test_a_search_without_a_limit_of_ttft_has_one_that_can_be_lifted(call):
    code, out, _ = call(f"predict {R1} --disaggregated auto --gpus 8 --slo interactivity=20 --top 1")
    assert code == 0 and "within ttft=5s,interactivity=20" in out and "ttft=5s is the default limit" in out
    code, out, _ = call(f"predict {R1} --disaggregated auto --gpus 8 --slo ttft=none --top 1")
    assert code == 0 and "no limits" in out and "wait long for prefill" in out


@pytest.mark.slow
def test_the_best_layouts_as_json(call):
    code, out, _ = call(f"predict {R1} --disaggregated AUTO --gpus 12 --concurrency 32 --top 2 --json")
    answer = json.loads(out)
    assert code == 0 and len(answer["best"]) == 2 and answer["layouts"] > 10
    assert {b["row"]["concurrency"] for b in answer["best"]} == {32}


def test_an_explanation_as_a_table_and_as_json(call):
    code, out, _ = call(f"explain {R1} {LAYOUT} --concurrency 1024")
    assert code == 0
    assert "16,384 batched tokens per rank (most public recipes)" in out and "Settings at decode: KV cache fp8" in out
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
        (f"predict {R1} {LAYOUT} --rent 3 --rent 4", "the rent of every accelerator is stated twice"),
        (f"predict {R1} {LAYOUT} --slo e2e_p99=30s", "is predicted as medians"),
        (f"predict {R1} {LAYOUT} --plot -", "--plot is '-'; end the file name in .svg or .html"),
        (f"predict {R1} {LAYOUT} --plot x.txt", "end the file name in .svg or .html"),
        (f"predict {R1} {LAYOUT} --out o.txt", "--out is 'o.txt'; end the file name in .parquet or .csv"),
        (f"predict {R1} --tp 8 --out o.txt", "end the file name in .parquet or .csv"),
        ("predict --in x.csv --out o.parquet", "--in writes a CSV"),
        (f"predict {R1} {LAYOUT} --speculative=", "--speculative is empty"),
        (f"predict {UNPLACED} --disaggregated 4xDEP4@GB200+1xDEP32", "--accelerator is missing"),
        (f"explain {R1} --tp 8 --plot x.svg", "end the file name in .html"),
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
