"""The sessions of a run's levels as a table: how they ended, their time and its parts, hits, and their cost."""

from __future__ import annotations

from collections.abc import Mapping

from paretoken.answers.session_cost import SessionCost, session_cost
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.sessions.path import PathPart
from paretoken.bench.stats.sessions.summary import LevelSessions
from paretoken.report.numbers import share_percent, shown
from paretoken.report.run.reading import MeasuredRun
from paretoken.report.run.tables import Grid

PATH: Mapping[PathPart, str] = {
    "ttft": "Queue and prefill",
    "decode": "Decode",
    "unsplit": "Calls, not split",
    "tool": "Tools",
    "wait": "Waiting",
}
HEADS = (
    "Done",
    "Failed",
    "Cut",
    "Sessions/h/GPU",
    "Time p50, s",
    "Time p90, s",
    *PATH.values(),
    "First TTFT, ms",
    "Later TTFT, ms",
    "Hits found",
    "Hits possible",
    "Found of possible",
)


def sessions_grid(run: MeasuredRun) -> Grid | None:
    """A row for each level; None where no level has sessions. A part of the path that no level has is left out."""
    levels = [(name, s, s.sessions) for name, s in zip(run.names, run.summaries, strict=True)]
    if not any(sessions for _, _, sessions in levels):
        return None
    rows = [(name, _cells(sessions), bool(s.failed)) for name, s, sessions in levels if sessions]
    empty = [i for i, head in enumerate(HEADS) if head in PATH.values() and all(c[i] == "–" for _, c, _ in rows)]
    kept = [i for i in range(len(HEADS)) if i not in empty]
    return Grid(
        tuple(HEADS[i] for i in kept), tuple((n, tuple(c[i] for i in kept), doubtful) for n, c, doubtful in rows)
    )


def session_notes(run: MeasuredRun) -> list[str]:
    """What to know of the table: of which sessions it is, where hits are from, what a session costs."""
    of = [s for s in run.summaries if s.sessions]
    notes = [
        f"Figures of the sessions that ended {_where(of)}. The parts are shares of the critical path. TTFTs are "
        "medians of first calls and of later ones."
    ]
    notes += dict.fromkeys(f"{why[0].upper()}{why[1:]}." for s in of if s.sessions and (why := s.sessions.why_unknown))
    costs = [(name, cost) for name, s in zip(run.names, run.summaries, strict=True) if (cost := cost_at_level(s))]
    if costs:
        price = f"${shown(costs[0][1].usd_per_gpu_h)} per GPU-hour ({costs[0][1].basis})"
        listed = ", ".join(f"${shown(cost.usd)} at {name}" for name, cost in costs)
        notes.append(f"Cost of a session at {price}: {listed}.")
    return notes


def _where(levels: list[LevelSummary]) -> str:
    spans = {s.sessions.span for s in levels if s.sessions}
    if len(spans) > 1:
        return "in the steady window, or in the whole run where the window is too short for them"
    return "in the steady window" if spans == {"window"} else "in the whole run"


def _cells(sessions: LevelSessions) -> tuple[str, ...]:
    counts, times, reuse = sessions.counts, sessions.time_s, sessions.reuse
    ttft = (sessions.ttft.first.p50, sessions.ttft.later.p50)
    return (
        f"{counts.done:,}",
        f"{counts.failed:,}",
        f"{counts.cut:,}",
        shown(sessions.per_gpu_hour),
        shown(times.p50),
        shown(times.p90),
        *(share_percent(sessions.path[part]) if sessions.path.get(part) else "–" for part in PATH),
        *(shown(None if s is None else s * 1000) for s in ttft),
        *(share_percent(share) for share in (reuse.found_share, reuse.possible_share, reuse.found_of_possible)),
    )


def cost_at_level(s: LevelSummary) -> SessionCost | None:
    """What a session of a level costs; None without a price or without sessions."""
    return session_cost(str(s.columns.get("accelerator") or ""), s.sessions.per_gpu_hour if s.sessions else None)
