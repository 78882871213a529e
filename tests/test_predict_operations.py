"""Counts of weights, operations and cached values against what makers state and what arithmetic gives."""

from __future__ import annotations

import pytest

from paretoken.catalog import load_catalog
from paretoken.predict.columns import columns, link_bytes_per_s
from paretoken.predict.deployment import Deployment, dense_precision
from paretoken.predict.operations import operations

CATALOG = load_catalog()


@pytest.mark.parametrize("name", list(CATALOG.models))
def test_weights_add_up_to_what_the_maker_states(name):
    model = CATALOG.models[name]
    assert operations(model).total_params == pytest.approx(model.params_total_b * 1e9, rel=0.025)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("llama-3-70b", 80 * 2 * 8 * 128),
        ("deepseek-r1", 61 * (512 + 64)),
        ("gpt-oss-120b", 36 * 2 * 8 * 64),
        ("qwen3.5-397b-a17b", 15 * 2 * 2 * 256),
    ],
)
def test_cached_values_per_token(name, values):
    assert operations(CATALOG.models[name]).kv_values == values


def test_attention_pairs_of_llama_cost_four_times_the_width_in_each_layer():
    assert operations(CATALOG.models["llama-3-70b"]).pair_flops == 4 * 64 * 128 * 80


def test_mixtures_in_four_bits_keep_the_rest_wider():
    assert dense_precision(CATALOG.models["gpt-oss-120b"], "fp4") == "bf16"
    assert dense_precision(CATALOG.models["deepseek-r1"], "fp4") == "fp8"
    assert dense_precision(CATALOG.models["llama-3-70b"], "fp4") == "fp4"


def test_tensor_parallelism_divides_grouped_caches_and_not_latent_ones():
    def cached(model, tp):
        return columns([Deployment("H200", model, "fp8", "vllm", tp, tp)], CATALOG).kv_bytes_per_token[0]

    assert cached("llama-3-70b", 8) == pytest.approx(cached("llama-3-70b", 1) / 8)
    assert cached("deepseek-r1", 8) == pytest.approx(cached("deepseek-r1", 1))


def test_data_parallel_attention_splits_requests_and_repeats_weights():
    whole, split = (
        columns([Deployment("H200", "deepseek-r1", "fp8", "sglang", 8, 8, 8, dp)], CATALOG) for dp in (False, True)
    )
    assert split.attention_groups[0] == 8
    assert whole.attention_groups[0] == 1
    assert split.dense_weight_bytes[0] > whole.dense_weight_bytes[0]


def test_a_mesh_gives_a_pair_a_seventh_and_a_switch_gives_it_all():
    amd, nvidia = CATALOG.accelerators["MI300X"], CATALOG.accelerators["H200"]
    assert link_bytes_per_s(amd, 2) == pytest.approx(amd.scaleup_gb_per_s * 1e9 / 7)
    assert link_bytes_per_s(amd, 8) == pytest.approx(amd.scaleup_gb_per_s * 1e9)
    assert link_bytes_per_s(nvidia, 2) == pytest.approx(nvidia.scaleup_gb_per_s * 1e9)
