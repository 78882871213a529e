"""What a prefix cache and its tiers are worth, as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from paretoken.answers.cache_worth import CacheRow, CacheWorthAnswer, CacheWorthRow
from paretoken.answers.predict_words import NOT_MEASURED
from paretoken.answers.trace_question import ReplayQuestion
from paretoken.cli.cells import share
from paretoken.cli.output import echo_lines, print_table
from paretoken.cli.predict.trace_tables import SHARE, price_note, users_cell
from paretoken.plural import counted

CACHES = {"none": "none", "gpu": "GPU", "host": "GPU, host", "ssd": "GPU, host, SSD"}


def print_cache_worth(answer: CacheWorthAnswer, question: ReplayQuestion) -> None:
    """The tables of an answer: what each cache does, what it is worth, and what providers bill."""
    names = CACHES | ({} if question.host_cache_gb else {"ssd": "GPU, SSD"})
    for row in answer.rows:
        if row.missed:
            caches = ", ".join(names[cache] for cache in row.missed)
            echo_lines(f"One session alone misses {question.slo} at TP {row.size} with the cache: {caches}.")
    rows = [(row, cache, names[cache.cache]) for row in answer.rows for cache in row.caches]
    if not rows:
        return
    first = rows[0][0]
    load = f"within {question.slo}" if question.slo else f"{counted(question.concurrency[0], 'session')} at once"
    print_table(
        f"Predicted: {first.model} {first.precision} on {first.accelerator}, {first.engine}, {load}",
        (
            *("TP", "cache", "concurrency", "session p50 s", "TTFT ms", "TPOT ms", "tok/s/GPU", "sessions/h/GPU"),
            *("hits found", "computed tokens", "saved tokens", "$/M tok", "$/session"),
        ),
        [_figures(*row) for row in rows],
        note=f"{NOT_MEASURED} Saved: prompt tokens that the row above computes and this one does not. "
        f"{price_note(first)}",
        spare=("TPOT ms", "TTFT ms", "computed tokens", "session p50 s"),
    )
    _print_worth([row for row in rows if row[1].cache != "none"])
    _print_api(answer)


def _figures(row: CacheWorthRow, cache: CacheRow, name: str) -> list[object]:
    return [
        row.size,
        name,
        users_cell(cache.concurrency, or_more=cache.or_more),
        cache.session_s.p50,
        cache.ttft_ms.p50,
        cache.tpot_ms.p50,
        cache.total_tput_per_gpu_tok_s,
        cache.sessions_per_gpu_h,
        share(cache.hit_share, SHARE),
        cache.computed_tokens,
        cache.saved_tokens,
        cache.usd_per_mtok,
        cache.usd_per_session,
    ]


def _print_worth(rows: Sequence[tuple[CacheWorthRow, CacheRow, str]]) -> None:
    if not any(row.usd_per_gpu_h for row, _, _ in rows):
        return
    print_table(
        "What the cache is worth",
        (
            *("TP", "cache", "$/M computed", "$/M hit", "$/M output"),
            *("hit over computed", "tier $/GPU-h", "GB/GPU", "tier $/GB-month"),
        ),
        [
            [
                row.size,
                name,
                cache.computed_usd_per_mtok,
                cache.hit_usd_per_mtok,
                cache.output_usd_per_mtok,
                share(_ratio(cache.hit_usd_per_mtok, cache.computed_usd_per_mtok), SHARE),
                cache.tier_usd_per_gpu_h,
                cache.tier_gb_per_gpu,
                cache.tier_usd_per_gb_month,
            ]
            for row, cache, name in rows
        ],
        note="At the three prices, a GPU-hour earns the same with this cache and without any. The tier is the last one "
        "named: what it may cost at most, compared with the row above. A hit below 0 $: the cache lets more load into "
        "the limits than the work that it saves.",
        spare=("GB/GPU", "$/M output"),
    )


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _print_api(answer: CacheWorthAnswer) -> None:
    if answer.api:
        print_table(
            "List prices of the model with cached input",
            ("provider", "name", "$/M input", "$/M cached input", "cached over input"),
            [
                [p.provider, p.name, p.input_usd_per_mtok, p.cached_usd_per_mtok, share(p.cached_share, SHARE)]
                for p in answer.api
            ],
        )
