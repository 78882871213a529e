"""Predictions as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from paretoken.answers.deployment_row import DeploymentRow
from paretoken.answers.predict import PredictAnswer, PredictedRow, PredictQuestion, RateRow, UnmetSloRow
from paretoken.answers.predict_rows import (
    LOAD_HEADS,
    OVERLOADED_NOTE,
    RATE_HEADS,
    SLO_HEADS,
    SLO_NOTE,
    load_row,
    rate_row,
    slo_row,
)
from paretoken.answers.predict_words import NOT_MEASURED, WHOLE_RUN, lengths_note, novelty_words, size_heading
from paretoken.cli.cells import TableCell, interval
from paretoken.cli.output import echo_lines, print_table
from paretoken.cli.predict.notes import memory_only_note, settings_note
from paretoken.predict.acceptance import speculation_text


def print_predictions(answer: PredictAnswer, question: PredictQuestion) -> None:
    """The table of an answer."""
    _print_concurrency([r for r in answer.rows if isinstance(r, PredictedRow)])
    _print_slo([r for r in answer.rows if isinstance(r, UnmetSloRow)], question)
    _print_rate([r for r in answer.rows if isinstance(r, RateRow)], question)
    whole_run = WHOLE_RUN if any(isinstance(r, PredictedRow) for r in answer.rows) else ""
    drafts = speculation_text([r.speculation for r in answer.rows if r.speculation])
    lines = (whole_run, _settings(answer.rows, question), drafts, memory_only_note(answer.rows[0].settings))
    echo_lines("\n".join(filter(None, lines)))


def _print_concurrency(rows: Sequence[PredictedRow]) -> None:
    if not rows:
        return
    first = rows[0]
    print_table(
        f"Predicted: {first.model} {first.precision} on {first.accelerator}, {first.engine}, {first.isl}/{first.osl}",
        (size_heading(first), *LOAD_HEADS),
        [[r.size, *(interval(*cell) if isinstance(cell, tuple) else cell for cell in load_row(r))] for r in rows],
        note=f"{NOT_MEASURED} {novelty_words(rows)} {lengths_note(first.length_range_ratio)}",
        spare=("TTFT mean ms", "TTFT p99 ms", "tok/s/user", "TTFT ms 90 %", "TPOT ms 90 %", "E2E s"),
    )


def _print_slo(rows: Sequence[UnmetSloRow], question: PredictQuestion) -> None:
    if not rows:
        return
    print_table(
        f"Highest concurrency within {question.slo}",
        (size_heading(rows[0]), *SLO_HEADS),
        [[r.size, _at_least(r), *slo_row(r)[1:]] for r in rows],
        note=f"{NOT_MEASURED} {SLO_NOTE} {lengths_note(question.length_range_ratio)}",
    )


def _at_least(r: UnmetSloRow) -> TableCell | int:
    return TableCell(f"{r.users:,} or more", (r.users,)) if r.or_more else r.users


def _print_rate(rows: Sequence[RateRow], question: PredictQuestion) -> None:
    if not rows:
        return
    overloaded = any(r.overloaded for r in rows)
    print_table(
        f"Simulated: Poisson arrivals, {rows[0].rate_s:g} requests/s",
        (size_heading(rows[0]), *RATE_HEADS),
        [[r.size, *rate_row(r)] for r in rows],
        note=NOT_MEASURED
        + (f" {OVERLOADED_NOTE}" if overloaded else "")
        + f" {lengths_note(question.length_range_ratio)}",
        spare=("requests", "preemptions"),
    )


def _settings(rows: Sequence[DeploymentRow], question: PredictQuestion) -> str:
    sizes = {f"{size_heading(r)} {r.size}": r for r in rows}
    gpus = {name: r.n_gpus // r.replicas // r.pp for name, r in sizes.items()}
    ranked = {name for name, r in sizes.items() if gpus[name] > (1 if question.dp_attention else r.tp)}
    return settings_note(((name, r.settings) for name, r in sizes.items()), ranked)
