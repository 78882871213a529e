"""The short answer of a study: who wins where, and by how much."""

from __future__ import annotations

from collections.abc import Iterator

from paretoken.answers.study.result import StudyResult
from paretoken.frontier import Segment

ROWS_PER_PANEL = 3


def summary_rows(result: StudyResult) -> Iterator[tuple[str | None, ...]]:
    """The widest contested segments of each panel by E2E latency at the first tariff, as table rows."""
    for panel in result.panels:
        verdict = next(v for v in panel.verdicts if v.axis == "e2e")
        for s in widest(verdict.segments):
            yield (
                panel.model,
                panel.selection.precision,
                panel.workload,
                panel.scenario.name,
                f"{s.low_s:.3g} – {s.high_s:.3g}",
                s.winner,
                s.engine if s.origin == "published" else f"{s.engine} ({s.origin})",
                s.runner_up,
                f"{s.margin:+.0%}",
                s.confidence + (", fragile" if s.fragile else ""),
            )


def widest(segments: tuple[Segment, ...], n: int = ROWS_PER_PANEL) -> list[Segment]:
    """The n contested segments that span the largest ratio of latencies, by rising latency; none that is withheld."""
    contested = [s for s in segments if s.margin is not None and s.withheld is None]
    return sorted(sorted(contested, key=lambda s: s.low_s / s.high_s)[:n], key=lambda s: s.low_s)
