"""One entry, many spellings: drivers, clouds and model hubs each write a name their own way."""

from __future__ import annotations

import pytest

from paretoken.catalog.names import PRECISIONS, checkpoint_names, precision_id, precision_of, resembles
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
    ("written", "id_"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1b2c)", "H100"),
        ("NVIDIA Corporation GH100 [H100 SXM5 80GB] (rev a1)", "H100"),
        ("HGX H100", "H100"),
        ("NVIDIA H200 141GB HBM3e", "H200"),
        ("NVIDIA B200", "B200"),
        ("NVIDIA B300 SXM6 AC", "B300"),
        ("NVIDIA GB200", "GB200"),
        ("NVIDIA GB300 NVL72", "GB300"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA GH200 480GB", "GH200"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX-PRO-6000"),
        ("NVIDIA GB10", "DGX-Spark"),
        ("AMD Instinct MI300X VF", "MI300X"),
        ("MI300X-O", "MI300X"),
        ("Advanced Micro Devices, Inc. [AMD/ATI] Aqua Vanjaram [Instinct MI300X]", "MI300X"),
        ("AMD Instinct MI325X", "MI325X"),
        ("AMD INSTINCT MI355X OAM", "MI355X"),
        ("TPU v5 lite", "TPUv5e"),
        ("Intel Gaudi 3", "Gaudi3"),
        ("trn2", "Trainium2"),
    ],
)
def test_product_names_of_drivers_and_tools(catalog, written, id_):
    assert catalog.accelerators.id_or_new(written) == id_


@pytest.mark.parametrize(
    "written",
    [
        "NVIDIA H100 PCIe",
        "NVIDIA H100 80GB HBM2e",
        "NVIDIA H100 80GB HBM3 MIG 1g.10gb",
        "NVIDIA H200 NVL",
        "NVIDIA A100-SXM4-40GB",
        "NVIDIA A100 80GB PCIe",
        "NVIDIA H800",
        "NVIDIA H20-3e",
        "NVIDIA L40",
        "NVIDIA B100",
        "NVIDIA GH200 144G HBM3e",
        "NVIDIA GB200 NVL4",
        "NVIDIA GeForce RTX 4090 D",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 3090",
        "NVIDIA RTX PRO 6000 Blackwell Workstation Edition",
        "AMD Instinct MI300A",
        "AMD Instinct MI308X",
        "Tesla V100-SXM2-32GB",
        "NVIDIA A10G",
    ],
)
def test_products_outside_the_catalog_keep_their_names(catalog, written):
    assert catalog.accelerators.id_or_new(written) == written


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("gfx942", "is shared by MI300X, MI325X and MI300A"),
        ("gfx950", "is shared by MI350X and MI355X"),
        ("MI300", "is shared by"),
        ("GH100", "is shared by"),
        ("AMD Radeon Graphics", "a driver prints this"),
        ("NVIDIA Graphics Device", "a driver prints this"),
        ("8xH100", "the number of GPUs, 8, separately"),
        ("NVIDIA H100 80GB HBM3 x8", "the number of GPUs, 8, separately"),
        ("M300X", "did you mean MI300X"),
        ("H10O", "did you mean H100"),
        ("", "known: "),
    ],
)
def test_names_that_are_asked_about(catalog, written, why):
    with pytest.raises(UnknownName, match=why):
        catalog.accelerators.id_or_new(written)


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
    ],
)
def test_the_precision_that_a_name_states(model, precision):
    assert precision_of(model) == precision


def test_a_tool_is_no_precision(run):
    line = "predict --model llama-3-70b --engine vllm --accelerator h100 --tp 8 --isl 1024 --osl 1024 --precision"
    done = run(*line.split(), "compressed-tensors")
    assert done.code == 2
    assert "names a tool, not a precision; give the checkpoint as --model" in done.err
