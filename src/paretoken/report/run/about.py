"""How a run was made: command, seed, versions, host, clock, servers; nothing secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretoken.report.run.answer import engine_of, lengths_of, model_of, where_of
from paretoken.report.run.reading import MeasuredRun
from paretoken.report.run.secret import without_secrets

SHOWN = (
    "api",
    "stream",
    "workload",
    "isl",
    "osl",
    "prefix_share",
    "trace",
    "arrivals",
    "think_s",
    "ignore_eos",
    "temperature",
    "extra_body",
    "workers",
    "balance",
    "repeat",
    "max_error_rate",
)
"""Settings that shape the figures."""


def facts(run: MeasuredRun) -> list[tuple[str, str]]:
    """(what, value) in the order of reading."""
    first = run.levels[0].summary
    tool = first.get("tool") or {}
    rows = [
        ("Command", run.run.get("command")),
        ("Model", model_of(run)),
        ("Server", "; ".join(_server(s) for s in run.run.get("servers") or []) or engine_of(run)),
        ("Accelerator", where_of(run)),
        ("Lengths", lengths_of(run)),
        ("Settings", _settings(run.config)),
        ("Seed", first.get("seed")),
        ("Started", run.run.get("started")),
        ("Client’s host", _host(run.run.get("host") or {})),
        ("Clock", run.run.get("clock")),
        ("Measured by", f"{tool.get('name', 'paretoken')} {tool.get('version', '')}".strip()),
        ("Accuracy gate", _gate(run)),
        ("Notes", "; ".join(map(str, run.about.get("notes") or []))),
    ]
    return [(name, without_secrets(str(value))) for name, value in rows if value not in (None, "")]


def errors(run: MeasuredRun) -> list[tuple[str, str, int, str]]:
    """(level, status, how many, the first one's words) of every way in which requests failed."""
    return [
        (name, status, n, without_secrets((level.summary["errors"].get("detail") or {}).get(status) or ""))
        for name, level in zip(run.names, run.levels, strict=True)
        for status, n in level.summary["errors"]["by_status"].items()
    ]


def _server(server: Mapping[str, Any]) -> str:
    kind = " ".join(str(server[k]) for k in ("dialect", "version") if server.get(k))
    models = ", ".join(map(str, server.get("models") or []))
    return f"{server.get('base_url', '?')} ({kind or 'kind unknown'}{f'; serves {models}' if models else ''})"


def _gate(run: MeasuredRun) -> str | None:
    if run.gate is None:
        return None
    tiers = ", ".join(f"{v.title} {v.verdict}" for v in run.gate.tiers)
    return f"{run.gate.verdict} on {run.gate.made} ({tiers})"


def _host(host: Mapping[str, Any]) -> str:
    return ", ".join(f"Python {v}" if k == "python" else str(v) for k, v in host.items() if v)


def _settings(config: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} {config[k]}" for k in SHOWN if config.get(k) not in (None, "", (), []))
