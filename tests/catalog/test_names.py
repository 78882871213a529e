"""One entry, many spellings: drivers, clouds and model hubs each write a name their own way."""

from __future__ import annotations

import pytest

from paretoken.catalog.names import (
    agreed_precision,
    checkpoint_names,
    joined,
    precision_of,
    resembles,
)


@pytest.mark.parametrize(
    ("written", "id_"),
    [
        ("amd/Llama-3.1-8B-Instruct-FP8-KV", "llama-3.1-8b"),
        ("nvidia/Llama-3.3-70B-Instruct-FP8", "llama-3-70b"),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama-3-70b"),
        ("deepseek-ai/DeepSeek-R1-0528", "deepseek-r1"),
        ("amd/DeepSeek-R1-0528-MXFP4", "deepseek-r1"),
        ("openai/gpt-oss-120b", "gpt-oss-120b"),
        ("moonshotai/Kimi-K2-Thinking", "kimi-k2-thinking"),
        ("zai-org/GLM-4.7-FP8", "glm-4.5"),
        ("amd/gpt-oss-120b-w-mxfp4-a-fp8", "gpt-oss-120b"),
        ("RedHatAI/Llama-3.3-70B-Instruct-NVFP4A16", "llama-3-70b"),
        ("amd/DeepSeek-R1-WMXFP4-AMXFP4-Scale-UINT8-MoE-Quant", "deepseek-r1"),
    ],
)
def test_a_model_by_the_name_of_its_checkpoint(catalog, written, id_):
    assert catalog.models.id_of(written) == id_


def test_a_checkpoint_ends_without_words_on_its_precision():
    assert list(checkpoint_names("amd/Llama-3.1-8B-Instruct-FP8-KV/"))[-1] == "llama-3.1-8b"
    assert list(checkpoint_names("")) == [""]


@pytest.mark.parametrize(
    ("written", "meant", "same"),
    [
        ("lama-3-70b", "llama-3-70b", True),
        ("llama3-70b", "llama-3-70b", True),
        ("qwen3-23b", "qwen3-32b", True),
        ("qwen3-14b", "qwen3-4b", False),
        ("qwen3-vl-8b", "qwen3-8b", False),
        ("deepseek-v1", "deepseek-r1", False),
        ("lama-3-7b", "llama-3-70b", False),
    ],
)
def test_a_slip_has_the_same_digits_and_words(written, meant, same):
    assert resembles(written, meant) is same


@pytest.mark.parametrize(
    ("written", "id_", "precision"),
    [
        ("amd/Llama-3.1-70B-Instruct-FP8-KV", "llama-3-70b", "fp8"),
        ("amd/Llama-3.1-405B-Instruct-MXFP4-Preview", "llama-3.1-405b", "fp4"),
        ("nvidia/DeepSeek-R1-0528-FP4", "deepseek-r1", "fp4"),
        ("nvidia/DeepSeek-R1-NVFP4-v2", "deepseek-r1", "fp4"),
        ("meta-llama/Llama-3.1-405B-Instruct", "llama-3.1-405b", None),
        ("meta-llama/Meta-Llama-3-70B-Instruct", "llama-3-70b", None),
        ("RedHatAI/Meta-Llama-3.1-70B-Instruct-FP8-dynamic", "llama-3-70b", "fp8"),
        ("RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w8a8", "llama-3.1-8b", "int8"),
        ("RedHatAI/Meta-Llama-3.1-70B-Instruct-quantized.w4a16", "llama-3-70b", "int4"),
        ("hugging-quants/Meta-Llama-3.1-70B-Instruct-AWQ-INT4", "llama-3-70b", "int4"),
        ("unsloth/Meta-Llama-3.1-8B-Instruct-bnb-4bit", "llama-3.1-8b", "int4"),
        ("unsloth/gpt-oss-120b-BF16", "gpt-oss-120b", "bf16"),
        ("openai/gpt-oss-120b", "gpt-oss-120b", None),
        ("deepseek-ai/DeepSeek-V3.1", "deepseek-r1", None),
        ("deepseek-ai/DeepSeek-V3.1-Terminus", "deepseek-r1", None),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", "qwen3-235b-a22b-2507", "fp8"),
        ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4", "qwen2.5-7b", "int4"),
        ("zai-org/GLM-4.5-Air-FP8", "glm-4.5-air", "fp8"),
        ("Llama-3.1-Nemotron-70B-Instruct-HF", "llama-3-70b", None),
    ],
)
def test_a_hub_name_states_the_model_and_maybe_its_precision(catalog, written, id_, precision):
    assert (catalog.models.id_of(written), agreed_precision(written, None)) == (id_, precision)


@pytest.mark.parametrize(
    ("written", "id_"),
    [
        ("Llama 3.1 70B", "llama-3-70b"),
        ("llama3.1-70b", "llama-3-70b"),
        ("llama3.1:70b", "llama-3-70b"),
        ("Llama3-70B", "llama-3-70b"),
        ("llama_3_70b", "llama-3-70b"),
        ("deepseek r1", "deepseek-r1"),
        ("DeepSeekR1", "deepseek-r1"),
        ("dsv3", "deepseek-r1"),
        ("GPT OSS 120B", "gpt-oss-120b"),
        ("gptoss-120b", "gpt-oss-120b"),
        ("mixtral 8x7b", "mixtral-8x7b"),
    ],
)
def test_case_spaces_dashes_and_underscores_do_not_matter(catalog, written, id_):
    assert catalog.models.id_of(written) == id_


@pytest.mark.parametrize("written", ["qwen-34b", "llama-37-0b", "google/gemma-2-27b-it", "MiniMaxAI/MiniMax-M2"])
def test_another_model_is_not_taken_for_one_with_the_same_letters(catalog, written):
    assert catalog.models.find(written) is None


def test_no_two_models_have_one_name_without_separators(catalog):
    ids = {}
    for name, id_ in catalog.models.index.items():
        assert ids.setdefault(joined(name.rsplit("/", 1)[-1]), id_) == id_
    assert not [key for key in catalog.models if precision_of(key)]


LLAMA = "amd/Llama-3.1-70B-Instruct-FP8-KV"


@pytest.mark.parametrize(
    "line",
    [
        "compare --model {} --workload chat --e2e 20",
        "frontier --model {} --workload chat",
        "predict --model {} --accelerator MI300X --engine vllm --tp 8 --workload chat --concurrency 8",
        "fit {} --accelerator MI300X",
    ],
)
def test_every_verb_takes_the_precision_of_the_name(call, line):
    named = call(f"{line.format(LLAMA)} --json")
    option = call(f"{line.format('llama-3-70b')} --precision FP8 --json")
    other = call(f"{line.format(LLAMA)} --precision fp4 --json")
    assert named[0] == option[0] == 0, named[2] + option[2]
    assert named[1] == option[1]
    assert other[0] == 2
    assert "says fp8, but the precision is fp4" in other[2]


def test_a_history_takes_the_precision_of_the_name(call):
    named, option = call("history --model amd/DeepSeek-R1-MXFP4-Preview"), call("history --model dsr1 --precision FP4")
    assert named[0] == 0, named[2]
    assert named == option
