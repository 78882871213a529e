"""llmperf's `*_summary.json`: one object of flat keys for one run of `token_benchmark_ray.py`.

Latencies are in seconds. llmperf's `inter_token_latency_s` is the whole time of a request, with the wait for the first
token, over all its tokens: neither a TPOT nor a gap between chunks, so it is not read. The mean TPOT is computed
from the means that the file states, (E2E - TTFT) / (tokens - 1), which weights requests by their tokens.
"""

from __future__ import annotations

from datetime import UTC, datetime

from paretoken.points.importers.figures import error_rate, statistics, without_nothing
from paretoken.points.importers.reading import LevelReading, Parsed, entries, failures, first, joined, ratio
from paretoken.points.values import number

NAME = "llmperf"
ORIGIN = "measured"
_LATENCIES = {"ttft_s": "ttft", "end_to_end_latency_s": "e2e"}
_TPOT_NOTE = "mean TPOT computed from the means of E2E, TTFT and output tokens"
_SECONDS_A_MINUTE = 60
_DEEPEST = 3


def detects(parsed: Parsed) -> bool:
    """Settings of llmperf beside its results, flat or not."""
    document = _flat(first(parsed))
    return {"num_concurrent_requests", "mean_input_tokens", "results_num_requests_started"} <= document.keys()


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading for each summary."""
    return [_reading(at, _flat(run)) for at, run in enumerate(entries(parsed), start=1)]


def _flat(document: dict[str, object], depth: int = 0) -> dict[str, object]:
    """Keys of nested objects, down to results > metric > quantiles, joined by `_`, as llmperf writes them."""
    flat: dict[str, object] = {}
    for key, value in document.items():
        nested = _flat(value, depth + 1) if isinstance(value, dict) and depth < _DEEPEST else None
        flat |= {key: value} if nested is None else {f"{key}_{name}": v for name, v in nested.items()}
    return flat


def _reading(at: int, run: dict[str, object]) -> LevelReading:
    means = {
        f"mean_{side}": run.get(f"results_number_{word}_tokens_mean")
        for side, word in (("isl", "input"), ("osl", "output"))
    }
    latencies = {k: v for theirs, ours in _LATENCIES.items() for k, v in statistics(_of(run, theirs), ours).items()}
    tpot = _mean_tpot(latencies, means["mean_osl"])
    failed, sent = run.get("results_number_errors"), run.get("results_num_requests_started")
    stated = {
        **{side: run.get(f"mean_{word}_tokens") for side, word in (("isl", "input"), ("osl", "output"))},
        **without_nothing(means),
        "load_kind": "closed",
        "concurrency": run.get("num_concurrent_requests"),
        **latencies,
        **({} if tpot is None else {"mean_tpot_s": tpot}),
        **(error_rate(failed, sent) or {"error_rate": run.get("results_error_rate")}),
        "model": run.get("model"),
        "date": _date(run.get("timestamp")),
        "source_ref": run.get("name"),
        "notes": joined(failures(failed, sent), _TPOT_NOTE if tpot is not None else None),
    }
    return LevelReading(at, stated, _totals(run, means["mean_isl"]))


def _of(run: dict[str, object], metric: str) -> dict[str, object]:
    """The statistics of one metric: its mean and its quantiles."""
    quantiles = {p: run.get(f"results_{metric}_quantiles_{p}") for p in ("p50", "p90", "p95", "p99")}
    return {"mean": run.get(f"results_{metric}_mean"), **quantiles}


def _mean_tpot(latencies: dict[str, object], tokens: object) -> float | None:
    """Mean time per output token after the first, weighted by tokens, in seconds; None where a mean is missing."""
    e2e, ttft, count = number(latencies.get("mean_e2e_s")), number(latencies.get("mean_ttft_s")), number(tokens)
    if e2e is None or ttft is None or count is None or count <= 1 or e2e <= ttft:
        return None
    return (e2e - ttft) / (count - 1)


def _totals(run: dict[str, object], mean_isl: object) -> dict[str, object]:
    """Tokens per second; those of the prompts from the completed requests a minute and their mean length."""
    output = run.get("results_mean_output_throughput_token_per_s")
    rate = ratio(run.get("results_num_completed_requests_per_min"), _SECONDS_A_MINUTE)
    length, out = number(mean_isl), number(output)
    prompts = rate * length if rate is not None and length is not None else None
    total = prompts + out if prompts is not None and out is not None else None
    return without_nothing({"input": prompts, "output": output, "total": total})


def _date(unix: object) -> str | None:
    seconds = number(unix)
    if seconds is None or not 0 < seconds < 1e11:
        return None
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
