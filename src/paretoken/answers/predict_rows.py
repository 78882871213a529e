"""Predictions as tables: heads and cells that the command line and the web pages share."""

from __future__ import annotations

from typing import TypeAlias

from paretoken.answers.predict import PredictedRow, RateRow, SloRow, UnmetSloRow

Interval: TypeAlias = tuple[float | None, float | None]
"""The ends of a 90 % interval."""

LOAD_HEADS = (
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
)
SLO_HEADS = ("concurrency", "tok/s/GPU", "TPOT ms", "TTFT ms")
RATE_HEADS = (
    "tok/s/GPU",
    "TTFT p50 ms",
    "TTFT p99 ms",
    "TPOT p50 ms",
    "TPOT p99 ms",
    "E2E p50 ms",
    "requests",
    "preemptions",
    "load",
)
SLO_NOTE = "Concurrency 0: one request alone misses the SLO."
OVERLOADED_NOTE = "Overloaded: the queue keeps growing; TTFT and E2E grow with the run."


def load_row(r: PredictedRow) -> tuple[float | Interval | None, ...]:
    """The figures at one concurrency; heads of `90 %` have an interval."""
    return (
        int(r.concurrency),
        r.total_tput_per_gpu_tok_s,
        (r.total_tput_per_gpu_tok_s_lo, r.total_tput_per_gpu_tok_s_hi),
        r.median_tpot_ms,
        (r.median_tpot_ms_lo, r.median_tpot_ms_hi),
        r.median_ttft_ms,
        (r.median_ttft_ms_lo, r.median_ttft_ms_hi),
        r.mean_ttft_ms,
        r.p99_ttft_ms,
        r.median_e2el_ms and r.median_e2el_ms / 1e3,
        interactivity_tok_s(r),
    )


def interactivity_tok_s(r: PredictedRow) -> float | None:
    """Tokens per second of one user: the inverse of the median TPOT."""
    return r.median_tpot_ms and 1e3 / r.median_tpot_ms


def slo_row(r: UnmetSloRow) -> tuple[float | None, ...]:
    """The highest concurrency within the SLO and its figures, None where one request alone misses it."""
    if not isinstance(r, SloRow):
        return (r.users, None, None, None)
    return (r.users, r.total_tput_per_gpu_tok_s, r.median_tpot_ms, r.median_ttft_ms)


def rate_row(r: RateRow) -> tuple[float | str | None, ...]:
    """The figures at an arrival rate, and whether the server keeps up."""
    return (
        r.total_tput_per_gpu_tok_s,
        r.p50_ttft_ms,
        r.p99_ttft_ms,
        r.p50_tpot_ms,
        r.p99_tpot_ms,
        r.p50_e2e_ms,
        r.requests,
        r.preemptions,
        "overloaded" if r.overloaded else "ok",
    )
