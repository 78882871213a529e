"""Disaggregated predictions as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from paretoken.answers.pool_explain import ExplainPoolsAnswer
from paretoken.answers.pool_rivals import AggregatedRow, MeasuredRow, WorthRow
from paretoken.answers.pool_search import DEFAULT_TTFT, PoolSearchAnswer, PoolSearchQuestion, RankedLayout
from paretoken.answers.pool_thinned import thinned
from paretoken.answers.pools import PooledQuestion, PooledRow, PoolsAnswer, PoolsQuestion
from paretoken.answers.predict_words import NOT_MEASURED, lengths_note
from paretoken.answers.prediction import prepared
from paretoken.cli.cells import TableCell, interval
from paretoken.cli.money import currency
from paretoken.cli.output import echo, echo_commands, echo_lines, print_table
from paretoken.cli.predict.notes import settings_note
from paretoken.cli.predict.pool_launch import pool_launch
from paretoken.errors import BadConfig
from paretoken.plural import counted
from paretoken.predict.acceptance import speculation_text
from paretoken.predict.launch_commands import pools_command
from paretoken.predict.pools.layout import checked_pools
from paretoken.predict.rows import kinds_text
from paretoken.significant import significant, with_zeros


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
                *_figures(r),
                r.interactivity_tok_s,
                r.prefill_busy * 100,
                r.decode_batch,
                *([r.usd_per_mtok_total] if priced else []),
            ]
            for r in answer.rows
        ],
        note=f"{NOT_MEASURED} Per GPU: of all {counted(first.n_gpus, 'GPU')}, {first.prefill_gpus} prefill and "
        f"{first.decode_gpus} decode. Decoding: sequences in each decode worker. {_novelty(answer.rows)} "
        f"{lengths_note(question.length_range_ratio)}",
    )
    _print_in_force(answer, prefill_ranks=first.prefill_dp_attention, decode_ranks=first.dp_attention)
    _print_launch(first, question)


def print_pool_search(answer: PoolSearchAnswer, question: PoolSearchQuestion) -> None:
    """The tables of a search: the best layouts, the frontiers, and the worth of disaggregated serving."""
    _print_best(answer, question)
    first = answer.best[0].row
    _print_in_force(answer, prefill_ranks=first.prefill_dp_attention, decode_ranks=first.dp_attention)
    _print_launch(first, question)
    _print_frontier(answer.frontier)
    _print_aggregated(answer.aggregated, answer.no_aggregated)
    _print_measured(answer.measured)
    _print_worth(answer.worth, answer.crossings_tok_s)


_LATENCIES = ("TPOT ms", "90 %", "TTFT ms", "90 %", "E2E s")
_FIGURES = ("concurrency", "total tok/s/GPU", "90 %", *_LATENCIES)


def _figures(r: PooledRow) -> list[object]:
    return [
        int(r.concurrency),
        r.total_tput_per_gpu_tok_s,
        interval(r.total_tput_per_gpu_tok_s_lo, r.total_tput_per_gpu_tok_s_hi),
        *_latencies(r),
    ]


def _latencies(r: PooledRow) -> list[object]:
    return [
        r.median_tpot_ms,
        interval(r.median_tpot_ms_lo, r.median_tpot_ms_hi),
        r.median_ttft_ms,
        interval(r.median_ttft_ms_lo, r.median_ttft_ms_hi),
        r.median_e2el_ms and r.median_e2el_ms / 1e3,
    ]


def _print_best(answer: PoolSearchAnswer, question: PoolSearchQuestion) -> None:
    best, first = answer.best, answer.best[0].row
    priced = best[0].usd_per_mtok_rented is not None
    print_table(
        f"Best disaggregated layouts: {first.model} {first.precision} on at most {question.gpus} {first.accelerator}, "
        f"{first.engine}, {first.isl}/{first.osl}, " + (f"within {answer.slo}" if answer.slo else "no limits"),
        (
            *("layout", "GPUs", "replicas", "idle", "total tok/s/rented GPU", "90 %"),
            *("concurrency", *_LATENCIES, "tok/s/user", *(["USD/M tok"] if priced else []), "unmeasured workers"),
        ),
        [
            [
                b.row.layout,
                b.row.n_gpus,
                b.replicas,
                b.idle_gpus,
                b.total_tput_per_rented_gpu_tok_s,
                interval(b.total_tput_per_rented_gpu_tok_s_lo, b.total_tput_per_rented_gpu_tok_s_hi),
                int(b.row.concurrency),
                *_latencies(b.row),
                b.row.interactivity_tok_s,
                *([b.usd_per_mtok_rented] if priced else []),
                ", ".join(b.unmeasured) or None,
            ]
            for b in best
        ],
        note=f"{NOT_MEASURED} The best load of each of {counted(answer.layouts, 'layout')}; one for each pair of "
        "workers. "
        f"Ranked by tokens per rented GPU: idle ones count{' in them and in the price' if priced else ''}. Concurrency "
        f"is the users of one replica. Unmeasured workers: no shipped point of "
        f"this model on {first.accelerator} has such a worker in this pool. {_novelty([b.row for b in best])} "
        f"{lengths_note(question.length_range_ratio)}",
        spare=("unmeasured workers", "E2E s", "TTFT ms 90 %", "TPOT ms 90 %", "tok/s/user", "idle", "replicas"),
    )
    limited = any(name in answer.slo.lower() for name in ("ttft", "e2e"))
    if not limited and not question.concurrency:
        echo("Without a limit on TTFT, prompts wait long for prefill at the best load.")
    elif answer.slo != (question.slo or ""):
        echo(f"{DEFAULT_TTFT} is the default limit; state another in --slo, or ttft=none for no limit.")


def _print_in_force(
    answer: PoolsAnswer | PoolSearchAnswer | ExplainPoolsAnswer, *, prefill_ranks: bool, decode_ranks: bool
) -> None:
    """The settings of each pool, and how its workers draft."""
    ranked = {name for name, ranks in (("prefill", prefill_ranks), ("decode", decode_ranks)) if ranks}
    echo_lines(settings_note((("prefill", answer.prefill_settings), ("decode", answer.decode_settings)), ranked))
    if answer.speculation:
        echo(speculation_text([answer.speculation]))


def _print_launch(first: PooledRow, question: PooledQuestion) -> None:
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


def _print_frontier(points: Sequence[RankedLayout]) -> None:
    by_row = {id(p.row): p for p in points}
    print_table(
        "\nFrontier, disaggregated, predicted",
        (
            "tok/s/user",
            "total tok/s/rented GPU",
            "90 %",
            "layout",
            "GPUs",
            "replicas",
            "idle",
            "concurrency",
            "TTFT ms",
        ),
        [
            [
                p.row.interactivity_tok_s,
                p.total_tput_per_rented_gpu_tok_s,
                interval(p.total_tput_per_rented_gpu_tok_s_lo, p.total_tput_per_rented_gpu_tok_s_hi),
                p.row.layout,
                p.row.n_gpus,
                p.replicas,
                p.idle_gpus,
                int(p.row.concurrency),
                p.row.median_ttft_ms,
            ]
            for p in (by_row[id(row)] for row in thinned([p.row for p in points]))
        ],
    )


def _print_aggregated(rows: Sequence[AggregatedRow], why_not: str | None) -> None:
    if not rows:
        echo(f"\nNo aggregated frontier: {why_not}.")
        return
    print_table(
        "\nFrontier, aggregated on the same GPUs, predicted",
        (
            "tok/s/user",
            "total tok/s/rented GPU",
            "90 %",
            "replicas",
            "engine",
            "GPUs",
            "idle",
            "concurrency",
            "TTFT ms",
        ),
        [
            [
                r.interactivity_tok_s,
                r.total_tput_per_gpu_tok_s,
                interval(r.total_tput_per_gpu_tok_s_lo, r.total_tput_per_gpu_tok_s_hi),
                r.layout,
                r.engine,
                r.n_gpus,
                r.idle_gpus,
                int(r.concurrency),
                r.median_ttft_ms,
            ]
            for r in thinned(rows)
        ],
    )


def _print_measured(rows: Sequence[MeasuredRow]) -> None:
    if not rows:
        echo("\nNo shipped point has this model, precision, accelerator, lengths and speculation.")
        return
    print_table(
        "\nFrontiers of the shipped points, any engine",
        (
            "tok/s/user",
            "total tok/s/GPU",
            "serving",
            "layout",
            "GPUs",
            "engine",
            "concurrency",
            "origin",
            "source",
            "date",
        ),
        [
            [
                r.interactivity_tok_s,
                r.total_tput_per_gpu_tok_s,
                r.serving,
                r.layout or None,
                r.n_gpus,
                r.engine,
                r.concurrency and int(r.concurrency),
                r.origin,
                r.source,
                r.date,
            ]
            for serving in ("disaggregated", "aggregated")
            for r in thinned([r for r in rows if r.serving == serving])
        ],
        spare=("date", "source"),
    )


def _print_worth(rows: Sequence[WorthRow], crossings: Sequence[float]) -> None:
    if not rows:
        return
    priced = rows[0].break_even_usd_per_gpu_h is not None
    print_table(
        "\nValue of disaggregated serving at equal interactivity, predicted",
        (
            *("tok/s/user", "disaggregated", "aggregated", "ratio", "90 %", "measured ratio"),
            *([f"break-even {currency().code}/GPU-h"] if priced else []),
        ),
        [
            [
                r.interactivity_tok_s,
                _rough(r.disaggregated_tput_per_gpu_tok_s),
                _rough(r.aggregated_tput_per_gpu_tok_s),
                _rough(r.ratio),
                TableCell(f"{_digits(r.ratio_lo)}–{_digits(r.ratio_hi)}", (r.ratio_lo, r.ratio_hi), ("low", "high")),
                _rough(r.measured_ratio),
                *([_rough(currency().of(r.break_even_usd_per_gpu_h))] if priced else []),
            ]
            for r in rows
        ],
        note="Ratio: what a GPU-hour of the disaggregated system may cost, as a multiple of the other's, before "
        "aggregated tokens are as cheap. Both are per rented GPU; the interval takes their errors as independent. "
        "Measured ratio: of the shipped points, any engine and TTFT. " + _crossings(crossings),
    )


def _rough(value: float | None) -> TableCell | None:
    """The value with two digits; a ratio of predictions has no more."""
    return None if value is None else TableCell(_digits(value), (value,))


def _digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):,.10g}" if value >= 10 else with_zeros(value, 2)


def _crossings(crossings: Sequence[float]) -> str:
    if not crossings:
        return "The frontiers do not cross."
    return f"The frontiers cross at {', '.join(significant(x, 3) for x in crossings)} tok/s/user."


def _novelty(rows: Sequence[PooledRow]) -> str:
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
    _print_in_force(answer, prefill_ranks=pools.prefill.dp_attention, decode_ranks=pools.decode.dp_attention)
    echo(f"Memory of one prefill GPU, GiB: {answer.prefill_memory}.")
    echo(f"Memory of one decode GPU, GiB: {answer.decode_memory}.")


_LIMITS = {
    "prefill": "The prefill pool limits the throughput: more users wait for it.",
    "slots": "The KV cache of the decode pool limits the throughput: more users wait for a slot.",
    "users": "Neither pool is full: more users add throughput.",
}
