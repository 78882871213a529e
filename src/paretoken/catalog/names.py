"""Other spellings of a name: what drivers, clouds and model hubs write for an entry of the catalog."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, get_args

from paretoken.errors import BadConfig, quoted

Precision = Literal["fp32", "bf16", "fp8", "int8", "fp4", "int4"]
"""Precision of weights as the catalog, the points and the predictor write it."""
PRECISIONS: tuple[str, ...] = get_args(Precision)
_SPELLINGS: dict[Precision, str] = {
    "fp32": "float32 f32 float",
    "bf16": "fp16 float16 half bfloat16 f16 w16a16",
    "fp8": "float8 mxfp8 e4m3 e5m2 fp8-e4m3fn float8-e4m3fn w8a8-fp8 fp8-w8a8 modelopt fp8-pb-wo fp8-block-wise qdq "
    "fp8-pc-pt",
    "int8": "w8a8 w8a8-int8 int8-w8a8 smoothquant sq w8a8-sq uint8 w8a16 8bit quantized-w8a8 quantized-w8a16",
    "fp4": "float4 nvfp4 mxfp4 e2m1 nvfp4-awq w4a4 w4a16-nvfp4 w4a4-nvfp4 w4a8-mxfp4 w4a16-mxfp4 w4a4-mxfp4",
    "int4": "uint4 w4a16 awq gptq awq-marlin gptq-marlin marlin int4-awq w4a16-awq w4a16-gptq w4a8 w4a8-awq w4a8-fp8 "
    "w4afp8 wna16 4bit nf4 hqq quantized-w4a16",
}
_PRECISION_NAMES = {word: precision for precision, words in _SPELLINGS.items() for word in words.split()}
_IN_CONFIG = (
    *("compressed-tensors", "quark", "bitsandbytes", "bnb", "auto-round", "torchao", "inc", "modelopt-mixed", "auto"),
    "gguf",
)
"""Quantisation tools, and a file format, whose precision only the checkpoint states."""
_BARE = ("half", "float", "sq", "qdq", "modelopt", "marlin", "hqq", "w8a8", "w8a16", "w4a8", "smoothquant")
"""Words that may stand in a model's name for something other than its precision."""
_METHODS = ("awq", "gptq", "awq-marlin", "gptq-marlin")
"""Ways to quantise, mostly to 4 bits; a format beside them in a model's name states the precision."""
_NOT_OF_WEIGHTS = ("a", "act", "kv", "scale")
"""What a format behind these words is of: activations, the KV cache, scales."""
_WEIGHTS = re.compile(r"w?((?:mx|nv)?(?:fp|int)\d+)(?:a(?:mx|nv)?(?:fp|int)?\d+)?")
"""A format of weights, with that of the activations behind it: nvfp4a16, wfp8afp8."""
_LONGEST = 200
_FORMAT = re.compile(
    r"-(e[2-5]m[1-3](fn(uz)?)?|kv|dynamic|static|block|per-(tensor|token|channel|block)|a?sym|moe|wo)$"
)
"""What follows a precision: the format of its numbers, and how they are scaled."""
_TOOL = re.compile(
    r"^(torch|modelopt|quark|fbgemm|ptpc|petit|tpu|experts|moe|bitsandbytes|bnb|torchao|humming|nvidia)-"
)
"""What precedes a precision: the program or the layers that it is for."""
_SPLIT = re.compile(r"^(fp|bf|int|nf|float|mxfp|nvfp)-(?=\d)|^([48])-(?=bit)")

_QUANTISED = re.compile(
    r"([-_.:](w|a|act|kv))?[-_.:]((w|a|kv)?(mx|nv)?(fp|int)\d+(a(mx|nv)?(fp|int)?\d+)?|bf16|awq|gptq|gguf|"
    r"w\d+a\d+(fp8)?|scale-uint8|a?sq|moe-quant|[48]bit|bnb|unsloth|mlx|quark|quantized|ptpc|kv)([-_.:](dynamic|static|block|preview|v\d))*$"
)
"""What a repository's name says of the precision of its weights, at its end."""
_VARIANT = re.compile(r"[-_.:](dynamic|static|block|instruct|it|chat|base|hf|preview|latest|v\d)$")
"""Which training of a model, or which issue of it, a checkpoint holds."""
_OF_MAKER = re.compile(r"^(meta|deepseek-ai|mistralai|openai|google|nvidia|microsoft|moonshotai|zai-org)-(?=[a-z])")
"""A maker before the name of its model: Meta-Llama-3.1-70B."""
_CACHED = re.compile(r"models--[^/]*?--([^/]+)(?:/snapshots(?:/|$)|$)")
"""A model in the cache of the Hugging Face hub."""


def precision_id(text: str) -> str:
    """The catalog's word for a precision: FP8, fp8_e4m3 are fp8; nvfp4, mxfp4 are fp4; fp16 is as fast as bf16.

    Case, spaces, dashes and underscores do not matter. An unknown word is returned in lower case.

    >>> [precision_id(word) for word in ("torch.bfloat16", "FP-8", "petit_nvfp4", "fp8_per_tensor", "W4A16_ASYM")]
    ['bf16', 'fp8', 'fp4', 'fp8', 'int4']
    """
    word = text.strip().lower()
    rest, before = re.sub(r"[\s_.]+", "-", word), ""
    while rest != before:
        if rest in PRECISIONS:
            return rest
        if rest in _PRECISION_NAMES:
            return _PRECISION_NAMES[rest]
        before, rest = rest, _SPLIT.sub(r"\1\2", _TOOL.sub("", _FORMAT.sub("", rest)))
        rest = match[1] if (match := _WEIGHTS.fullmatch(rest)) else rest
    return word


def why_no_precision(word: str) -> str:
    """The error for a tool's name in place of a precision; empty for any other word."""
    if fold(word) not in _IN_CONFIG:
        return ""
    return "names a tool, not a precision; give the checkpoint as --model, or the precision of its weights"


def precision_of(model: str) -> str | None:
    """The precision of the weights that a model's name states, as `Qwen3-8B-FP8` does; None if it states none, or two.

    A format states it before a method does (`GPTQ-Int8`), and both before a format of the KV cache (`AWQ-FP8-KV`),
    which alone also names the weights (`FP8-KV`).

    >>> [precision_of(name) for name in ("gpt-oss-120b-w-mxfp4-a-fp8", "llama-int4-awq-fp8-kv", "llama-nvfp4-fp8")]
    ['fp4', 'int4', None]
    """
    words = re.split(r"[-_.:\s]", model[-_LONGEST:].rstrip("/").rsplit("/", 1)[-1].lower())
    stated: dict[str, set[str]] = {"format": set(), "method": set(), "cache": set()}
    at = len(words)
    while at > 0:
        pair = "-".join(words[max(at - 2, 0) : at])
        length = 2 if at > 1 and pair in _PRECISION_NAMES and pair not in _BARE else 1
        word = "-".join(words[at - length : at])
        before = words[at - length - 1] if at > length else ""
        if (one := precision_id(word)) in PRECISIONS and word not in _BARE and before not in _NOT_OF_WEIGHTS:
            cache = words[at : at + 1] == ["kv"]
            stated["cache" if cache else "method" if word in _METHODS else "format"].add(one)
        at -= length
    first = next(filter(None, stated.values()), set())
    return first.pop() if len(first) == 1 else None


def agreed_precision(model: str, precision: str | None) -> str | None:
    """The precision of the weights in the catalog's word: as stated, else as the model's name ends in.

    BadConfig where they differ; only a checkpoint of unquantised weights can be served in another precision. None
    where neither is stated.

    >>> agreed_precision("amd/Llama-3.1-70B-Instruct-FP8-KV", None), agreed_precision("llama-3-70b", "NVFP4")
    ('fp8', 'fp4')
    """
    named, stated = precision_of(model), precision_id(precision) if precision else None
    if named in ("fp8", "int8", "fp4", "int4") and stated in PRECISIONS and stated != named:
        raise BadConfig(
            f"the name of {quoted(model)} says {named}, but the precision is {stated}; give one of them: leave out "
            f"--precision, or the end of the name"
        )
    return stated or named


def fold(name: str) -> str:
    """A name as it is looked up: whatever the case, with - for _ and spaces at the ends gone."""
    return name.casefold().replace("_", "-").strip()


def is_slip(word: str, meant: str) -> bool:
    """Whether a word is another with one letter left out, added, changed or swapped with its neighbour.

    A word with other digits is another product, not a slip, and so is a short one with another letter.

    >>> is_slip("lama", "llama"), is_slip("32b", "23b"), is_slip("8b", "4b"), is_slip("r1", "v1")
    (True, True, False, False)
    """
    if word == meant or sorted(filter(str.isdigit, word)) != sorted(filter(str.isdigit, meant)):
        return False
    start = next((i for i, (a, b) in enumerate(zip(word, meant, strict=False)) if a != b), min(len(word), len(meant)))
    one, other = word[start:], meant[start:]
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    swapped = len(one) == 2 and one == other[::-1]
    return swapped or (max(len(one), len(other)) == 1 and max(len(word), len(meant)) > 3)


def resembles(name: str, meant: str) -> bool:
    """Whether a model's name is another but for hyphens, or for a slip in one of its words."""
    words, others = re.split(r"[-:\s]", name), re.split(r"[-:\s]", meant)
    if "".join(words) == "".join(others):
        return True
    differ = [(a, b) for a, b in zip(words, others, strict=False) if a != b]
    return len(words) == len(others) and len(differ) == 1 and is_slip(*differ[0])


def checkpoint_names(name: str) -> Iterator[str]:
    """The names of the model that a checkpoint is of: without its owner, then without each word on its precision.

    >>> list(checkpoint_names("amd/Llama-3.1-8B-Instruct-FP8-KV"))[-1]
    'llama-3.1-8b'
    """
    cached = _CACHED.search(name.replace("_", "-"))
    bare = re.sub(r"\s+", "-", fold(cached[1] if cached else name).rstrip("/").rsplit("/", 1)[-1])
    while True:
        yield bare
        if (model := _OF_MAKER.sub("", bare)) != bare:
            yield model
        if (shorter := _VARIANT.sub("", _QUANTISED.sub("", bare))) == bare:
            return
        bare = shorter


def release(name: str) -> str:
    """The name of the weights that a checkpoint was made of: without its owner, its maker and words on its precision.

    >>> release("RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8-dynamic"), release("nvidia/DeepSeek-R1-0528-NVFP4-v2")
    ('llama-3.1-8b-instruct', 'deepseek-r1-0528')
    """
    bare = _OF_MAKER.sub("", fold(name).rstrip("/").rsplit("/", 1)[-1])
    while (shorter := _QUANTISED.sub("", bare)) != bare:
        bare = shorter
    return bare


def joined(name: str) -> str:
    """A model's name without the separators that people leave out: all but those between two numbers.

    >>> joined("Llama 3.1:70B"), joined("llama3.1-70b"), joined("qwen3-4b") == joined("qwen-34b")
    ('llama3.1-70b', 'llama3.1-70b', False)
    """
    return re.sub(r"(?<!\d)-|-(?!\d)", "", re.sub(r"[-\s:_]+", "-", name.casefold().strip()))
