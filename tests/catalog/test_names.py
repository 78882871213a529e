"""One entry, many spellings: drivers, clouds and model hubs each write a name their own way."""

from __future__ import annotations

import pytest

from paretoken.catalog.names import (
    PRECISIONS,
    agreed_precision,
    checkpoint_names,
    joined,
    precision_id,
    precision_of,
    resembles,
)
from paretoken.errors import BadConfig, UnknownName


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


@pytest.mark.parametrize(
    ("written", "near"),
    [
        ("NVIDIA H100 PCIe", "a board with other memory, speed or power than H100 SXM; use H100 or H100-NVL"),
        ("NVIDIA H100 80GB HBM2e", "use H100 or H100-NVL"),
        ("H200 NVL", "other memory, speed or power than H200 SXM; use H200"),
        ("NVIDIA H20-3e", "use H20"),
        ("NVIDIA A100-SXM4-40GB", "than A100 SXM 80GB; use A100"),
        ("nvidia-tesla-a100", "than A100 SXM 80GB; use A100"),
        ("GB200 NVL4", "than GB200 NVL72; use GB200"),
        ("AMD Instinct MI300X HF", "than MI300X; use MI300X"),
        ("AMD Instinct MI308X", "did you mean MI350X or MI300X"),
        ("NVIDIA H800", "did you mean H200 or H100"),
        ("AMD Instinct MI250X / MI250", "shared by MI250X and MI250"),
        ("MI350", "shared by MI350X and MI355X"),
        ("MI250", "did you mean MI250X"),
    ],
)
def test_another_board_is_refused_with_the_nearest(catalog, written, near):
    with pytest.raises(UnknownName) as error:
        catalog.accelerators.id_of(written)
    assert near in str(error.value)


@pytest.mark.parametrize(
    ("written", "id_"),
    [
        ("mi325", "MI325X"),
        ("mi455", "MI455X"),
        ("mi 355 x", "MI355X"),
        ("h100sxm", "H100"),
        ("H100-80GB-HBM3", "H100"),
        ("NVIDIA-B200", "B200"),
        ("nvidia-h100-mega-80gb", "H100"),
        ("nvidia-h200-141gb", "H200"),
        ("B200 192GB", "B200"),
        ("DGX B200", "B200"),
        ("GB300 NVL72", "GB300"),
        ("H20", "H20"),
        ("H100 NVL", "H100-NVL"),
    ],
)
def test_names_of_clouds_and_of_people(catalog, written, id_):
    assert catalog.accelerators.id_of(written) == id_


@pytest.mark.parametrize(
    ("precision", "words"),
    {
        "fp32": "float32 fp32",
        "bf16": "bf16 BF16 bfloat16 torch.bfloat16 fp16 float16 torch.float16 half bf-16",
        "fp8": "fp8 FP8 FP-8 float8 e4m3 fp8_e4m3 fp8_e4m3fn fp8_e5m2 fp8_w8a8 w8a8_fp8 fp8_per_tensor fp8-dynamic "
        "fp8_block FP8-KV mxfp8 modelopt modelopt_fp8 fbgemm_fp8 ptpc_fp8 quark_fp8",
        "int8": "int8 INT8 int-8 w8a8 w8a8_int8 int8_wo experts_int8 tpu_int8 8bit 8-bit",
        "fp4": "fp4 FP4 nvfp4 NVFP4 mxfp4 MXFP4 petit_nvfp4 modelopt_fp4 mxfp4_moe nvfp4_awq w4a4",
        "int4": "int4 INT4 awq AWQ gptq awq_marlin gptq_marlin w4a16 W4A16_ASYM w4a8 w4afp8 moe_wna16 int4_awq nf4 "
        "4bit bitsandbytes-4bit",
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
