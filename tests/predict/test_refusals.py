"""Deployments that no server would start, and rows of a CSV that cannot be predicted: one sentence each."""

from __future__ import annotations

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadFile
from paretoken.predict.csvfile import predict_rows, read_rows

CATALOG = load_catalog()
NAMES = ("accelerator", "n_gpus", "model", "precision", "engine", "tp", "ep", "isl", "osl", "concurrency")
ROW = dict(zip(NAMES, ("H200", "4", "llama-3-70b", "fp8", "vllm", "4", "1", "1024", "1024", "16"), strict=True))
DEPLOYED = "--accelerator H200 --model llama-3-70b --precision fp8 --engine vllm --tp 4"
LENGTHS = "--isl 1024 --osl 1024"


def status(**changed: str) -> object:
    return predict_rows([ROW | changed], catalog=CATALOG)[0]["status"]


@pytest.mark.parametrize(
    "line",
    [
        f"predict {DEPLOYED} {LENGTHS} --concurrency 4 --max-model-len 2000",
        f"explain {DEPLOYED} {LENGTHS} --concurrency 4 --context 2000",
        f"emulate {DEPLOYED} {LENGTHS} --context 2000",
        f"predict --accelerator H200 {LENGTHS} --serve-command @serve.sh",
    ],
)
def test_requests_longer_than_the_server_takes_are_refused(call, line, tmp_path):
    (tmp_path / "serve.sh").write_text("vllm serve llama-3-70b -tp 4 --max-model-len 2000")
    code, _, err = call(line)
    assert code == 2
    assert "isl 1024 + osl 1024 = 2048 tokens exceed max_model_len, 2000" in err


def test_a_context_beyond_the_models_is_refused(call):
    code, _, err = call(f"predict {DEPLOYED} {LENGTHS} --max-model-len 2000000")
    assert code == 2
    assert "max_model_len is 2,000,000, more than the context of llama-3-70b, 131,072 tokens" in err


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
        ({"kv_tokens": "900000000"}, "gpu_memory_utilization of the server"),
    ],
)
def test_one_row_that_cannot_be_leaves_the_others(changed, words):
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
    (tmp_path / "x.csv").write_text(f"{','.join(NAMES)},{column}\n{','.join(ROW.values())},1\n")
    with pytest.raises(BadFile, match=f"has the column '{column}', which is not read; did you mean '{nearest}'"):
        read_rows(tmp_path / "x.csv")


def test_columns_of_the_users_own_are_kept(tmp_path):
    (tmp_path / "x.csv").write_text(f"{','.join(NAMES)},rate,note,update,price\n{','.join(ROW.values())},1,2,3,4\n")
    assert read_rows(tmp_path / "x.csv")[0]["rate"] == "1"
