"""Formats of weights: the precision that each counts as, and the bytes of a weight with its scales."""

from __future__ import annotations

import re
from dataclasses import dataclass

from paretoken.catalog.hf.fields import Fields, Keys
from paretoken.catalog.names import Precision
from paretoken.errors import BadConfig, quoted

INT4_GROUP = 128
"""Weights that share a scale where an INT4 format does not state it."""


@dataclass(frozen=True, slots=True)
class Format:
    """A precision of the catalog, and the bytes of one weight with its share of scales and zeros."""

    precision: Precision
    bytes: float


FP32, BF16 = Format("fp32", 4.0), Format("bf16", 2.0)
FP8, FP8_BLOCK, MXFP8 = Format("fp8", 1.0), Format("fp8", 1 + 4 / 128**2), Format("fp8", 1 + 1 / 32)
INT8 = Format("int8", 1.0)
NVFP4, MXFP4 = Format("fp4", 0.5 + 1 / 16), Format("fp4", 0.5 + 1 / 32)
INT4 = Format("int4", 0.5 + 2.5 / INT4_GROUP)
DTYPES = {
    **dict.fromkeys(("float32", "fp32", "float"), FP32),
    **dict.fromkeys(("bfloat16", "float16", "bf16", "fp16", "half", ""), BF16),
    **dict.fromkeys(("fp8", "fp8_e4m3", "float8_e4m3fn", "fp8_e5m2", "e4m3"), FP8),
    **dict.fromkeys(("fp4", "mxfp4", "mx_fp4"), MXFP4),
    **dict.fromkeys(("int8", "uint8"), INT8),
    **dict.fromkeys(("int4", "uint4"), INT4),
}
_ALGORITHMS = (
    (re.compile(r"NVFP4"), NVFP4),
    (re.compile(r"MXFP4"), MXFP4),
    (re.compile(r"MXFP8"), MXFP8),
    (re.compile(r"FP8_PB|FP8_BLOCK"), FP8_BLOCK),
    (re.compile(r"^FP8"), FP8),
    (re.compile(r"W4A16|W4A8|INT4"), INT4),
    (re.compile(r"W8A8|W8A16|INT8"), INT8),
)

PLAIN_INTEGERS = frozenset(
    [
        "",
        "auto-round",
        "auto_round",
        "autoawq",
        "awq",
        "awq_marlin",
        "bitblas",
        "gguf",
        "gptq",
        "gptq_bitblas",
        "gptq_marlin",
        "gptq_marlin_24",
        "gptqmodel",
        "hqq",
        "inc",
        "intel/auto-round",
        "moe_wna16",
        "quanto",
        "w8a8_int8",
    ]
)
"""Tools whose checkpoints are integers with a scale for each group."""
BITSANDBYTES_BLOCK = 64
_TORCHAO = (("float8", FP8), ("int8", INT8), ("int4", INT4), ("uintx", INT4))
"""Words in a quant_type of torchao."""


def dtype_format(f: Fields) -> Format:
    """The format of weights that are not quantised: torch_dtype, or BF16 where it is missing."""
    word = f.word("torch_dtype", "dtype").removeprefix("torch.")
    if not word:
        f.assume("weights that are not quantised are BF16, since torch_dtype is missing")
    if word not in DTYPES:
        f.assume(f"weights of the type {quoted(word)} are BF16")
    return DTYPES.get(word, BF16)


def algorithm_format(name: object, where: str) -> Format:
    """The format of one of ModelOpt's algorithms; BadConfig for an unknown name."""
    word = str(name).upper()
    for pattern, of in _ALGORITHMS:
        if pattern.search(word):
            return of
    raise BadConfig(
        f"{where}: quant_algo {quoted(str(name))} is unknown; known are FP8, MXFP8, NVFP4, MXFP4, W4A16_AWQ, INT8"
    )


def number_format(f: Fields, *, bits: int, floating: bool, group: int | None = None, zeros: bool = False) -> Format:
    """The format of numbers with these bits; a scale for each group has 16 bits, that of four-bit floats 8."""
    if floating and bits == 8:
        return MXFP8 if group == 32 else FP8
    if floating and bits == 4:
        return MXFP4 if group == 32 else NVFP4
    if floating or not 1 <= bits <= 16:
        raise BadConfig(f"{f.where}: weights of {bits} bits are not supported; use 4 or 8 bits")
    if bits == 16:
        return BF16
    if bits not in (4, 8):
        f.assume(f"weights of {bits} bits compute at the rate of int{4 if bits < 8 else 8}")
    scales = (2 + (bits / 8 if zeros else 0)) / group if group else 0.0
    return Format("int8" if bits >= 8 else "int4", bits / 8 + scales)


def scheme_format(f: Fields, scheme: Keys) -> Format:
    """A scheme of compressed-tensors: num_bits, type, strategy, group_size, symmetric."""
    inner = Fields(scheme, f"{f.where}: weights", assumed=f.assumed)
    bits, group = inner.count("num_bits") or 8, inner.count("group_size", least=-1)
    floating = inner.word("type") == "float"
    if floating and bits == 8 and inner.word("strategy") == "block":
        return FP8_BLOCK
    return number_format(
        inner,
        bits=bits,
        floating=floating,
        group=group if group and group > 0 else None,
        zeros=scheme.get("symmetric") is False,
    )


def single_format(q: Fields, method: str, plain: Format) -> Format:
    """The format of a tool that uses one for all modules."""
    if method in ("fp8", "fbgemm_fp8", "modelopt_fp8", "ptpc_fp8"):
        return FP8_BLOCK if q.items("weight_block_size") else FP8
    if method == "mxfp4":
        return MXFP4
    if method in ("bitsandbytes", "bnb"):
        return _bitsandbytes(q, plain)
    if method == "hqq" and (config := q.inside("quant_config")) and (inner := config.inside("weight_quant_params")):
        q = inner
    if method == "torchao":
        return next((of for word, of in _TORCHAO if word in str(q.get("quant_type")).lower()), plain)
    bits = q.count("bits", "w_bit", "weight_bits", "nbits")
    if bits is None:
        q.assume(
            f"the quantisation {quoted(method or 'without a name')} leaves weights as they are: no key gives its bits"
        )
        return plain
    if method not in PLAIN_INTEGERS:
        q.assume(f"the quantisation {quoted(method)} is unknown: weights are taken as integers of {bits} bits")
    group = q.count("group_size", "q_group_size", least=-1) or 0
    zeros = q.keys.get("zero_point") is True or q.keys.get("sym") is False
    return number_format(q, bits=bits, floating=False, group=group if group > 0 else None, zeros=zeros)


def _bitsandbytes(q: Fields, plain: Format) -> Format:
    if q.flag("load_in_4bit", "_load_in_4bit"):
        scale = 1 if q.flag("bnb_4bit_use_double_quant") else 4
        return Format("int4", 0.5 + scale / BITSANDBYTES_BLOCK)
    return INT8 if q.flag("load_in_8bit", "_load_in_8bit") else plain
