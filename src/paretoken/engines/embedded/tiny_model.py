"""A small model on disk, made on the spot: real work for a real engine, and nothing to download.

Equal size and seed give equal bytes on every machine. As GGUF for llama.cpp, kept in the user's cache; and as a
Hugging Face folder with the same weights, for vLLM, SGLang and transformers.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from paretoken.engines.embedded import vocabulary
from paretoken.engines.embedded.gguf_file import Value, write_gguf
from paretoken.engines.embedded.random_llama import (
    CONTEXT,
    DEFAULT_SIZE,
    RMS_EPS,
    ROPE_BASE,
    LlamaShape,
    Weights,
    shape_of,
    weights,
)
from paretoken.errors import CannotWrite
from paretoken.user_folders import private_folder, user_cache

FORM = 1
"""Counted up whenever equal size and seed give other bytes than before; part of the cache's key."""


@dataclass(frozen=True, slots=True)
class TinyModel:
    """A model on disk; `name` is what servers call it and what the catalog knows."""

    name: str
    size: str
    seed: int
    folder: Path

    @property
    def gguf(self) -> Path:
        return self.folder / "model.gguf"

    @property
    def tokenizer(self) -> Path:
        return self.folder / "tokenizer.json"


def make_model(folder: Path, size: str = DEFAULT_SIZE, seed: int = 0) -> TinyModel:
    """Write `model.gguf` (float32) and `tokenizer.json` into a folder."""
    shape = shape_of(size)
    folder.mkdir(parents=True, exist_ok=True)
    model = TinyModel(shape.name, size, seed, folder)
    model.tokenizer.write_text(vocabulary.tokenizer_json(), encoding="utf-8")
    shapes = {_gguf_name(name): dims for name, dims in shape.tensors()}
    arrays = (_paired(name, array, shape) for name, array in weights(shape, seed))
    write_gguf(model.gguf, _gguf_keys(shape), shapes, arrays)
    return model


def make_hf_folder(folder: Path, size: str = DEFAULT_SIZE, seed: int = 0) -> Path:
    """Write the same model as a Hugging Face folder: configuration, tokenizer, weights in bfloat16."""
    shape = shape_of(size)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(vocabulary.tokenizer_json(), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(vocabulary.CHAT_TEMPLATE, encoding="utf-8")
    for name, document in _hf_documents(shape).items():
        (folder / name).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    _write_safetensors(folder / "model.safetensors", shape, seed)
    return folder


def cached_model(size: str = DEFAULT_SIZE, seed: int = 0, cache: Path | None = None) -> TinyModel:
    """The model from the user's cache (or the one given), made first where it is not there yet.

    It appears there by one rename, so neither a second run at the same time nor an interrupted one leaves half of it.
    """
    there = _cached("", size, seed, cache, lambda folder: make_model(folder, size, seed))
    return TinyModel(shape_of(size).name, size, seed, there)


def cached_hf_folder(size: str = DEFAULT_SIZE, seed: int = 0, cache: Path | None = None) -> Path:
    """The same model as a Hugging Face folder, from the cache in the same way."""
    return _cached("hf-", size, seed, cache, lambda folder: make_hf_folder(folder, size, seed))


def _cached(form: str, size: str, seed: int, cache: Path | None, make: Callable[[Path], object]) -> Path:
    shape = shape_of(size)
    key = hashlib.sha256(json.dumps([FORM, asdict(shape), seed]).encode()).hexdigest()[:12]
    home = (cache or user_cache()) / "models"
    there = home / f"{shape.name}-{form}{key}"
    try:
        if cache is None:
            private_folder(user_cache())
        private_folder(home)
        if not there.is_dir():
            _make_aside(home, there, make)
    except OSError as e:
        raise CannotWrite(f"cannot make the model in {home} ({e}); set XDG_CACHE_HOME to a place with room") from e
    return there


def _make_aside(home: Path, there: Path, make: Callable[[Path], object]) -> None:
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=home))
    try:
        make(making)
        making.rename(there)
    except OSError:
        if not there.is_dir():  # otherwise another run was faster
            raise
    finally:
        shutil.rmtree(making, ignore_errors=True)


# GGUF: llama.cpp's names, order of rows and keys.

_GGUF_TOP = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
_GGUF_LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def _gguf_name(name: str) -> str:
    if name in _GGUF_TOP:
        return _GGUF_TOP[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{_GGUF_LAYER[rest.removesuffix('.weight')]}.weight"


def _paired(name: str, array: Weights, shape: LlamaShape) -> Weights:
    """Rows of Q and K in llama.cpp's order: the two of each head that are rotated together lie side by side."""
    heads = shape.heads if "q_proj" in name else shape.kv_heads if "k_proj" in name else 0
    if not heads:
        return array
    return array.reshape(heads, 2, -1, array.shape[1]).swapaxes(1, 2).reshape(array.shape)


def _gguf_keys(shape: LlamaShape) -> dict[str, Value]:
    """What llama.cpp reads of the model before its tensors."""
    normal, control, all_f32 = 1, 3, 0
    names = list(vocabulary.tokens())
    return {
        "general.architecture": "llama",
        "general.name": shape.name,
        "general.file_type": all_f32,
        "llama.context_length": CONTEXT,
        "llama.embedding_length": shape.hidden,
        "llama.block_count": shape.layers,
        "llama.feed_forward_length": shape.ffn,
        "llama.attention.head_count": shape.heads,
        "llama.attention.head_count_kv": shape.kv_heads,
        "llama.attention.key_length": shape.head_dim,
        "llama.attention.value_length": shape.head_dim,
        "llama.attention.layer_norm_rms_epsilon": RMS_EPS,
        "llama.rope.dimension_count": shape.head_dim,
        "llama.rope.freq_base": ROPE_BASE,
        "llama.vocab_size": len(names),
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": names,
        "tokenizer.ggml.token_type": [control if t in vocabulary.SPECIAL else normal for t in names],
        "tokenizer.ggml.merges": [" ".join(m) for m in vocabulary.merges()],
        "tokenizer.ggml.bos_token_id": vocabulary.BOS,
        "tokenizer.ggml.eos_token_id": vocabulary.EOS,
        "tokenizer.ggml.padding_token_id": vocabulary.BOS,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": vocabulary.CHAT_TEMPLATE,
    }


# Hugging Face: configuration and safetensors.


def _hf_documents(shape: LlamaShape) -> dict[str, dict[str, object]]:
    ids = {"bos_token_id": vocabulary.BOS, "eos_token_id": vocabulary.EOS, "pad_token_id": vocabulary.BOS}
    special = {key.removesuffix("_id"): vocabulary.SPECIAL[i] for key, i in ids.items()}
    config: dict[str, object] = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "torch_dtype": "bfloat16",
        "hidden_size": shape.hidden,
        "intermediate_size": shape.ffn,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "vocab_size": vocabulary.SIZE,
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": RMS_EPS,
        "rope_theta": ROPE_BASE,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        **ids,
    }
    tokenizer: dict[str, object] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": CONTEXT,
        **special,
    }
    return {
        "config.json": config,
        "generation_config.json": dict(ids),
        "special_tokens_map.json": dict(special),
        "tokenizer_config.json": {**tokenizer, "chat_template": vocabulary.CHAT_TEMPLATE},
    }


def _write_safetensors(path: Path, shape: LlamaShape, seed: int) -> None:
    """A length, a JSON header with each tensor's place, then the tensors; everything little endian."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, dims in shape.tensors():
        end = at + 2 * int(np.prod(dims))
        header[name] = {"dtype": "BF16", "shape": list(dims), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for _, array in weights(shape, seed):
            # Cutting off the lower half is exact: the values have few enough bits.
            out.write((array.view(np.uint32) >> 16).astype("<u2").data)
