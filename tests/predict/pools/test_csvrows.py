"""Disaggregated rows of a CSV of configurations."""

from __future__ import annotations

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.predict.calibration.file import shipped_calibration
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.pools.csvrows import is_pooled, predict_pool_rows
from paretoken.predict.pools.layout import parse_layout, pooled_case, prefilling
from paretoken.predict.pools.predictor import predict_pools
from paretoken.predict.rows import new_kinds

CATALOG = load_catalog()
ROW = {
    "accelerator": "GB200",
    "n_gpus": "48",
    "model": "deepseek-r1",
    "precision": "fp4",
    "engine": "dynamo-trtllm",
    "tp": "32",
    "ep": "32",
    "dp_attention": "true",
    "isl": "8192",
    "osl": "1024",
    "concurrency": "256",
    "prefill_workers": "4",
    "prefill_tp": "4",
    "prefill_ep": "4",
    "prefill_dp_attention": "true",
    "decode_workers": "1",
    "prefill_gpus": "16",
    "decode_gpus": "32",
}
EMPTY = {name: "" for name in ROW if name.startswith(("prefill", "decode"))}


def row(**changed):
    (figures,) = predict_pool_rows([ROW | changed], calibration=shipped_calibration(), catalog=CATALOG)
    return figures


def test_a_row_is_the_layout_that_it_states():
    one = Deployment(accelerator="GB200", model="deepseek-r1", precision="fp4", engine="trtllm", gpus=1, tp=1)
    pools = parse_layout("4xDEP4+1xDEP32", prefilling(one), one, "dynamo-trtllm")
    predictions = predict_pools([pooled_case(pools, Lengths(8192, 1024, 0.8), 256)])
    figures = row()
    assert figures["status"] == "ok"
    assert figures["total_tput_per_gpu_tok_s"] == pytest.approx(predictions.total_tput_per_gpu[0])
    assert figures["median_tpot_ms"] == pytest.approx(predictions.state.tpot_s[0] * 1e3)
    assert figures["p99_ttft_ms"] is None


def test_gpus_follow_from_the_parallelism():
    assert row(n_gpus="", prefill_gpus="", decode_gpus="") == row()
    assert row(engine="trtllm") == row()


def test_pools_of_two_accelerators():
    of_h200 = {"prefill_gpus": "32", "prefill_tp": "8", "prefill_ep": "8"}
    mixed = row(accelerator="H200+GB200", engine="sglang", precision="fp8", n_gpus="", **of_h200)
    assert mixed["status"] == "ok" and mixed["median_ttft_ms"] > 0


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"n_gpus": "40"}, "n_gpus is 40, but the pools of 4xDEP4+1xDEP32 have 16 and 32 GPUs"),
        ({"prefill_gpus": "18"}, "which its 4 workers cannot share evenly"),
        ({"prefill_workers": "x"}, "column prefill_workers holds 'x'"),
        ({"prefill_workers": "0"}, "column prefill_workers holds '0'; write a whole number from 1"),
        ({"prefill_tp": "0"}, "column tp holds '0'"),
        ({"prefill_workers": "nan"}, "column prefill_workers holds 'nan'"),
        ({"decode_workers": "inf"}, "column decode_workers holds 'inf'"),
        ({"decode_workers": "1.5"}, "column decode_workers holds '1.5'"),
        ({"engine": "mori-sglang"}, "does not serve disaggregated on NVIDIA"),
        ({"osl": "1"}, "osl is 1"),
        ({"model": "nothing"}, "unknown model"),
        (EMPTY | {"disaggregated": "true"}, "no column states the pools"),
    ],
)
def test_a_wrong_row_says_why(changed, words):
    figures = row(**changed)
    assert words in figures["status"] and figures["total_tput_per_gpu_tok_s"] is None


def test_a_known_layout_at_a_new_load_is_not_new():
    assert new_kinds(("load",)) == []
    assert new_kinds(("configuration", "cell")) == ["configuration", "cell"]


def test_rows_of_one_pool_are_told_apart():
    plain = {k: v for k, v in ROW.items() if not k.startswith(("prefill", "decode"))}
    assert is_pooled(ROW) and not is_pooled(plain)
    assert is_pooled(plain | {"decode_workers": "2"}) and is_pooled(plain | {"disaggregated": "True"})
