"""Settings of the workers of InferenceX's disaggregated recipes on AMD, which follow from a table by model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import yaml
from pool_recipes import ENGINES, WorkerSettings, flags, product

UTILITIES = "benchmarks/multi_node/amd_utils/"
TABLES = {"sglang": "models.yaml", "vllm": "models_vllm.yaml", "atom": "models_atom.yaml"}
ALIKE = ("DeepSeek-R1", "DeepSeek-V3")
"""Entries that the first tables had for every checkpoint of the architecture."""
EXPORT = re.compile(r"^\s*export (\w+)=(\d+)\s*$", re.MULTILINE)
ATOM = {"max-num-seqs": 256, "gpu-memory-utilization": 0.85}
"""What the script starts ATOM with where the table states nothing."""
Show = Callable[[str], str | None]
"""The text of a file of the repository on the day of the recipe."""


def amd_worker(
    show: Show, engine: str, model: str, space: Mapping[str, Any], side: str, variables: Mapping[str, str]
) -> WorkerSettings:
    """One worker of a side of an entry's search space."""
    own = space[side]
    drafted = int(variables.get("DECODE_MTP_SIZE", 0)) or None
    entry = _entry(show(UTILITIES + TABLES[engine]), model.rpartition("/")[2])
    if entry is None:
        return WorkerSettings(speculative_tokens=drafted)
    users = max(space["conc-list"])
    worker = {"sglang": _sglang, "vllm": _vllm, "atom": _atom}[engine](show, entry, own, side, users)
    method = ENGINES[engine](flags(entry.get("mtp_flags") or ""), 0).speculative
    return replace(worker, gpus=max(own["tp"], own["ep"]), speculative=method, speculative_tokens=drafted)


def _entry(text: str | None, name: str) -> Mapping[str, Any] | None:
    table = yaml.load(text, yaml.CSafeLoader) if text else {}
    start = next((word for word in ALIKE if name.startswith(word)), name)
    return next((table[n] for n in (f"{name}-DI", name, start) if n in table), None)


def _sglang(show: Show, entry: Mapping[str, Any], own: Mapping[str, Any], side: str, users: int) -> WorkerSettings:
    """SGLang shares the users of attention DP with EP among the ranks, in scripts that know of it."""
    pool, gpus = entry[side], max(own["tp"], own["ep"])
    kind = "dp" if own["dp-attn"] else "ep_only" if own["ep"] > 1 and side == "decode" else "no_dp"
    limits = pool.get(kind) or pool["no_dp"]
    script = next(filter(None, map(show, (f"{UTILITIES}server_sglang.sh", f"{UTILITIES}server.sh"))), None) or ""
    seqs = limits["max_running_requests"]
    if kind == "dp" and own["ep"] > 1 and "[DP+EP override]" in script:
        seqs = users
    elif kind == "dp" and side == "decode":
        seqs = int(str(limits["cuda_graph_bs_range"]).rpartition("-")[2]) * gpus
    values = dict(reversed([(n, int(v)) for n, v in EXPORT.findall(show(f"{UTILITIES}env.sh") or "")]))
    values |= {"PREFILL_TP_SIZE": gpus, "DECODE_TP_SIZE": gpus}
    stated = flags(entry["base_flags"]) | {
        "tp-size": gpus,
        "dp-size": gpus,
        "enable-dp-attention": own["dp-attn"],
        "max-running-requests": seqs,
        "chunked-prefill-size": product(limits.get("chunked_prefill_size"), values),
        "mem-fraction-static": pool["mem_fraction_static"],
    }
    return ENGINES["sglang"](stated, 0)


def _vllm(show: Show, entry: Mapping[str, Any], own: Mapping[str, Any], side: str, users: int) -> WorkerSettings:
    return ENGINES["vllm"](flags(entry[f"{side}_flags"]), 0)


def _atom(show: Show, entry: Mapping[str, Any], own: Mapping[str, Any], side: str, users: int) -> WorkerSettings:
    """The decode workers run as many sequences as there are users."""
    stated = {
        **ATOM,
        **flags(entry.get("kv_cache_flags") or ""),
        "max-num-batched-tokens": entry.get("max_num_batched_tokens"),
    }
    for option, name in (("max-num-seqs", "max_num_seqs"), ("gpu-memory-utilization", "mem_frac_static")):
        stated[option] = entry.get(name) or stated[option]
    return ENGINES["atom"](stated | ({"max-num-seqs": users} if side == "decode" else {}), 0)
