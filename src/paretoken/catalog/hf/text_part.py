"""The language model in a config.json; configs of other models are refused."""

from __future__ import annotations

from paretoken.catalog.hf.class_defaults import with_class_defaults
from paretoken.catalog.hf.fields import Fields, Keys, strings
from paretoken.errors import BadConfig

TEXT_KEYS = ("text_config", "language_config", "llm_config", "thinker_config")
"""Where models that also see or hear keep the shapes of their language model."""
ENCODERS = frozenset(
    [
        "bert",
        "roberta",
        "xlm-roberta",
        "distilbert",
        "electra",
        "deberta",
        "deberta-v2",
        "mpnet",
        "nomic_bert",
        "modernbert",
        "albert",
        "new",
        "camembert",
        "jina_bert",
    ]
)
ENCODER_DECODERS = frozenset(
    ["t5", "mt5", "umt5", "t5gemma", "bart", "mbart", "pegasus", "marian", "m2m_100", "longt5", "led", "whisper"]
)
STATE_SPACES = frozenset(["mamba", "mamba2", "falcon_mamba", "rwkv", "rwkv5", "rwkv6", "rwkv7", "xlstm"])
"""Families without any layer of attention."""
VISION = frozenset(
    [
        "vit",
        "clip",
        "clip_vision_model",
        "siglip",
        "siglip_vision_model",
        "dinov2",
        "swin",
        "deit",
        "detr",
        "resnet",
        "convnext",
    ]
)
DIFFUSION_LMS = frozenset(["llada", "llada_moe", "dream", "sdar"])
_SHARED = ("tie_word_embeddings", "quantization_config", "torch_dtype", "dtype", "vocab_size")
"""Keys around the text part that hold for it, too."""


def text_fields(config: Keys, where: str) -> Fields:
    """The fields of the language model; BadConfig if the config is of another kind of model."""
    _refuse(config, where)
    inner, outer = config, config
    for _ in TEXT_KEYS:
        nested = next((inner[key] for key in TEXT_KEYS if isinstance(inner.get(key), dict)), None)
        if not isinstance(nested, dict):
            break
        inner, outer = nested, {**outer, **inner}
    if inner is config:
        return Fields(config, where)
    _refuse(inner, where)
    around = {k: v for k, v in outer.items() if k in _SHARED and v is not None}
    keys, omitted = with_class_defaults(inner, outer, around)
    f = Fields(keys, where, around)
    if omitted:
        f.assume(f"defaults of {keys['model_type']} in transformers: {', '.join(omitted)}")
    return f


def _refuse(config: Keys, where: str) -> None:
    """BadConfig for anything but a language model that generates token by token."""
    kind = str(config.get("model_type") or "").lower()
    names = config.get("architectures")
    architectures = strings(names) if isinstance(names, list) else []
    if "_class_name" in config or "_diffusers_version" in config:
        raise BadConfig(f"{where} describes a diffusion pipeline; only language models can be predicted")
    if "peft_type" in config:
        raise BadConfig(f"{where} describes an adapter; give its base model, which base_model_name_or_path names")
    if config.get("is_encoder_decoder") is True or kind in ENCODER_DECODERS:
        raise BadConfig(f"{where} describes an encoder-decoder model; only decoder-only models can be predicted")
    if kind in STATE_SPACES:
        raise BadConfig(f"{where} describes {kind}, which has no attention and so no KV cache; it cannot be predicted")
    if kind in DIFFUSION_LMS:
        raise BadConfig(
            f"{where} describes a diffusion language model; only models that decode token by token can be predicted"
        )
    if kind in VISION or any("ImageClassification" in a or "ObjectDetection" in a for a in architectures):
        raise BadConfig(f"{where} describes a vision model; only language models can be predicted")
    other = ("SequenceClassification", "MaskedLM", "TokenClassification", "RewardModel", "ForCTC", "QuestionAnswering")
    if kind in ENCODERS or any(word in a for a in architectures for word in other):
        raise BadConfig(f"{where} describes an embedding, reranking or classifying model; it generates no tokens")
    if any("eagle" in a.lower() or "medusa" in a.lower() for a in architectures):
        raise BadConfig(f"{where} describes a draft model; give the model that it drafts for")
