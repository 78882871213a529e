"""`vllm bench serve --save-result` JSON (one object, or lines with `--append-result`), and its forks.

`benchmark_serving.py` wrote the same file before. Its first version, of February 2024, named the request throughput
`request_inthroughput`; until September 2024 it wrote `input_throughput` where later ones have
`total_token_throughput`, and neither `failed` nor `max_concurrency`. Some forks name the totals `total_input` and
`total_output`.
"""

from __future__ import annotations

from paretoken.points.importers.drafting import accepted, drafted
from paretoken.points.importers.reading import (
    LevelCounts,
    LevelReading,
    Parsed,
    entries,
    first,
    latencies,
    load_of,
    self_named,
)

NAME = "vLLM bench serve"
ORIGIN = "measured"
_LATENCIES = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2el": "e2e"}
_RATES = {"request_throughput", "request_inthroughput", "output_throughput"}
# `backend` names the client's protocol; these say nothing about what serves.
_PROTOCOLS = ("openai",)


def detects(parsed: Parsed) -> bool:
    """The only client with `completed` beside the totals of tokens that does not count the output twice."""
    keys = first(parsed).keys()
    totals = {"total_input_tokens", "total_output_tokens"} <= keys or {"total_input", "total_output"} <= keys
    return totals and "completed" in keys and bool(_RATES & keys) and "total_output_tokens_retokenized" not in keys


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading for each saved run."""
    return [_reading(at, run) for at, run in enumerate(entries(parsed), start=1)]


def _reading(at: int, run: dict[str, object]) -> LevelReading:
    lengths = {side: run.get(f"random_{word}_len") for side, word in (("isl", "input"), ("osl", "output"))}
    stated = {
        **{side: length for side, length in lengths.items() if length is not None},
        **self_named(run),
        **_load(run),
        **latencies(run, _LATENCIES),
        "model": run.get("model_id"),
        "date": _date(run.get("date")),
        **accepted(run.get("spec_decode_acceptance_length"), run.get("spec_decode_per_position_acceptance_rates")),
    }
    if run.get("tensor_parallel_size") is not None:
        stated.setdefault("tp", run["tensor_parallel_size"])
    totals = {
        "total": run.get("total_token_throughput"),
        "input": run.get("input_throughput"),
        "output": run.get("output_throughput"),
    }
    backend = str(run.get("backend") or run.get("endpoint_type") or "")
    otherwise = {
        **({"engine": backend} if backend and not backend.startswith(_PROTOCOLS) else {}),
        **drafted(run.get("spec_decode_draft_tokens"), run.get("spec_decode_num_drafts")),
    }
    return LevelReading(at, stated, totals, otherwise, counts=_counts(run))


def _counts(run: dict[str, object]) -> LevelCounts:
    return LevelCounts(
        sent=run.get("num_prompts"),
        completed=run.get("completed"),
        failed=run.get("failed"),
        input_tokens=run.get("total_input_tokens", run.get("total_input")),
        output_tokens=run.get("total_output_tokens", run.get("total_output")),
        duration_s=run.get("duration"),
    )


def _load(run: dict[str, object]) -> dict[str, object]:
    """The load; a ramp is an open loop without one rate, though its file says `inf`."""
    if run.get("ramp_up_strategy"):
        start, end = run.get("ramp_up_start_rps"), run.get("ramp_up_end_rps")
        return {"load_kind": "open", "notes": f"request rate ramps from {start} to {end} per second"}
    return load_of(run.get("request_rate"), run.get("max_concurrency"))


def _date(stamp: object) -> str | None:
    """`20260801-093000` as `2026-08-01`."""
    digits = str(stamp or "")[:8]
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}" if len(digits) == 8 and digits.isdigit() else None
