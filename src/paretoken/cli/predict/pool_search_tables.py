"""A search of disaggregated layouts as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from paretoken.answers.pool_rivals import AggregatedRow, MeasuredRow, WorthRow
from paretoken.answers.pool_search import DEFAULT_TTFT, PoolSearchAnswer, PoolSearchQuestion, RankedLayout
from paretoken.answers.pool_thinned import thinned
from paretoken.answers.predict_words import NOT_MEASURED, lengths_note
from paretoken.cli.cells import TableCell, interval
from paretoken.cli.money import currency
from paretoken.cli.output import echo, print_table
from paretoken.cli.predict.pool_tables import LATENCIES, latencies, novelty, print_in_force, print_launch
from paretoken.plural import counted
from paretoken.significant import significant, with_zeros


def print_pool_search(answer: PoolSearchAnswer, question: PoolSearchQuestion) -> None:
    """The tables of a search: the best layouts, the frontiers, and the worth of disaggregated serving."""
    _print_best(answer, question)
    first = answer.best[0].row
    print_in_force(answer, prefill_ranks=first.prefill_dp_attention, decode_ranks=first.dp_attention)
    print_launch(first, question)
    _print_frontier(answer.frontier)
    _print_aggregated(answer.aggregated, answer.no_aggregated)
    _print_measured(answer.measured)
    _print_worth(answer.worth, answer.crossings_tok_s)


def _print_best(answer: PoolSearchAnswer, question: PoolSearchQuestion) -> None:
    best, first = answer.best, answer.best[0].row
    priced = best[0].usd_per_mtok_rented is not None
    print_table(
        f"Best disaggregated layouts: {first.model} {first.precision} on at most {question.gpus} {first.accelerator}, "
        f"{first.engine}, {first.isl}/{first.osl}, " + (f"within {answer.slo}" if answer.slo else "no limits"),
        (
            *("layout", "GPUs", "replicas", "idle", "total tok/s/rented GPU", "90 %"),
            *("concurrency", *LATENCIES, "tok/s/user", *(["USD/M tok"] if priced else []), "unmeasured workers"),
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
                *latencies(b.row),
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
        f"this model on {first.accelerator} has such a worker in this pool. {novelty([b.row for b in best])} "
        f"{lengths_note(question.length_range_ratio)}",
        spare=("unmeasured workers", "E2E s", "TTFT ms 90 %", "TPOT ms 90 %", "tok/s/user", "idle", "replicas"),
    )
    limited = any(name in answer.slo.lower() for name in ("ttft", "e2e"))
    if not limited and not question.concurrency:
        echo("Without a limit on TTFT, prompts wait long for prefill at the best load.")
    elif answer.slo != (question.slo or ""):
        echo(f"{DEFAULT_TTFT} is the default limit; state another in --slo, or ttft=none for no limit.")


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
