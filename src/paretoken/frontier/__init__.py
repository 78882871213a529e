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
from paretoken.frontier.question import AXIS_COLUMN, Axis, Question, one_per_load
from paretoken.frontier.verdict import (
    Crossover,
    Field,
    Stretch,
    better_before,
    confidence,
    crossovers,
    field_of,
    pair_crossovers,
    stretches,
)

__all__ = [
    "AXIS_COLUMN",
    "Axis",
    "Candidate",
    "Crossover",
    "Curve",
    "Field",
    "Question",
    "Stretch",
    "absences",
    "best_per_accelerator",
    "better_before",
    "candidates",
    "confidence",
    "crossovers",
    "curves",
    "field_of",
    "from_axis",
    "no_data",
    "one_per_load",
    "pair_crossovers",
    "pareto",
    "stretches",
    "to_axis",
    "tp_label",
]
