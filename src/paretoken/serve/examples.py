"""A question of each verb that reads no file, as clients may send it."""

from __future__ import annotations

from typing import Any

_POINTS = {"model": "llama-3-70b", "precision": "fp8", "workload": "chat"}
_DEPLOYMENT = {"accelerator": "H200", "model": "llama-3-70b", "engine": "vllm", "isl": 1000, "osl": 500}
_POOLS = {"accelerator": "GB200", "model": "deepseek-r1", "engine": "sglang", "isl": 1000, "osl": 500}
_LAYOUT = {"layout": "1xDEP8+1xDEP8"}

EXAMPLES: dict[str, dict[str, Any]] = {
    "advise": {**_POINTS, "e2e_s": 15.0},
    "breakeven": {**_POINTS, "accelerator": "MI355X", "against": "H200", "rent_usd": 2.5},
    "compare": {**_POINTS, "e2e_s": 15.0},
    "cost": {**_POINTS},
    "data-diff": {"before": "2026-06-01", "after": "2026-11-01"},
    "explain": {**_DEPLOYMENT, "tp": 8, "concurrency": 16},
    "explain-disaggregated": {**_POOLS, **_LAYOUT, "concurrency": 64},
    "fit": {"model": "llama-3-70b"},
    "frontier": {**_POINTS},
    "history": {"model": "deepseek-r1"},
    "outlook": {"scenario": "mi355x-vs-b200"},
    "overview": {},
    "plan": {
        "model": "llama-3-70b",
        "slo": "ttft_p99=2s,tpot=50ms",
        "rate": "2000/min",
        "isl": "lognormal:1800:1.1",
        "osl": "lognormal:300:0.8",
        "coarse": True,
    },
    "predict": {**_DEPLOYMENT, "concurrency": [1, 16, 64]},
    "predict-disaggregated": {**_POOLS, **_LAYOUT, "concurrency": [64]},
    "rent": {"accelerator": "H200"},
    "rent-history": {"accelerator": "H200"},
    "rent-market": {},
    "search-disaggregated": {**_POOLS, "gpus": 16},
    "selfhost": {**_POINTS, "e2e_s": 15.0},
    "tco": {"accelerators": ["H200", "MI355X"]},
    "trends": {"accelerator": "H200"},
    "validate": {"splits": ["random half"]},
}
