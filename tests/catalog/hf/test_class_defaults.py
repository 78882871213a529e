"""Shapes that a text_config leaves out, as released files of models that also see do."""

from __future__ import annotations

import pytest

from tests.catalog.hf.test_configs import CONFIGS, read

SHAPES = (
    "layers",
    "hidden_size",
    "heads",
    "kv_heads",
    "head_dim",
    "intermediate_size",
    "sliding_window",
    "max_context",
)
GEMMA = {"model_type": "gemma3_text", "rope_scaling": {"factor": 8.0}, "sliding_window": 1024}
OMITTING = {
    "gemma-3-4b": GEMMA | {"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34},
    "gemma-3-12b": GEMMA
    | {"hidden_size": 3840, "intermediate_size": 15360, "num_hidden_layers": 48}
    | {"num_attention_heads": 16, "num_key_value_heads": 8},
    "gemma-3-27b": GEMMA
    | {"hidden_size": 5376, "intermediate_size": 21504, "num_hidden_layers": 62}
    | {"num_attention_heads": 32, "num_key_value_heads": 16, "head_dim": 128},
}


def around(kind, text, **keys):
    return read({"model_type": kind, "torch_dtype": "bfloat16", "text_config": text, **keys})


@pytest.mark.parametrize("name", OMITTING)
def test_gemma_3_without_the_defaults_of_its_class_is_the_same_model(name):
    model, whole = around("gemma3", OMITTING[name]), read(CONFIGS[name])
    assert [getattr(model, key) for key in SHAPES] == [getattr(whole, key) for key in SHAPES]
    assert (model.sliding_layers, model.max_context) == (whole.sliding_layers, whole.max_context)
    assert model.params_total_b == pytest.approx(whole.params_total_b, rel=1e-3)
    assert model.unknown == ()
    (note,) = model.assumed
    assert note.startswith("defaults of gemma3_text in transformers: vocab_size, ")


@pytest.mark.parametrize(
    ("kind", "text", "params"),
    [
        ("llava", {"model_type": "llama", "vocab_size": 32064, "max_position_embeddings": 4096}, 6.74),
        ("llava", {}, 6.74),
        ("mistral3", {"vocab_size": 131072, "num_hidden_layers": 40, "hidden_size": 5120}, 12.77),
        ("aya_vision", {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
                        "num_attention_heads": 32, "num_key_value_heads": 8, "tie_word_embeddings": True}, 8.03),
        ("qwen2_5_vl", {"model_type": "qwen2_5_vl_text"}, 72.7),
    ],
)  # fmt: skip
def test_other_families(kind, text, params):
    model = around(kind, text)
    assert model.params_total_b == pytest.approx(params, rel=0.02)
    assert model.assumed[0].startswith("defaults of ")


def test_what_the_file_states_goes_before_a_default():
    model = around("paligemma", {"model_type": "gemma", "num_hidden_layers": 18, "num_key_value_heads": 1,
                                 "hidden_size": 2048, "num_attention_heads": 8, "intermediate_size": 16384},
                   vocab_size=257216)  # fmt: skip
    assert (model.vocab_size, model.kv_heads, model.layers) == (257216, 1, 18)
    assert model.assumed == ("defaults of gemma in transformers: head_dim, max_position_embeddings",)


def test_a_plain_config_is_not_filled():
    keys = {k: v for k, v in CONFIGS["llama-3.1-8b"].items() if k != "max_position_embeddings"}
    assert read(keys).max_context is None


def test_widths_that_differ_by_layer_count_with_their_mean():
    keys = {**CONFIGS["llama-3.1-8b"], "intermediate_size": [8192] * 16 + [16384] * 16}
    assert read(keys).intermediate_size == 12288
