"""Llamas with random weights: the shapes, and the weights that a seed gives.

Whatever the seed, only words of the vocabulary are generated, and never the end of a turn: every request runs to
`max_tokens`, and its text encodes to exactly as many tokens again. For this, dimension 0 of the hidden state is a
constant that no layer writes to; column 0 of the output head is then a bias on each logit, which forbids the rest.

Weights are 15 levels of equal steps, so that 4-bit GGUF and bfloat16 hold the very same values; and whole numbers of
a seeded PCG64, so that they are the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from paretoken.engines import vocabulary
from paretoken.engines.gguf_file import ZERO_LEVEL
from paretoken.errors import BadConfig, UnknownName

CONTEXT = 32_768
RMS_EPS = 1e-5
ROPE_BASE = 10_000.0
_LEVELS = 15
_DEVIATION = math.sqrt((_LEVELS**2 - 1) / 12)
_FORBIDDEN_LOGIT = -64.0


@dataclass(frozen=True, slots=True)
class Shape:
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
    "tiny": Shape("random-llama-4m", 256, 4, 4, 2, 64, 512),
    "small": Shape("random-llama-29m", 512, 8, 8, 4, 64, 1536),
    "medium": Shape("random-llama-96m", 768, 12, 12, 4, 64, 2560),
}
DEFAULT_SIZE = "tiny"


def shape_of(size: str) -> Shape:
    """The shape of a size by its name."""
    if size not in SIZES:
        raise UnknownName("model size", size, list(SIZES))
    return SIZES[size]


class Matrix(NamedTuple):
    """Weights as whole levels 1 to 15 (8 is 0), uint8, and the step between two of them."""

    levels: np.ndarray
    scale: float

    def floats(self) -> np.ndarray:
        """The values, float32; the scale has 5 significant bits, so that bfloat16 holds them exactly too."""
        return (self.levels.astype(np.float32) - ZERO_LEVEL) * np.float32(self.scale)


def weights(shape: Shape, seed: int) -> Iterator[tuple[str, Matrix | np.ndarray]]:
    """Each tensor with its name: matrices as levels, the vectors of the norms as float32."""
    if seed < 0:
        raise BadConfig(f"seed {seed} of the model is negative; give 0 or more")
    rng = np.random.Generator(np.random.PCG64(seed))
    for name, dims in shape.tensors():
        part = name.removesuffix(".weight").rpartition(".")[2]
        yield name, _vector(part, shape) if len(dims) == 1 else _matrix(part, dims, rng)


def _vector(part: str, shape: Shape) -> np.ndarray:
    array = np.ones(shape.hidden, np.float32)
    if part == "norm":
        # It divides by an RMS of 1 to 2 and meets the lowest level of the head, which makes the logit forbidden;
        # a power of two, for bfloat16 has to hold it too.
        lowest = (1 - ZERO_LEVEL) * _scale("lm_head", shape.hidden)
        array[0] = 2.0 ** math.ceil(math.log2(_FORBIDDEN_LOGIT / lowest))
    return array


def _matrix(part: str, dims: tuple[int, ...], rng: np.random.Generator) -> Matrix:
    levels = rng.integers(1, _LEVELS + 1, dims, dtype=np.uint8)
    match part:
        case "embed_tokens":
            levels[:, 0] = ZERO_LEVEL + 4
        case "o_proj" | "down_proj":
            levels[0, :] = ZERO_LEVEL
        case "lm_head":
            levels[:, 0] = ZERO_LEVEL
            levels[: vocabulary.first_word(), 0] = 1
    return Matrix(levels, _scale(part, dims[1]))


def _scale(part: str, inputs: int) -> float:
    """The step at which a row's output has the wanted spread, rounded to 5 significant bits."""
    # Residual branches are halved, so that the state does not grow with depth; logits spread like N(0, 1.5²).
    gain = {"o_proj": 0.5, "down_proj": 0.5, "lm_head": 1.5, "embed_tokens": math.sqrt(inputs)}.get(part, 1.0)
    mantissa, exponent = math.frexp(gain / math.sqrt(inputs) / _DEVIATION)
    return math.ldexp(round(mantissa * 32), exponent - 5)
