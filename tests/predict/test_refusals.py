"""Deployments that no server would start, and rows of a CSV that cannot be predicted: one sentence for each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadFile
from paretoken.predict.csvfile import predict_rows, read_rows
from tests.support.configurations import ROW, assert_refused

CATALOG = load_catalog()
DEPLOYED = "--accelerator H200 --model llama-3-70b --precision fp8 --engine vllm --tp 4"
LENGTHS = "--isl 1024 --osl 1024"


def status(**changed: str) -> object:
    return predict_rows([ROW | changed], catalog=CATALOG)[0]["status"]


@pytest.mark.parametrize(
    "line",
    [
        f"predict {DEPLOYED} {LENGTHS} --concurrency 4 --max-model-len 2000",
        f"explain {DEPLOYED} {LENGTHS} --concurrency 4 --max-model-len 2000",
        f"emulate {DEPLOYED} {LENGTHS} --max-model-len 2000",
        f"predict --accelerator H200 {LENGTHS} --serve-command @serve.sh",
    ],
)
def test_requests_longer_than_the_server_takes_are_refused(call, line, tmp_path):
    (tmp_path / "serve.sh").write_text("vllm serve llama-3-70b -tp 4 --max-model-len 2000")
    assert_refused(call, line, "isl 1024 + osl 1024 = 2048 tokens exceed max_model_len, 2000")


def test_a_count_that_no_engine_takes_is_refused(call):
    line = f"predict {DEPLOYED} {LENGTHS} --max-num-seqs 20000000000"
    assert_refused(call, line, "max_num_seqs is 20,000,000,000; it must not be above 1,000,000,000")


def test_a_context_beyond_the_models_is_refused(call):
    line = f"predict {DEPLOYED} {LENGTHS} --max-model-len 2000000"
    assert_refused(call, line, "max_model_len is 2,000,000, more than the context of llama-3-70b, 131,072 tokens")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"max_model_len": "2047"}, "exceed max_model_len, 2047"),
        ({"max_model_len": "2000000"}, "more than the context"),
        ({"accelerator": "DGX-Spark", "n_gpus": "1", "tp": "1"}, "no source states its dense BF16 rate"),
        ({"date": "2026-05-01..2026-02-01"}, "write a period"),
        ({"date": "2026-02-01..2026-03-01..2026-04-01"}, "write a period"),
        ({"date": "2020-02-01..2026-05-01"}, "was released"),
        ({"cp": "3"}, "cp 3 does not divide the 4 GPUs"),
        ({"weights_gb": "1"}, "weights_gb is 1, but llama-3-70b in fp8 has 72.65 GB"),
        (
            {"weights_gb": "1000000"},
            "weights_gb is 1,000,000, but llama-3-70b in fp8 has 72.65 GB of weights",
        ),
        ({"gpu_memory_utilization": "0.02"}, "gpu_memory_utilization 0.02 leaves too little; raise it"),
        ({"max_num_batched_tokens": "10000000"}, "max_num_batched_tokens 10000000 take the memory; lower it"),
        ({"kv_tokens": "900000000"}, "gpu_memory_utilization of the server"),
    ],
)
def test_a_row_that_cannot_be_predicted_leaves_the_others(changed, words):
    good, bad = predict_rows([ROW, ROW | changed], catalog=CATALOG)
    assert good["status"] == "ok"
    assert words in str(bad["status"])


def test_a_length_that_just_fits_is_predicted():
    assert status(max_model_len="2048") == "ok"
    assert status(cp="2") == "ok"


@pytest.mark.parametrize(
    ("column", "nearest"),
    [("kv_dtpye", "kv_dtype"), ("max_num_seq", "max_num_seqs"), ("KV-dtype", "kv_dtype"), ("weight_gb", "weights_gb")],
)
def test_a_misspelt_column_is_refused_with_the_one_it_is_near(tmp_path, column, nearest):
    (tmp_path / "x.csv").write_text(f"{','.join(ROW)},{column}\n{','.join(ROW.values())},1\n")
    with pytest.raises(BadFile, match=f"has the column '{column}', which is not read; did you mean '{nearest}'"):
        read_rows(tmp_path / "x.csv")


def test_columns_of_the_users_own_are_kept(tmp_path):
    (tmp_path / "x.csv").write_text(f"{','.join(ROW)},rate,note,update,price\n{','.join(ROW.values())},1,2,3,4\n")
    assert read_rows(tmp_path / "x.csv")[0]["rate"] == "1"


def test_redundant_experts_are_named_where_they_take_the_memory():
    experts = ROW | {"model": "deepseek-r1", "n_gpus": "8", "tp": "8"}
    good, bad = predict_rows([experts, experts | {"redundant_experts": "256"}], catalog=CATALOG)
    assert good["status"] == "ok"
    assert "256 redundant_experts take the memory" in str(bad["status"])


def test_what_changes_the_memory_alone_is_noted(call):
    _, out, _ = call(f"predict {DEPLOYED} {LENGTHS} --concurrency 4 --enforce-eager --weights-gb 75 --max-num-seqs 1")
    assert "--enforce-eager and --weights-gb change the memory for the KV cache, not the time of a step" in out
    assert "1 sequence," in out
    assert "Mean TTFT covers a whole run" in out
    _, out, _ = call(f"explain {DEPLOYED} {LENGTHS} --concurrency 4 --enforce-eager")
    assert "--enforce-eager changes the memory for the KV cache" in out
    _, out, _ = call(f"predict {DEPLOYED} {LENGTHS} --slo tpot=50ms")
    assert "not the time of a step" not in out and "Mean TTFT" not in out


def test_context_parallelism_without_effect_is_noted(call):
    _, out, _ = call(f"predict {DEPLOYED} {LENGTHS} --concurrency 4 --cp 2")
    assert "context parallel 2 (stated, without effect here)" in out
    latent = DEPLOYED.replace("llama-3-70b", "deepseek-r1").replace("--tp 4", "--tp 8")
    _, out, _ = call(f"predict {latent} {LENGTHS} --concurrency 4 --cp 2")
    assert "context parallel 2 (stated)" in out


def test_models_of_a_row_may_be_paths(tmp_path):
    """Rows of one file may name a model of the catalog and one of a folder; each keeps its own shapes."""
    config = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "num_hidden_layers": 20,
        "hidden_size": 2048,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "intermediate_size": 8192,
        "vocab_size": 64000,
        "max_position_embeddings": 8192,
        "torch_dtype": "bfloat16",
    }
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "config.json").write_text(json.dumps(config))
    own = ROW | {"model": str(tmp_path / "small"), "precision": "bf16"}
    first, small, absent, last = predict_rows([ROW, own, ROW | {"model": "/absent/model"}, ROW], catalog=CATALOG)
    assert first == last and first["status"] == small["status"] == "ok"
    assert float(small["median_tpot_ms"] or 0) < float(first["median_tpot_ms"] or 0)
    assert "does not exist" in str(absent["status"])


def test_an_unknown_model_is_one_short_sentence(call):
    code, _, err = call(f"predict {DEPLOYED.replace('llama-3-70b', 'zzqzz')} {LENGTHS}")
    assert code == 2 and len(err) < 600
    assert "and 5" in err and "org/name of the Hugging Face hub, a folder, or a config.json" in err


def test_a_device_is_no_csv():
    with pytest.raises(BadFile, match="/dev/zero is not a regular file"):
        read_rows(Path("/dev/zero"))
