"""The comparisons of a check as test cases, which every report for a CI system is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from paretoken.bench.plan import load_name
from paretoken.history.at_latency import ThroughputChange
from paretoken.history.at_load import RunComparison


@dataclass(frozen=True, slots=True)
class CheckCase:
    """One comparison: what it is of (a load or a configuration), its name in there, and its sentence.

    `regression` is whether it failed, `skipped` whether too few requests allow it.
    """

    of: str
    name: str
    text: str
    regression: bool = False
    skipped: bool = False


def check_cases(changes: Sequence[ThroughputChange], comparison: RunComparison | None) -> list[CheckCase]:
    """Every comparison at equal latency, or at equal load; `of` and `name` together are unique."""
    at_latency = [CheckCase(c.configuration, f"throughput at {c.latency}", str(c), c.regression) for c in changes]
    return [*at_latency, *(_at_load(comparison) if comparison else ())]


def _at_load(comparison: RunComparison) -> Iterator[CheckCase]:
    for level in comparison.broken:
        yield CheckCase(level.load, level.part, level.text, regression=True)
    for difference in comparison.differences:
        yield CheckCase(load_name(*difference.load), difference.figure, str(difference), difference.regression)
    for scarce in comparison.scarce:
        for figure in scarce.figures:
            yield CheckCase(load_name(*scarce.load), figure, str(scarce), skipped=True)
