"""`vllm bench serve --save-result` JSON: its names, latencies in milliseconds, totals of the deployment.

`over="whole_run"` counts as vLLM does (every complete request, first start to last end), but TTFT and E2E
stay from the due time, which is what vLLM's are in a closed loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretoken.load.results.exports.shared import given, latencies

_SELF_NAMED = ("accelerator", "n_gpus", "precision", "engine_version", "tp", "ep", "isl", "osl", "speculative")


def vllm(summary: Mapping[str, Any], point: Mapping[str, Any], over: str = "window") -> dict[str, Any]:
    """One load level as vLLM's client would save it; columns without a name there stand under ours."""
    amounts, errors, run = summary["throughput"][over], summary["errors"], summary["run"]
    closed = point["load_kind"] == "closed"
    return {
        "date": _stamp(run.get("started")),
        "backend": point["engine"],
        "endpoint_type": run.get("api") or "openai",
        "label": None,
        "model_id": point["model_variant"] or point["model"],
        "tokenizer_id": run.get("tokenizer") or point["model_variant"] or point["model"],
        "num_prompts": errors["requests"],
        **given({name: point[name] for name in _SELF_NAMED}),
        "request_rate": "inf" if closed else point["request_rate"],
        "burstiness": run.get("burstiness", 1.0),
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


def _stamp(started: str | None) -> str | None:
    """`2026-08-01T09:30:00+00:00` as `20260801-093000`."""
    if not started:
        return None
    digits = "".join(c for c in started[:19] if c.isdigit())
    return f"{digits[:8]}-{digits[8:14]}"
