"""Shapes that a released text_config omits because they are the defaults of its class in transformers.

transformers leaves the defaults of its class out of a nested config. The figures are those of the configuration
classes of transformers 4.57.1 (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Mapping

from paretoken.catalog.hf.fields import Keys

_NAMES = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "max_position_embeddings",
    "sliding_window",
    "sliding_window_pattern",
)
_DEFAULTS: Mapping[str, tuple[int | None, ...]] = {
    "gemma": (256_000, 3072, 24_576, 28, 16, 16, 256, 8192),
    "gemma2": (256_000, 2304, 9216, 26, 8, 4, 256, 8192, 4096),
    "gemma3_text": (262_208, 2304, 9216, 26, 8, 4, 256, 131_072, 4096, 6),
    "gemma3n_text": (262_400, 2048, 16_384, 35, 8, 2, 256, 32_768, 512, 5),
    "cohere": (256_000, 8192, 22_528, 40, 64, None, None, 8192),
    "cohere2": (256_000, 8192, 22_528, 40, 64, None, None, 8192, 4096, 4),
    "phi": (51_200, 2048, 8192, 24, 32, None, None, 2048),
    "phi3": (32_064, 3072, 8192, 32, 32, None, None, 4096),
    "mistral": (32_000, 4096, 14_336, 32, 32, 8, None, 131_072),
    "mixtral": (32_000, 4096, 14_336, 32, 32, 8, None, 131_072),
    "llama": (32_000, 4096, 11_008, 32, 32, None, None, 2048),
    "llama4_text": (202_048, 5120, 8192, 48, 40, 8, 128, 131_072),
    "qwen2": (151_936, 4096, 22_016, 32, 32, 32, None, 32_768),
    "qwen3": (151_936, 4096, 22_016, 32, 32, 32, 128, 32_768),
    "qwen2_vl_text": (152_064, 8192, 29_568, 80, 64, 8, None, 32_768),
    "qwen2_5_vl_text": (152_064, 8192, 29_568, 80, 64, 8, None, 32_768),
    "qwen3_vl_text": (151_936, 4096, 22_016, 32, 32, 32, 128, 128_000),
    "glm4v_text": (151_552, 4096, 13_696, 40, 32, 2, None, 32_768),
    "granite": (32_000, 4096, 11_008, 32, 32, None, None, 2048),
}
_TEXT_CLASSES = {
    **dict.fromkeys(("llava", "llava_next", "vipllava", "idefics3", "smolvlm"), "llama"),
    **dict.fromkeys(("llava_onevision", "internvl"), "qwen2"),
    "mistral3": "mistral",
    "paligemma": "gemma",
    "aya_vision": "cohere2",
}
"""The class of a text_config without a model_type, by the model_type around it; for others that with _text added."""


def with_class_defaults(inner: Keys, outer: Keys, shared: Keys) -> tuple[Keys, list[str]]:
    """The keys of a text_config with the defaults that it omits, and the names of these.

    `shared` are keys of the config around it that also hold for the text part.
    """
    around = str(outer.get("model_type") or "").lower()
    kind = str(inner.get("model_type") or _TEXT_CLASSES.get(around) or (f"{around}_text" if around else "")).lower()
    defaults = zip(_NAMES, _DEFAULTS.get(kind, ()), strict=False)
    omitted = {name: size for name, size in defaults if size and name not in inner and name not in shared}
    if "layer_types" in inner or "_sliding_window_pattern" in inner:
        omitted.pop("sliding_window_pattern", None)
    return {**({"model_type": kind} if kind else {}), **omitted, **inner}, list(omitted)
