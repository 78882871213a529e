"""Predictions as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from paretoken.answers.predict import (
    DeploymentRow,
    PredictAnswer,
    PredictedRow,
    PredictQuestion,
    RateRow,
    SloRow,
    UnmetSloRow,
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
        (
            size_heading(first),
            "concurrency",
            "tok/s/GPU",
            "90 %",
            "TPOT ms",
            "90 %",
            "TTFT ms",
            "90 %",
            "TTFT mean ms",
            "TTFT p99 ms",
            "E2E s",
            "tok/s/user",
        ),
        [
            [
                r.size,
                int(r.concurrency),
                r.total_tput_per_gpu_tok_s,
                interval(r.total_tput_per_gpu_tok_s_lo, r.total_tput_per_gpu_tok_s_hi),
                r.median_tpot_ms,
                interval(r.median_tpot_ms_lo, r.median_tpot_ms_hi),
                r.median_ttft_ms,
                interval(r.median_ttft_ms_lo, r.median_ttft_ms_hi),
                r.mean_ttft_ms,
                r.p99_ttft_ms,
                r.median_e2el_ms and r.median_e2el_ms / 1e3,
                r.median_tpot_ms and 1e3 / r.median_tpot_ms,
            ]
            for r in rows
        ],
        note=f"{NOT_MEASURED} {novelty_words(rows)} {lengths_note(first.length_range_ratio)}",
        spare=("TTFT mean ms", "TTFT p99 ms", "tok/s/user", "TTFT ms 90 %", "TPOT ms 90 %", "E2E s"),
    )


def _print_slo(rows: Sequence[UnmetSloRow], question: PredictQuestion) -> None:
    if not rows:
        return
    print_table(
        f"Highest concurrency within {question.slo}",
        (size_heading(rows[0]), "concurrency", "tok/s/GPU", "TPOT ms", "TTFT ms"),
        [
            [
                r.size,
                TableCell(f"{r.users:,} or more", (r.users,)) if r.or_more else r.users,
                *(
                    (r.total_tput_per_gpu_tok_s, r.median_tpot_ms, r.median_ttft_ms)
                    if isinstance(r, SloRow)
                    else (None, None, None)
                ),
            ]
            for r in rows
        ],
        note=f"{NOT_MEASURED} Concurrency 0: one request alone misses the SLO. "
        + lengths_note(question.length_range_ratio),
    )


def _print_rate(rows: Sequence[RateRow], question: PredictQuestion) -> None:
    if not rows:
        return
    overloaded = any(r.overloaded for r in rows)
    print_table(
        f"Simulated: Poisson arrivals, {rows[0].rate_s:g} requests/s",
        (
            size_heading(rows[0]),
            "tok/s/GPU",
            "TTFT p50 ms",
            "TTFT p99 ms",
            "TPOT p50 ms",
            "TPOT p99 ms",
            "E2E p50 ms",
            "requests",
            "preemptions",
            "load",
        ),
        [
            [
                r.size,
                r.total_tput_per_gpu_tok_s,
                r.p50_ttft_ms,
                r.p99_ttft_ms,
                r.p50_tpot_ms,
                r.p99_tpot_ms,
                r.p50_e2e_ms,
                r.requests,
                r.preemptions,
                "overloaded" if r.overloaded else "ok",
            ]
            for r in rows
        ],
        note=NOT_MEASURED
        + (" Overloaded: the queue keeps growing; TTFT and E2E grow with the run." if overloaded else "")
        + f" {lengths_note(question.length_range_ratio)}",
        spare=("requests", "preemptions"),
    )


def _settings(rows: Sequence[DeploymentRow], question: PredictQuestion) -> str:
    sizes = {f"{size_heading(r)} {r.size}": r for r in rows}
    gpus = {name: r.n_gpus // r.replicas // r.pp for name, r in sizes.items()}
    ranked = {name for name, r in sizes.items() if gpus[name] > (1 if question.dp_attention else r.tp)}
    return settings_note(((name, r.settings) for name, r in sizes.items()), ranked)
