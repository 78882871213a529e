"""In what runs differ: what was asked of the server, the system that answered, and how it was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from paretoken.report.run.answer import engine_of, lengths_of, model_of
from paretoken.report.run.reading import MeasuredRun, failed_gate
from paretoken.secret_names import without_secrets

QUESTION, SYSTEM, METHOD = "Question", "System", "Measurement"
NOT_STATED = "not stated"
_SYSTEM_COLUMNS = {
    "tp": "Tensor parallelism",
    "pp": "Pipeline parallelism",
    "ep": "Expert parallelism",
    "dp_attention": "Attention data parallelism",
    "speculative": "Speculative decoding",
    "speculative_tokens": "Draft tokens",
    "draft_model": "Draft model",
    "kv_cache_dtype": "KV cache format",
    "disaggregated": "Disaggregated",
    "multinode": "Multi-node",
}
_METHOD_SETTINGS = {
    "api": "API",
    "stream": "Streamed",
    "prompt_unit": "Prompts of",
    "ignore_eos": "End-of-sequence ignored",
    "min_tokens": "Minimum of tokens",
    "temperature": "Temperature",
    "extra_body": "Extra fields of the request",
    "think_s": "Think time, s",
    "arrivals": "Arrivals",
    "warmup_per_user": "Warm-up requests a user",
    "until": "Until",
    "slo": "SLOs",
    "workers": "Client processes",
    "timeout_s": "Time-out, s",
    "balance": "Balancing",
    "repeat": "Repeats",
    "max_error_rate": "Errors allowed",
}


@dataclass(frozen=True, slots=True)
class RunDifference:
    """One attribute in which runs differ: its kind, its name, and the value of each run."""

    kind: str
    name: str
    values: tuple[str, ...]


def differences(runs: Sequence[MeasuredRun]) -> list[RunDifference]:
    """What differs between runs, the question first; empty for a single run."""
    rows = [
        RunDifference(kind, name, tuple(without_secrets(_text(value(run))) for run in runs))
        for kind, name, value in _attributes()
    ]
    return [row for row in rows if len(set(row.values)) > 1]


def question_of(run: MeasuredRun) -> str:
    """`llama-3-70b FP8, ISL 1024, OSL 1024`: what throughput and latency depend on and no server can change."""
    return f"{_model(run)} {_precision(run)}".strip() + f", {_workload(run)}"


def questions(runs: Sequence[MeasuredRun]) -> dict[str, list[int]]:
    """The places of the runs by their question; runs of one question may be drawn over each other."""
    groups: dict[str, list[int]] = {}
    for place, run in enumerate(runs):
        groups.setdefault(question_of(run), []).append(place)
    return groups


def _attributes() -> list[tuple[str, str, Callable[[MeasuredRun], object]]]:
    return [
        (QUESTION, "Model", _model),
        (QUESTION, "Precision", lambda run: _precision(run) or None),
        (QUESTION, "Workload", _workload),
        (SYSTEM, "Accelerator", lambda run: run.columns.get("accelerator")),
        (SYSTEM, "GPUs", lambda run: run.levels[0].summary.n_gpus),
        (SYSTEM, "Engine", engine_of),
        *((SYSTEM, name, _column(key)) for key, name in _SYSTEM_COLUMNS.items()),
        (SYSTEM, "Origin", lambda run: "emulated" if run.emulated else "measured"),
        (SYSTEM, "Accuracy gate", lambda run: "failed" if failed_gate(run) else run.gate and run.gate.verdict),
        *((METHOD, name, _setting(key)) for key, name in _METHOD_SETTINGS.items()),
        (METHOD, "Load", lambda run: f"{run.levels[0].summary.load.kind} loop"),
        (METHOD, "Seed", lambda run: run.levels[0].summary.seed),
        (METHOD, "paretoken", lambda run: run.levels[0].summary.tool.version),
        (METHOD, "Client’s host", lambda run: run.origin.host.get("node")),
        (METHOD, "Clock", lambda run: run.origin.clock),
        (METHOD, "Date", lambda run: str(run.origin.started or run.columns.get("date") or "")[:10]),
    ]


def _column(key: str) -> Callable[[MeasuredRun], object]:
    return lambda run: run.columns.get(key)


def _setting(key: str) -> Callable[[MeasuredRun], object]:
    return lambda run: run.config.get(key)


def _model(run: MeasuredRun) -> str:
    return str(run.columns.get("model") or model_of(run))


def _precision(run: MeasuredRun) -> str:
    return str(run.columns.get("precision") or "").upper()


def _workload(run: MeasuredRun) -> str:
    """Lengths, and what else the prompts were: a trace, turns, a shared prefix."""
    config = run.config
    parts = [lengths_of(run)]
    if config.get("trace"):
        parts.append(f"trace {config['trace']}")
    if config.get("turns"):
        parts.append(f"{config['turns']} turns")
    if config.get("prefix_share"):
        parts.append(f"{_text(config['prefix_share'])} of the prompt shared")
    return ", ".join(parts)


def _text(value: object) -> str:
    """The value for a reader; what is absent and what is empty are not stated."""
    if value is None or value in ("", (), [], "unknown"):
        return NOT_STATED
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return str(value)
