"""One load level as a row of the schema of operating points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from paretoken.bench.plan import LoadRecord
from paretoken.bench.stats.level_summary import LevelSummary, MeanLengths, PointRow
from paretoken.bench.stats.quantiles import POINT_NAMES
from paretoken.bench.stats.sessions.summary import LevelSessions
from paretoken.bench.stats.speculation import LevelSpeculation
from paretoken.errors import BadConfig, nearest
from paretoken.points.acceptance import shares_text, whole_tokens
from paretoken.points.schema import BY_NAME, STORED, conform
from paretoken.points.server_config import ACTIVE
from paretoken.points.unstated import NONE

NOTED = (
    "buffered",
    "hidden_reasoning",
    "no_steady_state",
    "client_limited",
    "errors",
    "cache_hits",
    "preemptions",
    "short_output",
    "drafts",
    "no_acceptance",
    "draft_length",
)
"""Warnings that stay with a point, in its `notes`."""
UNNAMED_WORKLOAD = "sessions"
"""The workload of sessions whose trace has no name."""


def operating_point(summary: LevelSummary) -> PointRow:
    """Every stored column, None where it is unknown. Figures that must be above 0 are None where they are not."""
    columns, lengths = summary.columns, summary.lengths
    _check(columns)
    notes = [str(columns["notes"])] if columns.get("notes") else []
    row = {
        "source": "paretoken bench",
        "accelerator": "unknown",
        "engine": "unknown",
        "origin": "measured",
        **columns,
        "n_gpus": summary.n_gpus,
        "mean_isl": lengths.mean_isl,
        "mean_osl": lengths.mean_osl,
        **_nominal(columns, lengths),
        **_load(summary.load),
        **_figures(summary),
        **_sessions(summary.sessions, summary),
        **_drafting(summary.speculation, columns),
        "error_rate": summary.errors.rate,
        "notes": "; ".join(notes + [w.text for w in summary.warnings if w.code in NOTED]) or None,
    }
    return {c.name: _allowed(c.name, row.get(c.name)) for c in STORED}


def points_frame(points: Sequence[PointRow]) -> pl.DataFrame:
    """Rows of `operating_point` as a table of the schema."""
    return conform(pl.DataFrame(list(points), schema={c.name: c.dtype for c in STORED}))


def _check(columns: Mapping[str, object]) -> None:
    for name in columns:
        if name not in BY_NAME or BY_NAME[name].derived:
            near = nearest(name, [c.name for c in STORED])
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise BadConfig(f"{name!r} is not a column of an operating point{hint}")


def _nominal(columns: Mapping[str, object], lengths: MeanLengths) -> dict[str, object]:
    """Nominal lengths: those of the workload, else the mean planned, else the mean counted."""
    means = {"isl": lengths.planned_isl or lengths.mean_isl, "osl": lengths.planned_osl or lengths.mean_osl}
    return {side: columns.get(side) or (max(round(mean), 1) if mean else None) for side, mean in means.items()}


def _load(load: LoadRecord) -> dict[str, object]:
    if load.kind == "closed":
        return {"load_kind": "closed", "concurrency": load.size, "request_rate": None}
    return {"load_kind": "open", "concurrency": None, "request_rate": load.rate}


def _sessions(sessions: LevelSessions | None, summary: LevelSummary) -> dict[str, object]:
    """Columns of a load of sessions, which always has a workload: no request of nominal lengths compares with it."""
    if sessions is None:
        return {}
    times = {f"{theirs}_session_s": sessions.time_s.statistic(ours) for ours, theirs in POINT_NAMES.items()}
    return {
        "workload": summary.columns.get("workload") or UNNAMED_WORKLOAD,
        "sessions": summary.load.size if summary.load.kind == "closed" else None,
        "concurrency": summary.window.mean_in_flight if summary.load.kind == "closed" else None,
        **{name: value for name, value in times.items() if name in BY_NAME},
        "sessions_per_gpu_hour": sessions.per_gpu_hour,
        "cached_share": sessions.reuse.found_share,
        "possible_share": sessions.reuse.possible_share,
    }


def _figures(summary: LevelSummary) -> dict[str, object]:
    window = summary.throughput.window
    latencies = {
        f"{theirs}_{metric}_s": distribution.statistic(ours)
        for metric, distribution in summary.latency.by_metric.items()
        for ours, theirs in POINT_NAMES.items()
    }
    return {
        "total_tput_per_gpu_tok_s": window.total_tok_s_per_gpu,
        "input_tput_per_gpu_tok_s": window.input_tok_s_per_gpu,
        "output_tput_per_gpu_tok_s": window.output_tok_s_per_gpu,
        **latencies,
    }


def _drafting(drafted: LevelSpeculation | None, columns: Mapping[str, object]) -> dict[str, object]:
    """Columns from the server's counters of speculative decoding; a stated method and K take precedence."""
    if drafted is None or not drafted.drafting:
        return {}
    method = columns.get("speculative")
    return {
        "speculative": ACTIVE if method in (None, NONE) else method,
        "speculative_tokens": columns.get("speculative_tokens") or whole_tokens(drafted.drafted_per_step),
        "acceptance_length": drafted.acceptance_length,
        "acceptance_by_position": shares_text(drafted.acceptance_by_position),
    }


def _allowed(name: str, value: object) -> str | int | float | bool | None:
    """The value, or None where the schema requires more than 0 and it is not."""
    if not isinstance(value, (str, int, float, bool)):
        return None
    positive = BY_NAME[name].rule == "positive"
    return None if positive and not isinstance(value, str) and not value > 0 else value
