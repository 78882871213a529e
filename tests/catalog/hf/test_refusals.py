"""What is no config.json of a language model, or contradicts itself, is refused in one sentence."""

from __future__ import annotations

import pytest

from paretoken.errors import BadConfig
from tests.catalog.hf.test_configs import CONFIGS, read

LLAMA, MOE = CONFIGS["llama-3.1-8b"], CONFIGS["qwen3-30b-a3b"]
WRONG = {
    "encoder-decoder": ({"model_type": "t5", "is_encoder_decoder": True}, "encoder-decoder"),
    "encoder-decoder by its family": ({"model_type": "t5", "d_model": 512, "num_layers": 6}, "encoder-decoder"),
    "state space": ({"model_type": "mamba2", "hidden_size": 2560, "num_hidden_layers": 64}, "no KV cache"),
    "dense layers": ({**CONFIGS["deepseek-r1"], "first_k_dense_replace": 99}, "first_k_dense_replace is 99"),
    "dense layers of others": ({**MOE, "num_dense_layers": 49}, "num_dense_layers is 49, but the model has 48 layers"),
    "quantisation": (
        {**LLAMA, "quantization_config": [{"bits": 4}]},
        "[{'bits': 4}]; it must be an object",
    ),
    "embedding": ({**LLAMA, "model_type": "bert"}, "generates no tokens"),
    "reranker": ({**LLAMA, "architectures": ["Qwen3ForSequenceClassification"]}, "generates no tokens"),
    "diffusion": ({"_class_name": "FluxTransformer2DModel", "_diffusers_version": "0.30"}, "diffusion pipeline"),
    "diffusion language model": ({**LLAMA, "model_type": "llada"}, "diffusion language model"),
    "vision": ({"model_type": "vit", "hidden_size": 768}, "vision model"),
    "adapter": ({"peft_type": "LORA", "r": 16}, "base_model_name_or_path"),
    "draft model": ({**LLAMA, "architectures": ["LlamaForCausalLMEagle3"]}, "draft model"),
    "nothing": ({}, "has no hidden_size"),
    "no layers": ({k: v for k, v in LLAMA.items() if k != "num_hidden_layers"}, "has no num_hidden_layers"),
    "a word for a number": ({**LLAMA, "num_hidden_layers": "32"}, "num_hidden_layers is '32'; it must be a number"),
    "truth for a number": ({**LLAMA, "num_attention_heads": True}, "it must be a number"),
    "half a layer": ({**LLAMA, "num_hidden_layers": 32.5}, "whole number"),
    "negative": ({**LLAMA, "hidden_size": -4096}, "whole number"),
    "absurd": ({**LLAMA, "vocab_size": 10**12}, "whole number"),
    "infinite": ({**LLAMA, "intermediate_size": float("inf")}, "whole number"),
    "not a number": ({**LLAMA, "intermediate_size": float("nan")}, "whole number"),
    "many layers": ({**LLAMA, "num_hidden_layers": 90_000_000}, "at most 10,000"),
    "kv heads": ({**LLAMA, "num_key_value_heads": 7}, "32 attention heads cannot share 7"),
    "hidden size": ({**LLAMA, "hidden_size": 4100}, "no multiple of the 32 attention heads"),
    "too many active": ({**MOE, "num_experts_per_tok": 200}, "200 is more than the 128 experts"),
    "no active": ({k: v for k, v in MOE.items() if k != "num_experts_per_tok"}, "has no num_experts_per_tok"),
    "short list": ({**LLAMA, "layer_types": ["full_attention"] * 31}, "31 items for 32 layers"),
    "window without size": ({**LLAMA, "layer_types": ["sliding_attention"] * 16 + ["full_attention"] * 16}, "its size"),
    "tied?": ({**LLAMA, "tie_word_embeddings": "yes"}, "must be true or false"),
    "pattern": ({**CONFIGS["nemotron-3-nano-30b-a3b"], "hybrid_override_pattern": "MXE*"}, "'X'"),
    "name of a block": (
        {**CONFIGS["nemotron-3-ultra-550b-a55b"], "layers_block_type": ["mamba", "moe", "attention", "dream"]},
        "layers_block_type has 'dream'; known: mamba, attention, mlp, moe",
    ),
    "blocks of a search": ({**LLAMA, "block_configs": [{"attention": {"no_op": True}}] * 32}, "block_configs[0]"),
    "width of a search": (
        {**LLAMA, "block_configs": [{"attention": {"no_op": True}, "ffn": {"ffn_mult": 1000}}] * 32},
        "block_configs[0].ffn.ffn_mult must be a number from 0 to 100",
    ),
    "number of blocks of a search": (
        {**LLAMA, "block_configs": [{"attention": {"n_heads_in_group": 4}, "ffn": {"no_op": True}}]},
        "block_configs has 1 item for 32 layers",
    ),
    "pattern length": ({**CONFIGS["nemotron-3-nano-30b-a3b"], "num_hidden_layers": 5}, "the pattern has 52 blocks"),
    "only states": (
        {**CONFIGS["nemotron-3-nano-30b-a3b"], "hybrid_override_pattern": "MEMEM", "num_hidden_layers": 5},
        "without a KV cache",
    ),
    "bits": ({**LLAMA, "quantization_config": {"quant_method": "gptq", "bits": 40}}, "40 bits"),
    "bits as a word": ({**LLAMA, "quantization_config": {"quant_method": "gptq", "bits": "four"}}, "must be a number"),
    "mixed without its layers": (
        {**LLAMA, "quantization_config": {"quant_algo": "MIXED_PRECISION"}},
        "quantized_layers does not list its layers",
    ),
    "algorithm": ({**LLAMA, "quantization_config": {"quant_algo": "FP3"}}, "'FP3' is unknown"),
}


@pytest.mark.parametrize(("keys", "words"), WRONG.values(), ids=WRONG)
def test_it_is_refused_in_one_sentence(keys, words):
    with pytest.raises(BadConfig) as e:
        read(keys)
    assert words in str(e.value)
    assert str(e.value).startswith("config.json")
    assert "\n" not in str(e.value)


def test_files_that_are_of_another_model_are_refused():
    with pytest.raises(BadConfig, match=r"the files have 100\.0 GB, the shapes need 16\.1 GB"):
        read(LLAMA, total_bytes=100_000_000_000)
