"""Disaggregated predictions as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from paretoken.answers.pool_explain import ExplainPoolsAnswer
from paretoken.answers.pool_search import PoolSearchAnswer
from paretoken.answers.pools import PooledQuestion, PooledRow, PoolsAnswer, PoolsQuestion
from paretoken.answers.predict_words import NOT_MEASURED, lengths_note
from paretoken.answers.prediction import prepared
from paretoken.cli.cells import interval
from paretoken.cli.output import echo, echo_commands, echo_lines, print_table
from paretoken.cli.predict.notes import settings_note
from paretoken.cli.predict.pool_launch import pool_launch
from paretoken.errors import BadConfig
from paretoken.plural import counted
from paretoken.predict.acceptance import speculation_text
from paretoken.predict.launch_commands import pools_command
from paretoken.predict.pools.layout import checked_pools
from paretoken.predict.rows import kinds_text
from paretoken.significant import significant


def print_pools(answer: PoolsAnswer, question: PoolsQuestion) -> None:
    """The table of one layout."""
    first = answer.rows[0]
    priced = first.usd_per_mtok_total is not None
    within = f" within {question.slo}" + (", or more users" if answer.or_more else "") if question.slo else ""
    print_table(
        f"Predicted: {first.model} {first.precision} on {first.layout} of {first.accelerator}, {first.engine}, "
        f"{first.isl}/{first.osl}{within}",
        (*_FIGURES, "tok/s/user", "prefill busy %", "decoding", *(["USD/M tok"] if priced else [])),
        [
            [
                *figures(r),
                r.interactivity_tok_s,
                r.prefill_busy * 100,
                r.decode_batch,
                *([r.usd_per_mtok_total] if priced else []),
            ]
            for r in answer.rows
        ],
        note=f"{NOT_MEASURED} Per GPU: of all {counted(first.n_gpus, 'GPU')}, {first.prefill_gpus} prefill and "
        f"{first.decode_gpus} decode. Decoding: sequences in each decode worker. {novelty(answer.rows)} "
        f"{lengths_note(question.length_range_ratio)}",
    )
    print_in_force(answer, prefill_ranks=first.prefill_dp_attention, decode_ranks=first.dp_attention)
    print_launch(first, question)


LATENCIES = ("TPOT ms", "90 %", "TTFT ms", "90 %", "E2E s")
_FIGURES = ("concurrency", "total tok/s/GPU", "90 %", *LATENCIES)


def figures(r: PooledRow) -> list[object]:
    return [
        int(r.concurrency),
        r.total_tput_per_gpu_tok_s,
        interval(r.total_tput_per_gpu_tok_s_lo, r.total_tput_per_gpu_tok_s_hi),
        *latencies(r),
    ]


def latencies(r: PooledRow) -> list[object]:
    return [
        r.median_tpot_ms,
        interval(r.median_tpot_ms_lo, r.median_tpot_ms_hi),
        r.median_ttft_ms,
        interval(r.median_ttft_ms_lo, r.median_ttft_ms_hi),
        r.median_e2el_ms and r.median_e2el_ms / 1e3,
    ]


def print_in_force(
    answer: PoolsAnswer | PoolSearchAnswer | ExplainPoolsAnswer, *, prefill_ranks: bool, decode_ranks: bool
) -> None:
    """The settings of each pool, and how its workers draft."""
    ranked = {name for name, ranks in (("prefill", prefill_ranks), ("decode", decode_ranks)) if ranks}
    echo_lines(settings_note((("prefill", answer.prefill_settings), ("decode", answer.decode_settings)), ranked))
    if answer.speculation:
        echo(speculation_text([answer.speculation]))


def print_launch(first: PooledRow, question: PooledQuestion) -> None:
    """The command that prints the commands of a layout."""
    question, data = prepared(question, None)
    pools, _ = question.pools(first.layout, data.catalog)
    pools = checked_pools(pools, data.catalog)
    try:
        pool_launch(pools, data.catalog)
    except BadConfig as e:
        echo_lines(f"No commands to start {pools.layout} as it is: {e}")
    else:
        echo_commands(f"Commands to start it: {pools_command(pools, data.catalog)}")


def novelty(rows: Sequence[PooledRow]) -> str:
    kinds = sorted({kind for r in rows for kind in r.new_to_calibration})
    return f"New to the calibration: {kinds_text(kinds)}." if kinds else "The calibration has data for this."


def print_pool_explanation(answer: ExplainPoolsAnswer) -> None:
    """Where the time goes in each pool, and where the GPUs go."""
    e = answer.explanation
    pools = e.case.pools
    print_table(
        f"{pools.model} {pools.decode.precision} on {pools.layout} of {pools.accelerator}, {pools.engine}: concurrency "
        f"{e.case.concurrency:g}, {e.batch:.0f} decoding in each decode worker",
        ("phase", "part", "ms", "share %", "what"),
        [[p.phase, p.name, p.seconds * 1e3, p.share * 100, p.what] for p in e.parts],
        note=f"TPOT {e.tpot_s * 1e3:.2f} ms, TTFT {e.ttft_s * 1e3:,.0f} ms, E2E {e.e2e_s:.2f} s, "
        f"{significant(e.requests_per_s, 3)} requests/s. Predicted, not measured.",
    )
    print_table(
        "\nGPUs",
        ("pool", "use", "GPUs", "share %", "what"),
        [[g.pool, g.use, g.gpus, g.share * 100, g.what] for g in e.gpus],
        note=f"{_LIMITS[e.limited_by]} {e.batch / e.slots:.0%} of the {e.slots:,.0f} KV cache slots of a decode worker "
        "are in use.",
    )
    print_in_force(answer, prefill_ranks=pools.prefill.dp_attention, decode_ranks=pools.decode.dp_attention)
    echo(f"Memory of one prefill GPU, GiB: {answer.prefill_memory}.")
    echo(f"Memory of one decode GPU, GiB: {answer.decode_memory}.")


_LIMITS = {
    "prefill": "The prefill pool limits the throughput: more users wait for it.",
    "slots": "The KV cache of the decode pool limits the throughput: more users wait for a slot.",
    "users": "Neither pool is full: more users add throughput.",
}
