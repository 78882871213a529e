"""How a run was made: command, seed, versions, host, clock, servers; nothing secret."""

from __future__ import annotations

from collections.abc import Mapping

from paretoken.bench.metadata import ServerIdentity
from paretoken.report.run.answer import engine_of, lengths_of, model_of, where_of
from paretoken.report.run.reading import MeasuredRun
from paretoken.secret_names import without_secrets

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
    """(label, value) in the order of reading."""
    first, origin = run.levels[0].summary, run.origin
    rows = [
        ("Command", origin.command),
        ("Model", model_of(run)),
        ("Server", "; ".join(_server(s) for s in origin.servers) or engine_of(run)),
        ("Accelerator", where_of(run)),
        ("Lengths", lengths_of(run)),
        ("Settings", _settings(run.config)),
        ("Seed", str(first.seed)),
        ("Started", origin.started),
        ("Client’s host", _host(origin.host)),
        ("Clock", origin.clock),
        ("Measured by", f"{first.tool.name} {first.tool.version}".strip()),
        ("Accuracy gate", _gate(run)),
        ("Notes", "; ".join(run.metadata.notes)),
    ]
    return [(label, without_secrets(value)) for label, value in rows if value]


def errors(run: MeasuredRun) -> list[tuple[str, str, int, str]]:
    """(level, status, count, message of the first) of every way in which requests failed."""
    return [
        (name, status, n, without_secrets(summary.errors.detail.get(status) or ""))
        for name, summary in zip(run.names, run.summaries, strict=True)
        for status, n in summary.errors.by_status.items()
    ]


def _server(server: ServerIdentity) -> str:
    kind = " ".join(part for part in (server.dialect, server.version) if part)
    models = ", ".join(server.models)
    return f"{server.base_url} ({kind or 'unknown engine'}{f'; serves {models}' if models else ''})"


def _gate(run: MeasuredRun) -> str | None:
    if run.gate is None:
        return None
    tiers = ", ".join(f"{v.title} {v.verdict}" for v in run.gate.tiers)
    return f"{run.gate.verdict} on {run.gate.made} ({tiers})"


def _host(host: Mapping[str, str]) -> str:
    return ", ".join(f"Python {v}" if k == "python" else v for k, v in host.items() if v)


def _settings(config: Mapping[str, object]) -> str:
    return ", ".join(f"{k} {config[k]}" for k in SHOWN if config.get(k) not in (None, "", (), []))
