"""The figures of one level's summary, by short names, and what may be trusted of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretoken.bench.plan import load_name

Summary = Mapping[str, Any]


def level_name(summary: Summary) -> str:
    """`8 users` or `2.5 req/s`."""
    return load_name(summary["load"])


def load_of(summary: Summary) -> float:
    """Users or requests per second."""
    load = summary["load"]
    return float(load["users"] if load["kind"] == "closed" else load["rate"])


def stat(summary: Summary, metric: str, statistic: str) -> float | None:
    """A latency in seconds: `stat(s, "ttft", "p99")`."""
    return (summary["latency"].get(f"{metric}_s") or {}).get(statistic)


def stat_ms(summary: Summary, metric: str, statistic: str) -> float | None:
    """The same in milliseconds."""
    value = stat(summary, metric, statistic)
    return None if value is None else value * 1000


def interactivity(summary: Summary) -> float | None:
    """Tokens per second that the median request saw."""
    return (summary["latency"].get("interactivity_tok_s") or {}).get("p50")


def per_gpu(summary: Summary, side: str, part: str = "window") -> float | None:
    """`output`, `total` or `input` tokens per second and GPU over a part of the level."""
    return summary["throughput"][part].get(f"{side}_tok_s_per_gpu")


def interval_per_gpu(summary: Summary, side: str) -> tuple[float, float] | None:
    """The 95 % interval of that, over the window."""
    found = (summary.get("intervals") or {}).get(f"{side}_tok_s")
    n = summary["n_gpus"]
    return None if not found or found["low"] is None else (found["low"] / n, found["high"] / n)


def half_width(summary: Summary) -> float | None:
    """Half of the 95 % interval of output throughput, as a share of it."""
    found, value = interval_per_gpu(summary, "output"), per_gpu(summary, "output")
    return (found[1] - found[0]) / 2 / value if found and value else None


def failed(summary: Summary) -> str | None:
    """Why the level does not count, if it does not."""
    return summary.get("failed")


def steady(summary: Summary) -> bool:
    return bool(summary["window"]["steady"])


def limited(summary: Summary) -> bool:
    """Whether the client set the limit."""
    return bool((summary.get("fidelity") or {}).get("client_limited"))


def client(summary: Summary) -> str:
    """`ok`, `limited`, or a dash where the level holds no proof."""
    return "limited" if limited(summary) else "ok" if summary.get("fidelity") else "–"


def sound(summary: Summary) -> bool:
    """Whether the level counts, is steady, and was limited by the server alone."""
    return not failed(summary) and steady(summary) and not limited(summary)
