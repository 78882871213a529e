"""Counts of weights, operations and cached values against what makers state and what arithmetic gives."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.predict.columns import deployment_columns
from paretoken.predict.deployment import Deployment
from paretoken.predict.kernels import own_tflops
from paretoken.predict.memory import memory_parts, weight_bytes
from paretoken.predict.operations import dense_precision, operations, weight_bytes_by_part
from paretoken.predict.topology import link_bytes_per_s

CATALOG = load_catalog()


@pytest.mark.parametrize("name", list(CATALOG.models))
def test_weights_add_up_to_what_the_maker_states(name):
    model = CATALOG.models[name]
    assert operations(model).total_params == pytest.approx(model.params_total_b * 1e9, rel=0.025)


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("mixtral-8x22b", 39),
        ("qwen3-coder-480b-a35b", 35),
        ("qwen3.5-122b-a10b", 10),
        ("gemma-4-26b-a4b", 3.8),
        ("nemotron-3-nano-30b-a3b", 3.6),
        ("nemotron-3-super-120b-a12b", 12),
        ("nemotron-3-ultra-550b-a55b", 55),
        ("deepseek-v3.2", 37),
        ("deepseek-v4-flash", 13),
        ("kimi-k3", 104),
        ("mimo-v2-flash", 15),
    ],
)
def test_weights_that_a_token_passes_add_up_to_what_the_maker_states(name, billions):
    model, o = CATALOG.models[name], operations(CATALOG.models[name])
    passed = o.total_params - o.moe_layers * (o.experts - o.active_experts) * o.expert_params
    assert model.params_active_b == billions
    assert passed == pytest.approx(billions * 1e9, rel=0.06)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("llama-3-70b", 80 * 2 * 8 * 128),
        ("deepseek-r1", 61 * (512 + 64)),
        ("gpt-oss-120b", 36 * 2 * 8 * 64),
        ("qwen3.5-397b-a17b", 15 * 2 * 2 * 256),
        ("qwen3.5-27b", 16 * 2 * 4 * 256),
        ("kimi-k3", 24 * (512 + 64)),
        ("nemotron-3-super-120b-a12b", 8 * 2 * 2 * 128),
        ("gemma-4-31b", 10 * 2 * 4 * 512 + 50 * 2 * 16 * 256),
        ("mimo-v2-flash", 9 * 4 * (192 + 128) + 39 * 8 * (192 + 128)),
    ],
)
def test_cached_values_per_token(name, values):
    assert operations(CATALOG.models[name]).kv_values == values


def test_attention_pairs_of_llama_cost_four_times_the_width_in_each_layer():
    assert operations(CATALOG.models["llama-3-70b"]).pair_flops == 4 * 64 * 128 * 80


def test_windowed_layers_with_other_heads_have_their_own_shares_of_cache_and_pairs():
    o, n = operations(CATALOG.models["gemma-4-31b"]), 50 * 16 * 256
    assert o.windowed == pytest.approx(n / (n + 10 * 4 * 512))
    assert o.windowed_pairs == pytest.approx(50 * 256 / (50 * 256 + 10 * 512))
    assert o.pair_flops == 4 * 32 * (50 * 256 + 10 * 512)
    same = operations(CATALOG.models["gpt-oss-120b"])
    assert same.windowed == same.windowed_pairs == 0.5


def test_experts_of_a_latent_width_have_projections_around_them():
    model = CATALOG.models["nemotron-3-super-120b-a12b"]
    o, plain = (
        operations(m)
        for m in (model, model.model_copy(update={"moe": model.moe.model_copy(update={"latent_size": None})}))
    )
    assert o.expert_params == 2 * 1024 * 2688
    assert plain.expert_params == 2 * 4096 * 2688
    assert o.dense_params - plain.dense_params == 40 * 2 * 4096 * 1024


def test_an_embedding_shared_with_the_head_is_held_once_but_for_stages():
    def weights(pp, tied):
        model = CATALOG.models["qwen3-1.7b"].model_copy(update={"tied_embeddings": tied})
        catalog = replace(
            CATALOG, models=replace(CATALOG.models, entries={**CATALOG.models.entries, "qwen3-1.7b": model})
        )
        d = Deployment(accelerator="H200", model="qwen3-1.7b", precision="bf16", engine="vllm", gpus=pp, tp=1, pp=pp)
        return memory_parts(d, catalog).weight_bytes

    assert weights(1, False) - weights(1, True) == pytest.approx(2 * 2048 * 151936)
    assert weights(2, False) == weights(2, True)


def test_moe_models_in_four_bits_keep_the_rest_wider():
    assert dense_precision(CATALOG.models["gpt-oss-120b"], "fp4") == "bf16"
    assert dense_precision(CATALOG.models["deepseek-r1"], "fp4") == "fp8"
    assert dense_precision(CATALOG.models["llama-3-70b"], "fp4") == "fp4"


def test_tensor_parallelism_divides_grouped_caches_and_not_latent_ones():
    def cached(model, tp):
        d = Deployment(accelerator="H200", model=model, precision="fp8", engine="vllm", gpus=tp, tp=tp)
        return memory_parts(d, CATALOG).layout.sequence_bytes(1000)

    assert cached("llama-3-70b", 8) == pytest.approx(cached("llama-3-70b", 1) / 8)
    assert cached("deepseek-r1", 8) == pytest.approx(cached("deepseek-r1", 1))


def test_data_parallel_attention_splits_requests_and_repeats_weights():
    whole, split = (
        deployment_columns(
            [
                Deployment(
                    accelerator="H200",
                    model="deepseek-r1",
                    precision="fp8",
                    engine="sglang",
                    gpus=8,
                    tp=8,
                    ep=8,
                    dp_attention=dp,
                )
            ],
            CATALOG,
        )
        for dp in (False, True)
    )
    assert split.layout.attention_groups[0] == 8
    assert whole.layout.attention_groups[0] == 1
    assert split.memory.dense_weight_bytes[0] > whole.memory.dense_weight_bytes[0]


def test_a_mesh_gives_a_pair_a_seventh_and_a_switch_gives_it_all():
    amd, nvidia = CATALOG.accelerators["MI300X"], CATALOG.accelerators["H200"]
    assert link_bytes_per_s(amd, 2) == pytest.approx(amd.scaleup_gb_per_s * 1e9 / 7)
    assert link_bytes_per_s(amd, 8) == pytest.approx(amd.scaleup_gb_per_s * 1e9)
    assert link_bytes_per_s(nvidia, 2) == pytest.approx(nvidia.scaleup_gb_per_s * 1e9)


@pytest.mark.parametrize("model", ["llama-3-70b", "deepseek-r1", "gpt-oss-120b", "qwen3-1.7b"])
def test_weights_of_a_model_are_those_of_its_gpus(model):
    """Tied weights count once."""
    d = Deployment(accelerator="B300", model=model, precision="fp8", engine="vllm", gpus=1, tp=1)
    assert memory_parts(d, CATALOG).weight_bytes == pytest.approx(weight_bytes(CATALOG.models[model], "fp8"))


def test_an_indexer_has_weights_keys_and_work_of_its_own():
    o, dense = operations(CATALOG.models["deepseek-v3.2"]), operations(CATALOG.models["deepseek-r1"])
    assert o.index_params == 61 * (1536 * 64 * 128 + 7168 * (128 + 64))
    assert o.attention_params == dense.attention_params + o.index_params
    assert (o.index_values, o.index_flops) == (61 * 128, 61 * 2 * 64 * 128)
    assert (o.kv_values, o.topk, o.sparse) == (dense.kv_values, 2048, 1.0)
    shared = operations(CATALOG.models["glm-5.2"])
    assert shared.index_values == 21 * 128
    assert shared.sparse_layers == 78
    assert operations(CATALOG.models["minimax-m3"]).sparse == 57 / 60


def test_states_are_counted_for_each_sequence():
    o = operations(CATALOG.models["qwen3.5-397b-a17b"])
    assert o.state_bytes / 1e6 == pytest.approx(189, rel=0.02)
    assert (o.full_layers, o.windowed_layers, o.recurrent_layers) == (15, 0, 45)
    mamba = operations(CATALOG.models["nemotron-3-super-120b-a12b"])
    assert mamba.state_bytes == 40 * (128 * 64 * 128 * 4 + (128 * 64 + 2 * 8 * 128) * 3 * 2)
    assert operations(CATALOG.models["llama-3-70b"]).state_bytes == 0


def test_windowed_and_full_layers_cache_apart():
    o = operations(CATALOG.models["gpt-oss-120b"])
    assert (o.full_kv_values, o.windowed_kv_values) == (18 * 2 * 8 * 64, 18 * 2 * 8 * 64)
    assert (o.full_layers, o.windowed_layers, o.chunked) == (18, 18, False)
    assert operations(CATALOG.models["llama-4-scout"]).chunked


def test_bytes_of_each_part_follow_the_precision():
    part = weight_bytes_by_part(CATALOG.models["gpt-oss-120b"], "fp4")
    assert (part.attention, part.dense, part.experts, part.head) == (2.0, 2.0, 0.5625, 2.0)
    assert weight_bytes_by_part(CATALOG.models["llama-3-70b"], "int8").dense == 1.0


def test_int8_computes_at_its_own_rate_or_that_of_fp8():
    h100, a100 = CATALOG.accelerators["H100"], CATALOG.accelerators["A100"]
    assert own_tflops(h100, "int8") == h100.fp8_tflops
    assert own_tflops(a100, "int8") == 624.0
    assert own_tflops(a100, "fp8") is None
