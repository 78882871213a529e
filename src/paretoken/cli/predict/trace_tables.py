"""Predicted replays as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from paretoken.answers.cache_worth import CacheWorthRow
from paretoken.answers.predict_trace import PredictTraceAnswer, ReplayRow, UnmetReplayRow
from paretoken.answers.predict_words import NOT_MEASURED
from paretoken.answers.trace_question import ReplayQuestion
from paretoken.cli.cells import TableCell, figure, interval, share
from paretoken.cli.output import echo_lines, print_table
from paretoken.cli.predict.notes import settings_note
from paretoken.plural import counted
from paretoken.predict.rows import kinds_text

RECORDED = "as recorded"
SHARE = ".1%"


def print_replays(answer: PredictTraceAnswer, question: ReplayQuestion) -> None:
    """The tables of an answer: its loads, the TTFT by turn, and the prompt tokens by where they came from."""
    rows = [row for row in answer.rows if isinstance(row, ReplayRow)]
    if unmet := [row for row in answer.rows if isinstance(row, UnmetReplayRow)]:
        sizes = ", ".join(row.size for row in unmet)
        echo_lines(f"One session alone misses {question.slo} at TP {sizes}.")
    if rows:
        _print_loads(rows, question)
        _print_turns(rows)
        _print_prompts(rows)
        echo_lines(settings_note((f"TP {row.size}", row.settings) for row in rows))


def _print_loads(rows: Sequence[ReplayRow], question: ReplayQuestion) -> None:
    first = rows[0]
    within = f" within {question.slo}" if question.slo else ""
    print_table(
        f"Predicted: {first.model} {first.precision} on {first.accelerator}, {first.engine}, "
        f"{counted(first.sessions, 'session')} of {question.load_name}{within}",
        _LOADS,
        [_load(row) for row in rows],
        note=f"{NOT_MEASURED} {_novelty(rows)} Model: share of model calls in the critical path of sessions. Hits: "
        f"share of prompt tokens. {_routed(first)}{price_note(first)}".rstrip(),
        spare=("hits possible", "TTFT p99 ms", "90 %", "session p90 s", "preemptions", "$/session", "model"),
    )


_LOADS = (
    *("TP", "concurrency", "session p50 s", "session p90 s", "session p99 s", "model"),
    *("TTFT ms", "TTFT p99 ms", "TPOT ms", "tok/s/GPU", "90 %", "sessions/h/GPU"),
    *("hits found", "hits possible", "preemptions", "$/M tok", "$/session"),
)


def _load(row: ReplayRow) -> list[object]:
    return [
        row.size,
        users_cell(row.concurrency, or_more=row.or_more),
        row.session_s.p50,
        row.session_s.p90,
        row.session_s.p99,
        share(row.model_share, SHARE),
        row.ttft_ms.all.p50,
        row.ttft_ms.all.p99,
        row.tpot_ms.p50,
        row.total_tput_per_gpu_tok_s,
        interval(*row.total_tput_per_gpu_tok_s_90),
        row.sessions_per_gpu_h,
        share(row.hits / row.prompt_tokens, SHARE),
        share(row.possible_hit_tokens / row.prompt_tokens, SHARE),
        row.preemptions,
        row.usd_per_mtok,
        row.usd_per_session,
    ]


def users_cell(users: int | None, *, or_more: bool = False) -> TableCell | int | str:
    """Concurrent sessions of a row."""
    if users is None:
        return RECORDED
    return TableCell(f"{users:,} or more", (users,)) if or_more else users


def _print_turns(rows: Sequence[ReplayRow]) -> None:
    print_table(
        "TTFT by turn",
        ("TP", "concurrency", "turn", "p50 ms", "p90 ms", "p99 ms"),
        [
            [row.size, users_cell(row.concurrency, or_more=row.or_more), turn, spread.p50, spread.p90, spread.p99]
            for row in rows
            for turn, spread in (
                ("first", row.ttft_ms.first),
                ("later", row.ttft_ms.later),
                ("cached", row.ttft_ms.cached),
            )
        ],
        note="First: calls that wait for no other of their session. Cached: calls of either kind with a cache hit.",
    )


def _print_prompts(rows: Sequence[ReplayRow]) -> None:
    print_table(
        "Prompt tokens",
        ("TP", "concurrency", "source", "tokens", "share"),
        [
            [row.size, users_cell(row.concurrency, or_more=row.or_more), source, tokens, figure(tokens / total, SHARE)]
            for row in rows
            for total in [row.prompt_tokens]
            for source, tokens in _sources(row)
        ],
        note="Possible: what a cache without limits would have found, in the order of the calls.",
    )


def _sources(row: ReplayRow) -> list[tuple[str, int]]:
    tiers = [(f"cache {tier}", tokens) for tier, tokens in row.hit_tokens.items()]
    return [("computed", row.prompt_tokens - row.hits), *tiers, ("possible hits", row.possible_hit_tokens)]


def _novelty(rows: Sequence[ReplayRow]) -> str:
    kinds = list(dict.fromkeys(text for row in rows if (text := kinds_text(row.new_to_calibration))))
    return f"New to the calibration: {'; '.join(kinds)}." if kinds else "The calibration has data for the deployment."


def _routed(row: ReplayRow) -> str:
    return f"{counted(row.replicas, 'replica')}, routing {row.routing}. " if row.routing else ""


def price_note(row: ReplayRow | CacheWorthRow) -> str:
    """The price of a GPU-hour and where it is from; nothing without one."""
    return f"USD at {row.usd_per_gpu_h:g} USD per GPU-hour ({row.price_source})." if row.usd_per_gpu_h else ""
