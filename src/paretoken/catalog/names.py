"""Other spellings of a name: what drivers, clouds and model hubs write for an entry of the catalog."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, get_args

Precision = Literal["fp32", "bf16", "fp8", "fp4", "int4"]
"""Precision of weights as the catalog, the points and the predictor write it."""
PRECISIONS: tuple[str, ...] = get_args(Precision)
_PRECISION_NAMES = {
    **dict.fromkeys(("float32", "f32"), "fp32"),
    **dict.fromkeys(("fp16", "float16", "half", "bfloat16"), "bf16"),
    **dict.fromkeys(("float8", "mxfp8", "e4m3", "e5m2"), "fp8"),
    **dict.fromkeys(("float4", "nvfp4", "mxfp4", "e2m1"), "fp4"),
    **dict.fromkeys(("uint4", "w4a16", "awq", "gptq"), "int4"),
}
_FORMAT = re.compile(r"[-_](e[2-5]m[1-3](fnuz?)?|kv|dynamic|static|block)$")

_MAKER = re.compile(r"\(.*?\)|\b(nvidia|amd|intel|google|aws|huawei|instinct|geforce|gpu)\b|tensor core", re.IGNORECASE)
_MODULE = re.compile(r"(?<![a-z])(sxm\d?|oam|hbm\d?e?)(?![a-z])", re.IGNORECASE)
"""Forms of module that an accelerator with them has by itself; PCIe and NVL cards differ and stay in the name."""
_CHECKPOINT = re.compile(
    r"[-_.](fp8|fp4|fp16|bf16|nvfp4|mxfp4|mxfp8|int4|int8|awq|gptq|gguf|w\d+a\d+|quark|quantized|ptpc|kv|dynamic|"
    r"static|block|instruct|it|chat|base|hf|preview|v\d)$"
)


def precision_id(text: str) -> str:
    """The catalog's word for a precision: FP8, fp8_e4m3 are fp8; nvfp4, mxfp4 are fp4; fp16 is as fast as bf16.

    A word that nobody knows is given back in small letters.
    """
    word = text.strip().lower()
    bare = _FORMAT.sub("", word)
    return _PRECISION_NAMES.get(bare, bare if bare in PRECISIONS else word)


def fold(name: str) -> str:
    """A name as it is looked up: whatever the case, with - for _ and spaces at the ends gone."""
    return name.casefold().replace("_", "-").strip()


def compact(name: str) -> str:
    """The letters and digits of an accelerator's name, without its maker and its form of module."""
    return re.sub(r"[^a-z0-9]", "", _MODULE.sub("", _MAKER.sub("", name.replace("_", "-").casefold())))


def checkpoint_names(name: str) -> Iterator[str]:
    """The names of the model that a checkpoint is of: without its owner, then without each word on its precision.

    >>> list(checkpoint_names("amd/Llama-3.1-8B-Instruct-FP8-KV"))[-1]
    'llama-3.1-8b'
    """
    bare = fold(name).rstrip("/").rsplit("/", 1)[-1].replace(" ", "-")
    yield bare
    while (shorter := _CHECKPOINT.sub("", bare)) != bare:
        bare = shorter
        yield bare
