"""Every model of the catalog, read from a config.json in its maker's dialect."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from paretoken.catalog.hf.model import Config, model_of
from paretoken.catalog.loader import load_catalog
from paretoken.predict.operations import operations

CATALOG = load_catalog()
CONFIGS = json.loads((Path(__file__).parent / "configs.json").read_text(encoding="utf-8"))
"""Keys and numbers that makers publish, without what has no part in the shapes.

44 of 75 were read in aiconfigurator-core 0.12.0 (PyPI, Apache-2.0) model_configs/, the others are written in their
families' dialect from the sources of the catalog's entries.
"""
SAME = (
    "layers",
    "moe_layers",
    "experts",
    "active_experts",
    "kv_values",
    "kv_heads",
    "pair_flops",
    "cached_flops",
    "window",
    "windowed",
    "windowed_pairs",
    "windowed_layers",
    "recurrent_layers",
    "sparse_layers",
    "chunked",
    "topk",
    "index_params",
    "index_values",
    "index_flops",
    "state_bytes",
    "tied",
)
OTHER_CONTEXT = {
    "qwen3-next-80b-a3b": "the catalog leaves it open",
    "nemotron-3-nano-30b-a3b": "the catalog has the maker's word",
    "kimi-k2-thinking": "the catalog has that of K2 Thinking",
    "mistral-large-2": "the catalog has the service's",
    "mistral-small-4": "the catalog has the service's",
    "granite-4.0-h-small": "validated context",
    "step-3.7-flash": "the catalog has the stretched context",
}


def read(keys, **beside):
    return model_of(Config(name="me/mine", where="config.json", source="here", keys=keys, **beside))


def test_every_model_of_the_catalog_has_a_config():
    assert set(CONFIGS) == set(CATALOG.models)


@pytest.mark.parametrize("name", CONFIGS)
def test_parameters_are_those_of_the_catalog(name):
    model = read(CONFIGS[name])
    assert operations(model).total_params == pytest.approx(operations(CATALOG.models[name]).total_params, rel=0.005)
    assert model.params_total_b * 1e9 == pytest.approx(operations(model).total_params, rel=1e-6)


@pytest.mark.parametrize("name", CONFIGS)
def test_counts_are_those_of_the_catalog(name):
    own, theirs = operations(read(CONFIGS[name])), operations(CATALOG.models[name])
    assert {k: getattr(own, k) for k in SAME} == pytest.approx({k: getattr(theirs, k) for k in SAME}, rel=1e-9)


@pytest.mark.parametrize("name", CONFIGS)
def test_nothing_is_unknown_of_a_known_family(name):
    model, entry = read(CONFIGS[name]), CATALOG.models[name]
    assert model.unknown == ()
    assert model.kind == entry.kind
    if name not in OTHER_CONTEXT:
        assert model.max_context == entry.max_context


def test_parameters_that_a_token_passes():
    assert read(CONFIGS["deepseek-r1"]).params_active_b == pytest.approx(37, rel=0.03)
    assert read(CONFIGS["mixtral-8x7b"]).params_active_b == pytest.approx(12.9, rel=0.01)


OTHER_FAMILIES = {
    "gpt2": (
        {"model_type": "gpt2", "n_layer": 12, "n_embd": 768, "n_head": 12, "vocab_size": 50257, "n_positions": 1024},
        0.1237,
    ),
    "falcon, one KV head": (
        {
            "model_type": "falcon",
            "num_hidden_layers": 32,
            "hidden_size": 4544,
            "num_attention_heads": 71,
            "multi_query": True,
            "vocab_size": 65024,
        },
        6.92,
    ),
    "chatglm": (
        {
            "model_type": "chatglm",
            "num_layers": 28,
            "hidden_size": 4096,
            "num_attention_heads": 32,
            "multi_query_attention": True,
            "multi_query_group_num": 2,
            "kv_channels": 128,
            "ffn_hidden_size": 13696,
            "padded_vocab_size": 65024,
            "seq_length": 32768,
        },
        6.24,
    ),
    "dbrx": (
        {
            "model_type": "dbrx",
            "n_layers": 40,
            "d_model": 6144,
            "n_heads": 48,
            "attn_config": {"kv_n_heads": 8},
            "ffn_config": {"ffn_hidden_size": 10752, "moe_num_experts": 16, "moe_top_k": 4},
            "vocab_size": 100352,
            "max_seq_len": 32768,
        },
        131.6,
    ),
    "nemotron-h, dense": (
        {
            "model_type": "nemotron_h",
            "hybrid_override_pattern": "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-",
            "num_hidden_layers": 52,
            "hidden_size": 4096,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "attention_head_dim": 128,
            "intermediate_size": 21504,
            "mamba_num_heads": 128,
            "mamba_head_dim": 64,
            "n_groups": 8,
            "ssm_state_size": 128,
            "conv_kernel": 4,
            "vocab_size": 131072,
            "tie_word_embeddings": False,
        },
        8.1,
    ),
    "qwen2 moe, shared experts": (
        {
            "model_type": "qwen2_moe",
            "num_hidden_layers": 24,
            "hidden_size": 2048,
            "num_attention_heads": 16,
            "num_key_value_heads": 16,
            "intermediate_size": 5632,
            "moe_intermediate_size": 1408,
            "shared_expert_intermediate_size": 5632,
            "num_experts": 60,
            "num_experts_per_tok": 4,
            "decoder_sparse_step": 1,
            "vocab_size": 151936,
        },
        14.3,
    ),
    "layers chosen one by one": (
        {
            "model_type": "nemotron-nas",
            "num_hidden_layers": 4,
            "hidden_size": 8192,
            "num_attention_heads": 64,
            "num_key_value_heads": None,
            "intermediate_size": None,
            "block_configs": [
                {"attention": {"n_heads_in_group": 8, "no_op": False}, "ffn": {"ffn_mult": 5.25, "no_op": False}},
                {"attention": {"no_op": True}, "ffn": {"ffn_mult": 1.3125, "no_op": False}},
                {"attention": {"n_heads_in_group": 8, "no_op": False}, "ffn": {"no_op": True}},
                {"attention": {"no_op": True}, "ffn": {"ffn_mult": 0.5, "no_op": False}},
            ],
            "vocab_size": 128256,
            "tie_word_embeddings": False,
        },
        (2 * 8192 * 8192 * 2.25 + 3 * 8192 * (28672 + 7168 + 2816) + 2 * 128256 * 8192) / 1e9,
    ),
    "jamba": (
        {
            "model_type": "jamba",
            "num_hidden_layers": 32,
            "hidden_size": 4096,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "intermediate_size": 14336,
            "attn_layer_period": 8,
            "attn_layer_offset": 4,
            "expert_layer_period": 2,
            "expert_layer_offset": 1,
            "num_experts": 16,
            "num_experts_per_tok": 2,
            "mamba_d_state": 16,
            "mamba_d_conv": 4,
            "mamba_expand": 2,
            "mamba_dt_rank": 256,
            "vocab_size": 65536,
        },
        51.6,
    ),
    "minimax-text-01, lightning attention": (
        {
            "model_type": "minimax_text_01",
            "num_hidden_layers": 80,
            "hidden_size": 6144,
            "num_attention_heads": 64,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "intermediate_size": 9216,
            "num_local_experts": 32,
            "num_experts_per_tok": 2,
            "attn_type_list": [0, 0, 0, 0, 0, 0, 0, 1] * 10,
            "vocab_size": 200064,
        },
        456,
    ),
    "lfm2-8b-a1b, convolutions": (
        {
            "model_type": "lfm2_moe",
            "num_hidden_layers": 24,
            "hidden_size": 2048,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "intermediate_size": 7168,
            "moe_intermediate_size": 1792,
            "num_dense_layers": 2,
            "num_experts": 32,
            "num_experts_per_tok": 4,
            "layer_types": ["full_attention" if i in (2, 6, 10, 14, 18, 21) else "conv" for i in range(24)],
            "conv_L_cache": 3,
            "vocab_size": 65536,
            "tie_word_embeddings": True,
        },
        8.34,
    ),
}


@pytest.mark.parametrize(("keys", "billions"), OTHER_FAMILIES.values(), ids=OTHER_FAMILIES)
def test_families_outside_the_catalog_come_to_the_size_of_the_name(keys, billions):
    model = read(keys)
    assert model.params_total_b == pytest.approx(billions, rel=0.015)
    assert operations(model).total_params == pytest.approx(model.params_total_b * 1e9, rel=1e-6)


def test_hybrids_keep_a_state_of_the_type_that_the_config_names():
    keys = CONFIGS["qwen3.5-397b-a17b"]
    assert operations(read(keys)).state_bytes == 45 * (64 * 128 * 128 * 4 + 12288 * 3 * 2)
    plain = {k: v for k, v in keys["text_config"].items() if k != "mamba_ssm_dtype"}
    assert operations(read({**keys, "text_config": plain})).state_bytes == 45 * (64 * 128 * 128 * 2 + 12288 * 3 * 2)


def test_a_family_that_nobody_knows_is_computed_from_what_is_there():
    keys = {**CONFIGS["llama-3.1-8b"], "model_type": "brandnew", "memory_rank": 77, "echo_layers": [1, 2]}
    del keys["tie_word_embeddings"]
    model = read(keys)
    assert model.params_total_b == pytest.approx(8.03, rel=0.001)
    assert model.unknown == ("echo_layers", "memory_rank")
    assert model.assumed == ("the output head is not the embedding, since tie_word_embeddings is missing",)
    strange = read({**CONFIGS["llama-3.1-8b"], "layer_types": ["full_attention"] * 30 + ["dreaming"] * 2})
    assert strange.assumed == ("layers of the type 'dreaming' attend to the whole context",)


def test_windows_by_the_rules_of_each_family():
    def near(**keys):
        o = operations(read({**CONFIGS["llama-3.1-8b"], **keys}))
        return o.windowed_layers, o.window

    assert near(model_type="gemma2", sliding_window=4096) == (16, 4096)
    assert near(model_type="qwen2", sliding_window=4096, use_sliding_window=False) == (0, 0)
    assert near(model_type="qwen2", sliding_window=4096, use_sliding_window=True, max_window_layers=20) == (12, 4096)
    assert near(model_type="cohere2", sliding_window=4096, sliding_window_pattern=4) == (24, 4096)
    assert near(model_type="mistral", sliding_window=4096) == (0, 0)
    assert (
        "is not used" in read({**CONFIGS["llama-3.1-8b"], "model_type": "mistral", "sliding_window": 4096}).assumed[0]
    )
