"""`vllm bench serve --save-result` JSON: its names, latencies in milliseconds, totals of the deployment.

`over="whole_run"` counts as vLLM does (every complete request, first start to last end), but TTFT and E2E
stay from the due time, which is what vLLM's are in a closed loop.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from paretoken.bench.exports.shared import given, latencies
from paretoken.bench.workload.gaps import burstiness

_SELF_NAMED = ("accelerator", "n_gpus", "precision", "engine_version", "tp", "ep", "isl", "osl", "speculative")


def vllm(summary: Mapping[str, Any], point: Mapping[str, Any], over: str = "window") -> dict[str, Any]:
    """One load level as vLLM's client would save it; columns without a name there stand under ours."""
    amounts, errors, run = summary["throughput"][over], summary["errors"], summary["run"]
    closed = point["load_kind"] == "closed"
    return {
        "date": _stamp(run),
        "backend": point["engine"],
        "endpoint_type": run.get("api") or "openai",
        "label": None,
        "model_id": point["model_variant"] or point["model"],
        "tokenizer_id": run.get("tokenizer") or point["model_variant"] or point["model"],
        "num_prompts": errors["requests"],
        **given({name: point[name] for name in _SELF_NAMED}),
        "request_rate": "inf" if closed else point["request_rate"],
        "burstiness": _burstiness(str(summary["config"].get("arrivals", "poisson"))),
        "max_concurrency": int(point["concurrency"]) if closed else None,
        "duration": amounts["seconds"],
        "completed": amounts["requests"],
        "failed": errors["failed"],
        "total_input_tokens": round(amounts["input_tokens"]),
        "total_output_tokens": round(amounts["output_tokens"]),
        "request_throughput": amounts["requests_s"],
        "request_goodput": (summary["goodput"] or {}).get("requests_s"),
        "output_throughput": amounts["output_tok_s"],
        "total_token_throughput": amounts["total_tok_s"],
        **latencies(summary, over, "_ms", 1000.0),
        "measured_over": over,
    }


def _stamp(run: Mapping[str, Any]) -> str | None:
    """When the level began, by the local clock as vLLM has it, else the run: `20260801-093000`."""
    if (began := run.get("t0_unix_s")) is not None:
        return time.strftime("%Y%m%d-%H%M%S", time.localtime(began))
    digits = "".join(c for c in str(run.get("started") or "")[:19] if c.isdigit())
    return f"{digits[:8]}-{digits[8:14]}" if digits else None


def _burstiness(arrivals: str) -> float | str | None:
    """The shape of gamma gaps: 1 is Poisson, "inf" constant; None for the times of a trace."""
    value = burstiness(arrivals)
    return "inf" if value == math.inf else value
