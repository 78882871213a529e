"""One entry, many spellings: drivers, clouds and model hubs each write a name their own way."""

from __future__ import annotations

import pytest

from paretoken.catalog.names import PRECISIONS, checkpoint_names, precision_id
from paretoken.errors import UnknownName


@pytest.mark.parametrize(
    ("written", "id_"),
    [
        ("NVIDIA H200", "H200"),
        ("nvidia-h100", "H100"),
        ("NVIDIA-H100-80GB-HBM3", "H100"),
        ("h100_sxm", "H100"),
        ("NVIDIA H100 NVL", "H100-NVL"),
        ("NVIDIA GeForce RTX 4090", "RTX-4090"),
        ("AMD Instinct MI300X", "MI300X"),
        ("AMD Instinct MI300X OAM", "MI300X"),
        ("mi355", "MI355X"),
        ("gb200-nvl72", "GB200"),
        ("GB300", "GB300"),
    ],
)
def test_an_accelerator_by_the_name_of_its_driver_or_cloud(catalog, written, id_):
    assert catalog.accelerators.id_of(written) == id_


@pytest.mark.parametrize("written", ["", "NVIDIA", "mi300", "NVIDIA H100 PCIe", "H200 NVL", "A100-SXM4-40GB"])
def test_another_accelerator_is_not_taken_for_it(catalog, written):
    """Cards with other memory or power stay unknown rather than pass for their namesake."""
    with pytest.raises(UnknownName):
        catalog.accelerators.id_of(written)


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
    ],
)
def test_a_model_by_the_name_of_its_checkpoint(catalog, written, id_):
    assert catalog.models.id_of(written) == id_


def test_a_checkpoint_ends_without_words_on_its_precision():
    assert list(checkpoint_names("amd/Llama-3.1-8B-Instruct-FP8-KV/"))[-1] == "llama-3.1-8b"
    assert list(checkpoint_names("")) == [""]


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
