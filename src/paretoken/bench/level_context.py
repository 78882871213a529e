"""What the settings of a run say of each of its levels: which must be equal to be compared, and when one failed."""

from __future__ import annotations

from paretoken.bench.config import OSL, BenchConfig
from paretoken.bench.stats.level_summary import ErrorSummary

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


def compared_settings(config: BenchConfig) -> dict[str, object]:
    """The settings that must be equal for two runs to be compared."""
    settings = {k: v for k, v in config.as_dict().items() if k in _COMPARED} | {"osl": config.osl or OSL}
    # Runs before there was a choice had the answers of the trace.
    return settings | ({"answers": config.answers} if config.answers != "trace" else {})


def why_failed(errors: ErrorSummary, max_error_rate: float, seconds: float | None) -> str:
    """Why a level does not count, empty where it does."""
    if not errors.requests:
        return "no request was due" + (f" within {seconds:g} s" if seconds else "")
    if errors.rate > max_error_rate:
        return f"{errors.rate:.1%} of requests failed, more than --max-error-rate {max_error_rate:.1%}"
    return "" if errors.ok else f"no request of {errors.requests} was answered completely"
