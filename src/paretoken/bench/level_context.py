"""What the settings of a run say of each of its levels: which must be equal to be compared, and when one failed."""

from __future__ import annotations

from dataclasses import fields

from paretoken.bench.config import OSL, BenchConfig
from paretoken.bench.stats.level_summary import ErrorSummary
from paretoken.sessions.label import SAMPLE_SESSIONS

_COMPARED = (
    "api",
    "stream",
    "workload",
    "isl",
    "osl",
    "prefix_share",
    "prefixes",
    "trace",
    "ignore_eos",
    "min_tokens",
    "temperature",
    "prompt_unit",
    "gpus",
    "turns",
    "arrivals",
    "idle_cap_s",
)


_COMPARED_IF_STATED = ("answers", "sessions", "session_seed", "trace_speed", "images", "batch", "adapters")
"""Settings that levels of earlier versions lack: a level states them where they are not the default."""


def compared_settings(config: BenchConfig) -> dict[str, object]:
    """The settings that must be equal for two runs to be compared."""
    values = config.as_dict() | ({"sessions": None} if config.sessions == SAMPLE_SESSIONS else {})
    stated = [f.name for f in fields(config) if f.name in _COMPARED_IF_STATED and values[f.name] != f.default]
    return {name: values[name] for name in (*_COMPARED, *stated)} | {"osl": config.osl or OSL}


def why_failed(errors: ErrorSummary, max_error_rate: float, seconds: float | None) -> str:
    """Why a level does not count, empty where it does."""
    if not errors.requests:
        return "no request was due" + (f" within {seconds:g} s" if seconds else "")
    if errors.rate > max_error_rate:
        return f"{errors.rate:.1%} of the requests that ended failed, more than --max-error-rate {max_error_rate:.1%}"
    return "" if errors.ok else f"no request of {errors.requests} was answered completely"
