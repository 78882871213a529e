"""Settings of one worker of a pool, from the options that a recipe states for it; facts alone, no text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

Options = Mapping[str, object]
"""Options by name, hyphens between words, those of a table within another by both names: `moe-config.backend`."""
SGLANG_PREFILL_TOKENS = 16384
"""Tokens that a rank of SGLang prefills in a step by default, `max_prefill_tokens`, whatever the size of a chunk."""
_SELECTOR = re.compile(r"([\w-]+)(?:\[(\d+)\])?")
_FLAG = re.compile(r"--([\w-]+)(?:[ =]+('[^']*'|(?!--)\S+))?")
_PRODUCT = re.compile(r"(?:\w+)(?:\s*\*\s*\w+)*")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """One worker: its GPUs, and what its server is started with; limits are of one attention rank."""

    gpus: int | None = None
    max_num_seqs: int | None = None
    max_batched_tokens: int | None = None
    kv_dtype: str | None = None
    memory_utilization: float | None = None
    redundant_experts: int | None = None
    speculative: str | None = None
    speculative_tokens: int | None = None


def options(table: Mapping[str, Any], within: str = "") -> dict[str, object]:
    """The options of a table of a recipe, and of tables in it."""
    out: dict[str, object] = {}
    for key, value in table.items():
        name = within + str(key).replace("_", "-")
        if isinstance(value, str) and value.lstrip().startswith("{"):
            value = json.loads(value)
        if isinstance(value, Mapping):
            out |= options(value, f"{name}.")
        else:
            out[name] = value
    return out


def flags(text: str) -> dict[str, object]:
    """The options of a command line."""
    return {name.replace("_", "-"): value.strip("'") or True for name, value in _FLAG.findall(text)}


def trtllm(o: Options, experts: int) -> WorkerSettings:
    """A worker of TensorRT-LLM: its limits are of one rank."""
    slots = _count(o.get("moe-config.load-balancer.num-slots"))
    return WorkerSettings(
        gpus=_product(o, "tensor-parallel-size", "pipeline-parallel-size"),
        max_num_seqs=_count(o.get("max-batch-size")),
        max_batched_tokens=_count(o.get("max-num-tokens")),
        kv_dtype=_kv_dtype(o.get("kv-cache-config.dtype")),
        memory_utilization=_share(o.get("kv-cache-config.free-gpu-memory-fraction")),
        redundant_experts=slots - experts if slots and experts and slots > experts else None,
        speculative=_method(o.get("speculative-config.decoding-type"), eagle="eagle3"),
        speculative_tokens=_count(
            _first(o, "speculative-config.num-nextn-predict-layers", "speculative-config.max-draft-len")
        ),
    )


def sglang(o: Options, experts: int) -> WorkerSettings:
    """A worker of SGLang, which divides its limits among the ranks of attention data parallelism."""
    named = {"tp": ("tp-size", "tensor-parallel-size", "tp"), "dp": ("dp-size", "data-parallel-size", "dp")}
    tp, dp = (_count(_first(o, *named[k])) or 1 for k in ("tp", "dp"))
    ranks = dp if o.get("enable-dp-attention") else 1
    steps, drafted = (_count(o.get(f"speculative-num-{k}")) for k in ("steps", "draft-tokens"))
    return WorkerSettings(
        gpus=tp * (_count(_first(o, "pp-size", "pipeline-parallel-size")) or 1),
        max_num_seqs=_count(o.get("max-running-requests"), ranks),
        max_batched_tokens=_sglang_step(o, ranks),
        kv_dtype=_kv_dtype(o.get("kv-cache-dtype")),
        memory_utilization=_share(o.get("mem-fraction-static")),
        redundant_experts=_count(o.get("ep-num-redundant-experts")),
        speculative=_method(
            o.get("speculative-algorithm"), eagle="eagle" if o.get("speculative-draft-model-path") else "mtp"
        ),
        speculative_tokens=steps or (drafted - 1 if drafted else None),
    )


def _sglang_step(o: Options, ranks: int) -> int | None:
    """Tokens in a step of one rank: its share of a chunk (-1 is no chunks), and what a rank prefills at most."""
    stated = [o.get(name) for name in ("chunked-prefill-size", "max-prefill-tokens")]
    chunk, most = _count(stated[0], ranks), _count(stated[1]) or SGLANG_PREFILL_TOKENS
    return None if stated == [None, None] else min(chunk or most, most)


def vllm(o: Options, experts: int) -> WorkerSettings:
    """A worker of vLLM, or of ATOM: its limits are of one rank of data parallelism."""
    return WorkerSettings(
        gpus=_product(o, "tensor-parallel-size", "data-parallel-size", "pipeline-parallel-size"),
        max_num_seqs=_count(o.get("max-num-seqs")),
        max_batched_tokens=_count(o.get("max-num-batched-tokens")),
        kv_dtype=_kv_dtype(o.get("kv-cache-dtype")),
        memory_utilization=_share(o.get("gpu-memory-utilization")),
        redundant_experts=_count(o.get("eplb-config.num-redundant-experts")),
        speculative=_method(_first(o, "speculative-config.method", "method")),
        speculative_tokens=_count(_first(o, "speculative-config.num-speculative-tokens", "num-speculative-tokens")),
    )


ENGINES = {"trtllm": trtllm, "sglang": sglang, "vllm": vllm, "atom": vllm}


def selected(recipe: Mapping[str, Any], selector: str) -> Mapping[str, Any]:
    """A recipe with the section that a selector names, such as `zip_override_low[1]`, laid over its base."""
    base = recipe.get("base", recipe)
    section = _SELECTOR.fullmatch(selector)
    if not section or section[1] not in recipe:
        return base
    over = recipe[section[1]]
    return _laid_over(base, _element(over, int(section[2])) if section[2] else over)


def _element(value: Any, at: int) -> Any:
    """Every list of a section at one place; one of one element is for every place."""
    if isinstance(value, Mapping):
        return {key: _element(inner, at) for key, inner in value.items()}
    if not isinstance(value, list) or at >= len(value) > 1 or not value:
        return value
    return value[at if len(value) > 1 else 0]


def _laid_over(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Tables within one another; a null removes."""
    out = dict(deepcopy(base))
    for key, value in over.items():
        if value is None:
            out.pop(key, None)
        else:
            inner = out.get(key)
            out[key] = (
                _laid_over(inner if isinstance(inner, Mapping) else {}, value) if isinstance(value, Mapping) else value
            )
    return out


def product(text: object, values: Mapping[str, int]) -> int | None:
    """A number, or a product of numbers and names of values."""
    if not _PRODUCT.fullmatch(str(text)):
        return None
    total = 1
    for word in re.split(r"\s*\*\s*", str(text)):
        factor = int(word) if word.isdigit() else values.get(word)
        if factor is None:
            return None
        total *= factor
    return total


def _method(word: object, eagle: str = "eagle") -> str | None:
    """A method of drafting by our name, with what the engine means by EAGLE."""
    name = str(word or "").lower()
    return "mtp" if "mtp" in name or name == "nextn" else {"eagle": eagle}.get(name, name) or None


def _first(o: Options, *names: str) -> object:
    return next((o[n] for n in names if o.get(n) is not None), None)


def _product(o: Options, *names: str) -> int:
    total = 1
    for name in names:
        total *= _count(o.get(name)) or 1
    return total


def _count(value: object, ranks: int = 1) -> int | None:
    """A positive count, 4K is 4,000 and 4Ki 4,096, divided among ranks."""
    number = re.fullmatch(r"([1-9]\d*)([Kk]i?)?", str(value))
    if not number:
        return None
    times = {"": 1, "k": 1000, "ki": 1024}[(number[2] or "").lower()]
    return max(int(number[1]) * times // ranks, 1)


def _share(value: object) -> float | None:
    return float(str(value)) if re.fullmatch(r"0?\.\d+", str(value)) else None


def _kv_dtype(value: object) -> str | None:
    word = str(value).lower()
    return next(
        (name for start, name in (("fp8", "fp8"), ("bf", "bf16"), ("nvfp4", "fp4")) if word.startswith(start)), None
    )
