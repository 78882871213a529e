"""Llamas with random weights: the shapes, and the weights that a seed gives.

Whatever the seed, only words of the vocabulary are generated, and never the end of a turn: every request runs to
`max_tokens`, and its text encodes to exactly as many tokens again. For this, dimension 0 of the hidden state is a
constant that no layer writes to; column 0 of the output head is then a bias on each logit, which forbids the rest.

Weights are small whole numbers of a seeded PCG64 times a scale of 5 significant bits: no mathematical library has a
part in them, so they are the same on every machine, and bfloat16 holds them exactly, so they are in every file form.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paretoken.engines.embedded import vocabulary
from paretoken.errors import BadConfig, UnknownName

Weights = npt.NDArray[np.float32]
CONTEXT = 32_768
RMS_EPS = 1e-5
ROPE_BASE = 10_000.0
_MOST = 7
_DEVIATION = math.sqrt(((2 * _MOST + 1) ** 2 - 1) / 12)
_FORBIDDEN_LOGIT = -64.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamaShape:
    """A Llama without biases, embeddings untied; sizes in elements."""

    name: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int

    def tensors(self) -> list[tuple[str, tuple[int, ...]]]:
        """Name (Hugging Face's) and shape (output, input) of each tensor."""
        h, q, kv = self.hidden, self.heads * self.head_dim, self.kv_heads * self.head_dim
        layer = {
            "input_layernorm": (h,),
            "self_attn.q_proj": (q, h),
            "self_attn.k_proj": (kv, h),
            "self_attn.v_proj": (kv, h),
            "self_attn.o_proj": (h, q),
            "post_attention_layernorm": (h,),
            "mlp.gate_proj": (self.ffn, h),
            "mlp.up_proj": (self.ffn, h),
            "mlp.down_proj": (h, self.ffn),
        }
        blocks = [(f"model.layers.{i}.{name}.weight", dims) for i in range(self.layers) for name, dims in layer.items()]
        return [
            ("model.embed_tokens.weight", (vocabulary.SIZE, h)),
            *blocks,
            ("model.norm.weight", (h,)),
            ("lm_head.weight", (vocabulary.SIZE, h)),
        ]

    @property
    def parameters(self) -> int:
        """Weights, embedding and output head included."""
        return sum(math.prod(dims) for _, dims in self.tensors())


SIZES = {
    "tiny": LlamaShape(name="random-llama-4m", hidden=256, layers=4, heads=4, kv_heads=2, head_dim=64, ffn=512),
    "small": LlamaShape(name="random-llama-29m", hidden=512, layers=8, heads=8, kv_heads=4, head_dim=64, ffn=1536),
    "medium": LlamaShape(name="random-llama-96m", hidden=768, layers=12, heads=12, kv_heads=4, head_dim=64, ffn=2560),
}
DEFAULT_SIZE = "tiny"


def shape_of(size: str) -> LlamaShape:
    """The shape of a size by its name."""
    if size not in SIZES:
        raise UnknownName("model size", size, list(SIZES))
    return SIZES[size]


def weights(shape: LlamaShape, seed: int) -> Iterator[tuple[str, Weights]]:
    """Each tensor with its name, float32, in the order of `shape.tensors()`."""
    if seed < 0:
        raise BadConfig(f"seed {seed} of the model is negative; give 0 or more")
    rng = np.random.Generator(np.random.PCG64(seed))
    for name, dims in shape.tensors():
        part = name.removesuffix(".weight").rpartition(".")[2]
        yield name, _vector(part, shape) if len(dims) == 1 else _matrix(part, dims, rng)


def _vector(part: str, shape: LlamaShape) -> Weights:
    array = np.ones(shape.hidden, np.float32)
    if part == "norm":
        # It divides by an RMS of 1 to 2 and meets the lowest weight of the head, which makes the logit forbidden;
        # a power of two, for bfloat16 has to hold it too.
        array[0] = 2.0 ** math.ceil(math.log2(_FORBIDDEN_LOGIT / (-_MOST * _scale("lm_head", shape.hidden))))
    return array


def _matrix(part: str, dims: tuple[int, ...], rng: np.random.Generator) -> Weights:
    whole = rng.integers(-_MOST, _MOST + 1, dims, dtype=np.int8)
    match part:
        case "embed_tokens":
            whole[:, 0] = 4
        case "o_proj" | "down_proj":
            whole[0, :] = 0
        case "lm_head":
            whole[:, 0] = 0
            whole[: vocabulary.first_word(), 0] = -_MOST
    scaled: Weights = whole * np.float32(_scale(part, dims[1]))
    return scaled


def _scale(part: str, inputs: int) -> float:
    """The scale at which a row's output has the wanted spread, rounded to 5 significant bits."""
    # Residual branches are halved, so that the state does not grow with depth; logits spread like N(0, 1.5²).
    gain = {"o_proj": 0.5, "down_proj": 0.5, "lm_head": 1.5, "embed_tokens": math.sqrt(inputs)}.get(part, 1.0)
    mantissa, exponent = math.frexp(gain / math.sqrt(inputs) / _DEVIATION)
    return math.ldexp(round(mantissa * 32), exponent - 5)
