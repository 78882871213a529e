"""Names as llama.cpp writes them: files of GGUF, and types of models such as `qwen3 8B Q4_K - Medium`."""

from __future__ import annotations

import re

_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
_QUANT = r"(?:I?Q\d\w*|TQ\d\w*|MXFP4\w*|NVFP4|BF16|F16|F32|FP16|FP8)"
_IN_FILE = re.compile(rf"[-._](?:UD[-_])?({_QUANT})$", re.IGNORECASE)
_IN_TYPE = re.compile(rf" (?:mostly )?({_QUANT})(?: - \w+(?: large| small)?)?(?: MoE)?$", re.IGNORECASE)
_FLOATS = {"f16": "bf16", "fp16": "bf16", "bf16": "bf16", "f32": "fp32", "fp8": "fp8", "nvfp4": "fp4"}


def of_file(path: str) -> tuple[str, str, str | None]:
    """The model, the file's name and the precision: `Qwen3-8B`, `Qwen3-8B-Q8_0.gguf`, `q8_0`."""
    file = re.split(r"[/\\]", path.strip())[-1]
    bare = _SHARD.sub("", re.sub(r"\.gguf$", "", file, flags=re.IGNORECASE))
    quant = _IN_FILE.search(bare)
    return bare[: quant.start()] if quant else bare, file, _precision(quant)


def of_type(words: str) -> tuple[str, str, str | None]:
    """The model, the words themselves and the precision: `qwen3 8B`, `qwen3 8B Q4_K - Medium`, `q4_k`."""
    quant = _IN_TYPE.search(words.strip())
    return words.strip()[: quant.start()] if quant else words.strip(), words.strip(), _precision(quant)


def _precision(quant: re.Match[str] | None) -> str | None:
    """The schema's word for floating-point weights; quantised blocks keep llama.cpp's word in small letters."""
    if quant is None:
        return None
    word = quant[1].casefold()
    return "fp4" if word.startswith("mxfp4") else _FLOATS.get(word, word)
