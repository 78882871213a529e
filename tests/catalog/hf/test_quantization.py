"""Bytes of each part of a checkpoint, by every tool's own words."""

from __future__ import annotations

import pytest

from paretoken.catalog.entries import Checkpoint
from paretoken.catalog.loader import load_catalog
from paretoken.predict.memory import weight_bytes
from tests.catalog.hf.test_configs import CONFIGS, read

LLAMA, LARGE = CONFIGS["llama-3.1-8b"], CONFIGS["llama-3.1-405b"]
QWEN, SEEK, HYBRID = CONFIGS["qwen3-30b-a3b"], CONFIGS["deepseek-r1"], CONFIGS["qwen3.5-122b-a10b"]
FP4 = 0.5 + 1 / 16
GROUP = {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "int", "strategy": "channel"}}}


def with_(keys, **quantization):
    return read({**keys, "quantization_config": quantization})


def group(**weights):
    return {"quant_method": "compressed-tensors", "config_groups": {"g": {"targets": ["Linear"], "weights": weights}}}


FORMATS = {
    "fp8 by blocks": ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8", 1 + 4 / 128**2),
    "fp8 dynamic": ({"quant_method": "fp8", "activation_scheme": "dynamic"}, "fp8", 1.0),
    "compressed-tensors fp8": (group(num_bits=8, type="float", strategy="channel"), "fp8", 1.0),
    "compressed-tensors w8a8": ({"quant_method": "compressed-tensors", "config_groups": GROUP}, "int8", 1.0),
    "compressed-tensors w4a16": (group(num_bits=4, type="int", group_size=128, symmetric=True), "int4", 0.5 + 2 / 128),
    "compressed-tensors with zeros": (
        group(num_bits=4, type="int", group_size=64, symmetric=False),
        "int4",
        0.5 + 2.5 / 64,
    ),
    "compressed-tensors nvfp4": (group(num_bits=4, type="float", group_size=16), "fp4", FP4),
    "compressed-tensors mxfp4": (group(num_bits=4, type="float", group_size=32), "fp4", 0.5 + 1 / 32),
    "awq": ({"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}, "int4", 0.5 + 2.5 / 128),
    "gptq": ({"quant_method": "gptq", "bits": 4, "group_size": 32, "sym": True}, "int4", 0.5 + 2 / 32),
    "gptq of eight bits": ({"quant_method": "gptq", "bits": 8, "group_size": -1, "sym": True}, "int8", 1.0),
    "bitsandbytes nf4": ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "int4", 0.5 + 4 / 64),
    "bitsandbytes int8": ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "int8", 1.0),
    "hqq": (
        {"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 4, "group_size": 64}}},
        "int4",
        0.5 + 2 / 64,
    ),
    "torchao": ({"quant_method": "torchao", "quant_type": "float8_dynamic"}, "fp8", 1.0),
    "modelopt fp8": ({"quant_method": "modelopt", "quant_algo": "FP8"}, "fp8", 1.0),
    "modelopt nvfp4": ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "fp4", FP4),
    "quark fp8": ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp8_e4m3"}}}, "fp8", 1.0),
    "quark mxfp4": (
        {"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp4"}}},
        "fp4",
        0.5 + 1 / 32,
    ),
}


@pytest.mark.parametrize(("quantization", "precision", "size"), FORMATS.values(), ids=FORMATS)
def test_bytes_of_a_weight(quantization, precision, size):
    model = read({**LLAMA, "quantization_config": quantization})
    assert model.native_precision == precision
    assert model.checkpoint.attention == model.checkpoint.dense == pytest.approx(size)
    assert model.checkpoint.head == 2.0


def test_without_quantisation_the_type_of_the_weights_counts():
    assert read(LLAMA).checkpoint is None
    assert read({**LLAMA, "torch_dtype": "float32"}).native_precision == "fp32"


def test_modules_that_are_not_converted_by_their_names():
    """Attention and two layers in BF16: the FP8 copy of Llama 3.1 405B."""
    kept = [f"model.layers.{i}.self_attn.{p}_proj" for i in range(126) for p in "qkvo"]
    kept += [f"model.layers.{i}.mlp.{p}_proj" for i in (0, 125) for p in ("gate", "up", "down")]
    model = with_(LARGE, quant_method="fbgemm_fp8", modules_to_not_convert=kept)
    assert model.native_precision == "fp8"
    assert model.checkpoint == Checkpoint(attention=2.0, dense=(124 + 2 * 2) / 126, experts=2.0, head=2.0)
    assert weight_bytes(model, "fp8") / 8 / 2**30 == pytest.approx(56.8, rel=0.01)
    assert weight_bytes(model, "bf16") == pytest.approx(weight_bytes(load_catalog().models["llama-3.1-405b"], "bf16"))


@pytest.mark.parametrize(
    "ignore",
    [
        ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*", r"re:.*mlp\.(gate|up|gate_up|down)_proj.*"],
        ["lm_head", "*self_attn*", "*.mlp.shared_experts.*", "model.layers.0*", "model.layers.1.*", "model.layers.2.*"],
        ["self_attn", "shared_experts", *(f"model.layers.{i}.mlp" for i in range(3))],
    ],
    ids=["patterns", "globs", "words"],
)
def test_lists_of_modules_in_every_form(ignore):
    model = with_(SEEK, **group(num_bits=4, type="int", group_size=32, symmetric=True), ignore=ignore)
    assert (model.native_precision, model.dense_precision) == ("int4", {"int4": "bf16"})
    assert model.checkpoint == Checkpoint(attention=2.0, dense=2.0, experts=0.5 + 2 / 32, head=2.0)


def test_only_experts_in_mxfp4():
    kept = ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]
    model = with_(CONFIGS["gpt-oss-120b"], quant_method="mxfp4", modules_to_not_convert=kept)
    assert (model.native_precision, model.dense_precision) == ("fp4", {"fp4": "bf16"})
    assert weight_bytes(model, "fp4") / 1e9 == pytest.approx(65.2, rel=0.01)


def test_linear_attention_goes_by_its_own_name():
    ignore = ["lm_head", *(f"model.language_model.layers.{i}.linear_attn*" for i in range(48))]
    checkpoint = with_(HYBRID, quant_algo="NVFP4", ignore=ignore).checkpoint
    assert checkpoint.experts == pytest.approx(FP4)
    assert FP4 < checkpoint.attention < 2.0


def test_blocks_have_numbers_of_their_own():
    """Block 5 of the pattern is attention, block 4 a Mamba layer; both are mixers."""
    model = with_(
        CONFIGS["nemotron-3-nano-30b-a3b"], quant_algo="NVFP4", exclude_modules=["backbone.layers.5.mixer.q_proj"]
    )
    q, mixers = 2688 * 4096, model.attention_params_per_layer_m * 1e6 * 29
    assert model.checkpoint.attention == pytest.approx(FP4 + (2 - FP4) * q / mixers)


def test_mixed_checkpoints_list_their_layers():
    layers = {f"model.layers.{i}.mlp.experts": {"quant_algo": "NVFP4"} for i in range(48)}
    layers |= {f"model.layers.{i}.self_attn.o_proj": {"quant_algo": "FP8"} for i in range(48)}
    model = with_(QWEN, quant_method="modelopt", quant_algo="MIXED_PRECISION", quantized_layers=layers)
    assert model.checkpoint.experts == pytest.approx(FP4)
    assert model.checkpoint.attention == pytest.approx(2 - 1 * (32 / (32 + 32 + 4 + 4)))


def test_the_file_beside_the_config_counts():
    beside = {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8"}}
    model = read(LLAMA, quantization=beside)
    assert (model.native_precision, model.checkpoint_kv_dtype) == ("fp4", "fp8")


@pytest.mark.parametrize(
    ("keys", "dtype"),
    [
        ({"kv_cache_scheme": {"num_bits": 8, "type": "float", "dynamic": False}}, "fp8"),
        ({"kv_cache_scheme": "FP8"}, "fp8"),
        ({"kv_cache_quant_algo": "NVFP4"}, "fp4"),
        ({"kv_cache_quant_algo": None}, None),
        ({"kv_cache_scheme": None}, None),
    ],
)
def test_the_cache_has_the_type_that_the_checkpoint_asks_for(keys, dtype):
    assert with_(LLAMA, quant_method="modelopt", quant_algo="FP8", **keys).checkpoint_kv_dtype == dtype


def test_the_size_of_all_files_makes_up_for_what_the_shapes_leave_out():
    model = with_(LLAMA, quant_method="fp8")
    larger = read({**LLAMA, "quantization_config": {"quant_method": "fp8"}}, total_bytes=9_980_000_000)
    assert weight_bytes(model, "fp8") == pytest.approx(9.08e9, rel=0.001)
    assert weight_bytes(larger, "fp8") == pytest.approx(9.98e9)
    assert "1.10 times" in larger.assumed[0]


def test_a_tool_that_nobody_knows_is_named():
    model = with_(LLAMA, quant_method="zorgquant", bits=4)
    assert model.native_precision == "int4"
    assert model.assumed == ("the quantisation 'zorgquant' is unknown: weights are taken as integers of 4 bits",)


def test_what_no_key_tells_is_assumed_in_words():
    model = with_(LLAMA, quant_method="newest")
    assert model.checkpoint.dense == 2.0
    assert model.assumed == ("the quantisation 'newest' leaves weights as they are: no key gives its bits",)


def test_a_pattern_that_could_take_forever_is_not_tried():
    model = with_(LLAMA, quant_method="fp8", ignore=["re:(.*)*(.*)*x", "re:((("])
    assert model.checkpoint.dense == 1.0
    assert len(model.assumed) == 2
