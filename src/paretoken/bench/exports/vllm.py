"""`vllm bench serve --save-result` JSON: its names, latencies in milliseconds, totals of the deployment.

`over="whole_run"` counts as vLLM does (every complete request, first start to last end), but TTFT and E2E
stay from the due time, which is what vLLM's are in a closed loop.
"""

from __future__ import annotations

import math
import time

from paretoken.bench.exports.shared import Span, amounts, latencies, without_none
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.workload.gaps import burstiness
from paretoken.points.importers.reading import SELF_NAMED


def vllm(summary: LevelSummary, over: Span = "window") -> dict[str, object]:
    """One load level as vLLM's client would save it; columns that vLLM has no name for keep ours."""
    point, load, errors, span = summary.point, summary.load, summary.errors, amounts(summary, over)
    closed = load.kind == "closed"
    model = point["model_variant"] or point["model"]
    return {
        "date": _stamp(summary.run.t0_unix_s),
        "backend": point["engine"],
        "endpoint_type": "openai",
        "label": None,
        "model_id": model,
        "tokenizer_id": model,
        # Readers take a prompt that is neither completed nor failed for a failure.
        "num_prompts": span.requests + errors.failed,
        **without_none({name: point[name] for name in SELF_NAMED}),
        "request_rate": "inf" if closed else point["request_rate"],
        "burstiness": _burstiness(str(summary.config.get("arrivals", "poisson"))),
        "max_concurrency": load.users if closed else None,
        "duration": span.seconds,
        "completed": span.requests,
        "failed": errors.failed,
        "total_input_tokens": round(span.input_tokens),
        "total_output_tokens": round(span.output_tokens),
        "request_throughput": span.requests_s,
        "request_goodput": summary.goodput.requests_s if summary.goodput else None,
        "output_throughput": span.output_tok_s,
        "total_token_throughput": span.total_tok_s,
        **latencies(summary, over, "_ms", 1000.0),
        "measured_over": over,
    }


def _stamp(began_unix_s: float | None) -> str | None:
    """When the level began, by the local clock as vLLM has it: `20260801-093000`."""
    return None if began_unix_s is None else time.strftime("%Y%m%d-%H%M%S", time.localtime(began_unix_s))


def _burstiness(arrivals: str) -> float | str | None:
    """The shape of gamma gaps: 1 is Poisson, "inf" constant; None for the times of a trace."""
    value = burstiness(arrivals)
    return "inf" if value == math.inf else value
