"""Precisions as engines and people write them, and as the names of models state them."""

from __future__ import annotations

import pytest

from paretoken.catalog.names import PRECISIONS, agreed_precision, precision_id, precision_of
from paretoken.errors import BadConfig


@pytest.mark.parametrize(
    ("written", "id_"),
    [
        ("FP8", "fp8"),
        (" fp8_e4m3 ", "fp8"),
        ("fp8_e4m3fnuz", "fp8"),
        ("mxfp8", "fp8"),
        ("fp16", "bf16"),
        ("float16", "bf16"),
        ("bfloat16", "bf16"),
        ("MXFP4", "fp4"),
        ("nvfp4", "fp4"),
        ("AWQ", "int4"),
        ("fp32", "fp32"),
        ("fp5", "fp5"),
        ("", ""),
        ("w8a8", "int8"),
        ("W8A8-INT8", "int8"),
        ("modelopt", "fp8"),
        ("modelopt_fp4", "fp4"),
        ("NVFP4", "fp4"),
        ("mxfp4", "fp4"),
        ("awq_marlin", "int4"),
        ("gptq_marlin", "int4"),
        ("w4a16", "int4"),
        ("fbgemm_fp8", "fp8"),
        ("fp8_e5m2", "fp8"),
        ("float8_e4m3fn", "fp8"),
    ],
)
def test_precision_as_it_is_written(written, id_):
    assert precision_id(written) == id_


@pytest.mark.parametrize("word", PRECISIONS)
def test_a_word_of_the_catalog_stays(word):
    assert precision_id(word) == word


@pytest.mark.parametrize("spelling", ["FP8", "fp8_e4m3"])
def test_a_command_takes_any_spelling(run, spelling):
    line = (
        "predict --model llama-3-70b --engine vllm --accelerator nvidia-h100 --isl 1024 --osl 1024 --json --precision"
    )
    plain, spelt = run(*line.split(), "fp8"), run(*line.split(), spelling)
    assert spelt.code == 0, spelt.err
    assert spelt.out == plain.out


@pytest.mark.parametrize(
    ("model", "precision"),
    [
        ("Qwen/Qwen3-8B-FP8", "fp8"),
        ("nvidia/DeepSeek-R1-FP4", "fp4"),
        ("acme/model-AWQ", "int4"),
        ("acme/model-bf16/", "bf16"),
        ("acme/half-model", None),
        ("Qwen/Qwen3-8B", None),
        ("acme/model-w8a8", None),
        ("", None),
        ("amd/gpt-oss-120b-w-mxfp4-a-fp8", "fp4"),
        ("acme/model-NVFP4-KV-FP8", "fp4"),
        ("acme/model-INT4-AWQ-FP8-KV", "int4"),
        ("acme/model-AWQ-FP8-KV", "int4"),
        ("acme/model-W4A8-FP8", "int4"),
        ("acme/model-NVFP4A16", "fp4"),
        ("acme/model-WFP8AFP8", "fp8"),
        ("amd/Llama-3.1-405B-Instruct-WMXFP4-AMXFP4-KVFP8-Scale-UINT8-MLPerf-GPTQ", "fp4"),
        ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int8", "int8"),
        ("acme/model-FP8-KV", "fp8"),
        ("acme/model-FP8-NVFP4", None),
        ("acme/model-w8a8-int8-bf16", None),
    ],
)
def test_the_precision_that_a_name_states(model, precision):
    assert precision_of(model) == precision


def test_a_tool_is_no_precision(run):
    line = "predict --model llama-3-70b --engine vllm --accelerator h100 --tp 8 --isl 1024 --osl 1024 --precision"
    done = run(*line.split(), "compressed-tensors")
    assert done.code == 2
    assert "names a tool, not a precision; give the checkpoint as --model" in done.err


@pytest.mark.parametrize(
    ("precision", "words"),
    {
        "fp32": "float32 fp32",
        "bf16": "bf16 BF16 bfloat16 torch.bfloat16 fp16 float16 torch.float16 half bf-16",
        "fp8": "fp8 FP8 FP-8 float8 e4m3 fp8_e4m3 fp8_e4m3fn fp8_e5m2 fp8_w8a8 w8a8_fp8 fp8_per_tensor fp8-dynamic "
        "fp8_block FP8-KV mxfp8 modelopt modelopt_fp8 fbgemm_fp8 ptpc_fp8 quark_fp8",
        "int8": "int8 INT8 int-8 w8a8 w8a8_int8 int8_wo experts_int8 tpu_int8 8bit 8-bit",
        "fp4": "fp4 FP4 nvfp4 NVFP4 mxfp4 MXFP4 petit_nvfp4 modelopt_fp4 mxfp4_moe nvfp4_awq w4a4 "
        "nvfp4a16 MXFP4A8 wfp4afp4",
        "int4": "int4 INT4 awq AWQ gptq awq_marlin gptq_marlin w4a16 W4A16_ASYM w4a8 w4afp8 int4a16 moe_wna16 int4_awq "
        "nf4 4bit bitsandbytes-4bit",
    }.items(),
)
def test_precisions_of_every_engine(precision, words):
    assert {word: precision_id(word) for word in words.split()} == dict.fromkeys(words.split(), precision)


@pytest.mark.parametrize(
    "word", ["fp6", "mxfp6", "q4_k_m", "gguf", "auto", "quark", "fp", "bit", "16", "kv", "dynamic"]
)
def test_other_words_are_no_precision(word):
    assert precision_id(word) not in PRECISIONS


def test_a_precision_that_contradicts_the_name_is_refused():
    assert agreed_precision("nvidia/DeepSeek-R1-FP4", "NVFP4") == "fp4"
    assert agreed_precision("unsloth/gpt-oss-120b-BF16", "fp8") == "fp8"  # quantised by the engine, at its start
    assert agreed_precision("my-fp8-model", "weird") == "weird"
    with pytest.raises(BadConfig, match="says fp4, but the precision is fp8; give one of them"):
        agreed_precision("nvidia/DeepSeek-R1-FP4", "fp8")
