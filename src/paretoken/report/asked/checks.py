"""`check` for a reader: the verdict and every comparison, as the page of two runs shows them."""

from __future__ import annotations

from collections.abc import Iterator

from paretoken.answers.check import CheckAnswer, CheckQuestion
from paretoken.bench.plan import load_name
from paretoken.report.asked.view import AnswerTable, AnswerView
from paretoken.report.run.change import change_rows, percent_change

LATENCY_HEADS = ("Configuration", "At", "Baseline", "New", "Change", "Interval", "Verdict")
LOAD_HEADS = ("Load", "Figure", "Baseline", "New", "Change", "95 % interval", "Verdict")
AT_LATENCY, AT_LOAD = "Total tok/s/GPU at equal latency", "Side by side at equal load"
ONE_RUN = "One run of a side does not show the noise between runs."


def check_view(answer: CheckAnswer, question: CheckQuestion) -> AnswerView:
    """The conclusion, what regressed, and a table of the comparisons at equal latency or at equal load."""
    return AnswerView(
        lead=(f"{answer.conclusion}.", *answer.regressions),
        notes=tuple(_notes(answer)),
        tables=(_at_latency(answer), _at_load(answer)),
    )


def _notes(answer: CheckAnswer) -> Iterator[str]:
    if answer.why_at_load:
        yield f"Compared at equal load, since {answer.why_at_load}."
    if any(min(change.runs) == 1 for change in answer.changes):
        yield ONE_RUN
    if comparison := answer.comparison:
        yield from (f"differs: {difference}" for difference in comparison.differing)
        yield from comparison.doubts
        yield from map(str, comparison.scarce)
        yield from (f"only one run has {load_name(*load)}" for load in comparison.unmatched)


def _at_latency(answer: CheckAnswer) -> AnswerTable:
    rows = tuple(
        (
            change.configuration,
            change.latency,
            change.before,
            change.after,
            percent_change(change.change),
            f"{percent_change(change.low)} to {percent_change(change.high)}",
            change.verdict,
        )
        for change in answer.changes
    )
    return AnswerTable(title=AT_LATENCY, heads=LATENCY_HEADS, rows=rows)


def _at_load(answer: CheckAnswer) -> AnswerTable:
    differences = answer.comparison.differences if answer.comparison else ()
    rows = tuple(
        (row.load, row.figure, row.a, row.b, row.change, row.interval, row.verdict) for row in change_rows(differences)
    )
    return AnswerTable(title=AT_LOAD, heads=LOAD_HEADS, rows=rows)
