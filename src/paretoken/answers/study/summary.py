"""The short answer of a study: who has the cheapest tokens, plain and with the best known serving, and by how much."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from paretoken.answers.study.config import SERVING_FILTERS
from paretoken.answers.study.result import Panel, StudyResult
from paretoken.frontier import Segment
from paretoken.significant import significant


def summary_rows(result: StudyResult) -> Iterator[tuple[str | None, ...]]:
    """A row for each model, precision and workload: the three, then (range, verdict) of each bound.

    Each bound is the widest contested range of E2E limits at the first tariff whose verdict is not withheld.
    """
    for _, cell in groupby(result.panels, key=lambda panel: (panel.title, panel.selection.isl, panel.selection.osl)):
        panels = {panel.scenario.name: panel for panel in cell}
        first = next(iter(panels.values()))
        bounds = [panels.get(name) for name in SERVING_FILTERS if name in result.study.scenarios]
        yield (first.model, first.selection.precision, first.workload, *(t for panel in bounds for t in _bound(panel)))


def _bound(panel: Panel | None) -> tuple[str | None, str]:
    """(range of limits, winner with its margin and verdict) of a bound; no range without a panel or a verdict."""
    if panel is None:
        return None, "the same"
    verdict = next(v for v in panel.verdicts if v.axis == "e2e")
    for s in widest(verdict.segments, 1):
        predicted = f" ({s.origin})" if s.origin != "published" else ""
        word = s.confidence + (", fragile" if s.fragile else "") + (", data end" if s.data_end else "")
        return (
            f"{significant(s.low_s, 3)} – {significant(s.high_s, 3)}",
            f"{s.winner} {s.engine}{predicted} {s.margin:+.0%}, {word}",
        )
    return None, "withheld" if any(s.withheld for s in verdict.segments) else "uncontested"


def widest(segments: tuple[Segment, ...], n: int = 1) -> list[Segment]:
    """The n contested segments that span the largest ratio of latencies, by rising latency; none that is withheld."""
    contested = [s for s in segments if s.margin is not None and s.withheld is None]
    return sorted(sorted(contested, key=lambda s: s.low_s / s.high_s)[:n], key=lambda s: s.low_s)
