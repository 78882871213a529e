"""What a server says of its configuration, as columns of operating points.

`vllm_config`   `/server_info?config_format=json` of vLLM, which it serves in development mode only
`vllm_metrics`  `/metrics` of vLLM: the KV cache's type is a label, speculative decoding has counters of its own
`trtllm_metrics` `/prometheus/metrics` of TensorRT-LLM: gauges whose labels are the configuration
`sglang_config` `/get_server_info` of SGLang, which its client keeps in result files, too

A column is left out where the answer does not settle it: `auto` is not a data type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

Columns = dict[str, str | int | bool]
ACTIVE = "on"
"""Speculative decoding by a method that the server does not name."""
_DTYPES = {"bfloat16": "bf16", "float16": "fp16", "half": "fp16", "float32": "fp32", "float": "fp32"}
_CACHE_DTYPE = re.compile(r'^vllm:cache_config_info\{[^}\n]*\bcache_dtype="([^"]*)"', re.MULTILINE)
_CACHE_CONFIG = re.compile(r"^vllm:cache_config_info\{([^}\n]*)\}", re.MULTILINE)
_DRAFTS = re.compile(r"^vllm:spec_decode_num_drafts(_total)?\b", re.MULTILINE)
_POSITION = re.compile(r'^vllm:spec_decode_num_accepted_tokens_per_pos\w*\{[^}\n]*\bposition="(\d{1,4})"', re.MULTILINE)

_TRTLLM_INFO = re.compile(r"^trtllm[_:](model|speculative|kv_cache|cache)_config_info\{([^}\n]*)\}", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def vllm_config(info: object) -> Columns:
    """The columns of vLLM's configuration; nothing where the answer is none."""
    config = _table(info, "vllm_config")
    if not config:
        return {}
    cache, scheduler = _table(config, "cache_config"), _table(config, "scheduler_config")
    columns = _kv_cache(cache.get("cache_dtype"))
    chunked = scheduler.get("enable_chunked_prefill", scheduler.get("chunked_prefill_enabled"))
    if isinstance(chunked, bool):
        columns["chunked_prefill"] = chunked
    if "speculative_config" in config:
        spec = _table(config, "speculative_config")
        own = _table(config, "model_config").get("model")
        method = _method(spec.get("method")) if spec else "none"
        columns |= _speculation(method, spec.get("num_speculative_tokens"), spec.get("model"), own)
    return columns


def vllm_metrics(text: str) -> Columns:
    """The columns that the metrics tell; nothing where they are not vLLM's."""
    match = _CACHE_DTYPE.search(text)
    if not match:
        return {}
    columns = _kv_cache(match[1])
    if _DRAFTS.search(text):
        depth = max((int(p) + 1 for p in _POSITION.findall(text)), default=None)
        columns |= _speculation(ACTIVE, depth, None, None)
    elif "spec_decode" not in text:  # vLLM registers these counters with a speculative configuration only
        columns["speculative"] = "none"
    return columns


def vllm_block_tokens(text: str) -> int | None:
    """Tokens of a block of the prefix cache: of hybrid models it is larger than `block_size`. None if not stated."""
    labels = dict(_LABEL.findall(match[1])) if (match := _CACHE_CONFIG.search(text)) else {}
    stated = (labels.get(name, "") for name in ("effective_attention_block_size", "block_size"))
    return next((int(n) for n in stated if n.isascii() and n.isdecimal() and len(n) < 8 and int(n)), None)


def sglang_block_tokens(info: object) -> int | None:
    """Tokens of a page of the radix cache; None if not stated."""
    size = info.get("page_size") if isinstance(info, Mapping) else None
    return size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else None


def trtllm_metrics(text: str) -> Columns:
    """The columns that the labels state; empty if the metrics are not TensorRT-LLM's."""
    infos = {name: dict(_LABEL.findall(labels)) for name, labels in _TRTLLM_INFO.findall(text)}
    if "model" not in infos:
        return {}
    columns = _kv_cache(infos.get("kv_cache", infos.get("cache", {})).get("cache_dtype"))
    spec = infos.get("speculative")
    if spec is None:  # the server writes the gauge only if it drafts
        return {**columns, "speculative": "none"}
    tokens = spec.get("spec_num_tokens", "")
    method, depth = _method(spec.get("spec_method") or ACTIVE), int(tokens) if tokens.isdecimal() else None
    return columns | _speculation(method, depth, spec.get("spec_draft_model"), infos["model"].get("model"))


def sglang_config(info: object) -> Columns:
    """The columns of SGLang's server arguments; nothing where the answer holds none."""
    if not isinstance(info, Mapping):
        return {}
    columns = _kv_cache(info.get("kv_cache_dtype"))
    chunk = info.get("chunked_prefill_size")
    if isinstance(chunk, int):
        columns["chunked_prefill"] = chunk > 0
    if "speculative_algorithm" in info:
        draft, own = info.get("speculative_draft_model_path"), info.get("model_path")
        method = _method(info["speculative_algorithm"])
        if method == "nextn" or (method == "eagle" and draft in (None, own)):  # the model's own draft layers
            method = "mtp"
        depth = info.get("speculative_num_steps") or info.get("speculative_num_draft_tokens")
        columns |= _speculation(method, depth, draft, own)
    return columns


def kv_cache_dtype(dtype: object) -> str | None:
    """The data type by our name: every fp8 is `fp8`; None where `auto` or nothing is stated."""
    name = str(dtype or "auto").lower().removeprefix("torch.")
    if name == "auto":
        return None
    return "fp8" if name.startswith("fp8") else _DTYPES.get(name, name)


def _kv_cache(dtype: object) -> Columns:
    name = kv_cache_dtype(dtype)
    return {} if name is None else {"kv_cache_dtype": name}


def _method(name: object) -> str:
    method = str(name or "none").lower()
    return "mtp" if method.endswith("mtp") else method


def _speculation(method: str, tokens: object, draft: object, own: object) -> Columns:
    columns: Columns = {"speculative": method}
    if method != "none" and isinstance(tokens, int) and tokens > 0:
        columns["speculative_tokens"] = tokens
    if method not in ("none", "mtp", "ngram") and isinstance(draft, str) and draft != own:
        columns["draft_model"] = draft
    return columns


def _table(document: object, key: str) -> Mapping[str, object]:
    value = document.get(key) if isinstance(document, Mapping) else None
    return value if isinstance(value, Mapping) else {}
