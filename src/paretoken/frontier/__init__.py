"""Frontiers: Pareto sets, throughput at any latency between their points, comparison, crossovers, verdicts."""

from paretoken.frontier.compare import (
    Candidate,
    absences,
    best_per_accelerator,
    candidates,
    from_axis,
    no_data,
    to_axis,
    tp_label,
)
from paretoken.frontier.curve import Curve, curves
from paretoken.frontier.pareto import pareto
from paretoken.frontier.verdict import (
    Crossover,
    CurveGrid,
    Segment,
    Verdict,
    confidence,
    crossovers,
    curve_grid,
    segments,
    verdict_at,
)
from paretoken.points.selection import AXIS_COLUMN, Axis, Selection, one_per_load

__all__ = [
    "AXIS_COLUMN",
    "Axis",
    "Candidate",
    "Crossover",
    "Curve",
    "CurveGrid",
    "Segment",
    "Selection",
    "Verdict",
    "absences",
    "best_per_accelerator",
    "candidates",
    "confidence",
    "crossovers",
    "curve_grid",
    "curves",
    "from_axis",
    "no_data",
    "one_per_load",
    "pareto",
    "segments",
    "to_axis",
    "tp_label",
    "verdict_at",
]
