"""`vllm bench serve --save-result` JSON (one object, or lines with `--append-result`), and its forks."""

from __future__ import annotations

from paretoken.points.importers.reading import (
    LevelReading,
    Parsed,
    entries,
    failures,
    first,
    joined,
    latencies,
    load_of,
    mean_lengths,
    nominal,
    ratio,
    self_named,
)
from paretoken.points.values import number

NAME = "vLLM bench serve"
ORIGIN = "measured"
_LATENCIES = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2el": "e2e"}
# `backend` names the client's protocol; these say nothing about what serves.
_PROTOCOLS = ("openai",)


def detects(parsed: Parsed) -> bool:
    """The only client with `total_token_throughput` beside `total_input_tokens`."""
    return {"total_token_throughput", "total_input_tokens", "output_throughput"} <= first(parsed).keys()


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading for each saved run."""
    return [_reading(at, run) for at, run in enumerate(entries(parsed), start=1)]


def _reading(at: int, run: dict[str, object]) -> LevelReading:
    means = mean_lengths(run)
    lengths = {side: run.get(f"random_{word}_len") for side, word in (("isl", "input"), ("osl", "output"))}
    load = _load(run)
    stated = {
        **{side: length for side, length in lengths.items() if length is not None},
        **self_named(run),
        **means,
        **load,
        **latencies(run, _LATENCIES),
        "model": run.get("model_id"),
        "date": _date(run.get("date")),
        "notes": joined(failures(*_failed(run)), load.get("notes")),
    }
    if run.get("tensor_parallel_size") is not None:
        stated.setdefault("tp", run["tensor_parallel_size"])
    totals = {
        "total": run.get("total_token_throughput"),
        "output": run.get("output_throughput"),
        "input": ratio(run.get("total_input_tokens"), run.get("duration")),
    }
    backend = str(run.get("backend") or run.get("endpoint_type") or "")
    engine = {"engine": backend} if backend and not backend.startswith(_PROTOCOLS) else {}
    return LevelReading(at, stated, totals, {**nominal(means), **engine})


def _load(run: dict[str, object]) -> dict[str, object]:
    """The load; a ramp is an open loop without one rate, though its file says `inf`."""
    if run.get("ramp_up_strategy"):
        start, end = run.get("ramp_up_start_rps"), run.get("ramp_up_end_rps")
        return {"load_kind": "open", "notes": f"request rate ramps from {start} to {end} per second"}
    return load_of(run.get("request_rate"), run.get("max_concurrency"))


def _failed(run: dict[str, object]) -> tuple[object, object]:
    """Failed requests and all of them; older versions state only those asked for and those completed."""
    done, sent, failed = (number(run.get(key)) for key in ("completed", "num_prompts", "failed"))
    if failed is not None and done is not None:
        return failed, done + failed
    return (sent - done, sent) if sent is not None and done is not None else (failed, sent)


def _date(stamp: object) -> str | None:
    """`20260801-093000` as `2026-08-01`."""
    digits = str(stamp or "")[:8]
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}" if len(digits) == 8 and digits.isdigit() else None
