"""The figures of a replay as an answer has them: quantiles, latency by turn, rates, hits, and their 90 % intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, isfinite

from paretoken.answers.prediction import PredictionData
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.session_points import doubts_of_calls
from paretoken.predict.traces.figures import CACHED, FIRST, LATER, Quantiles, SessionFigures

INTERVALS = (
    "The 90 % intervals are those of independent requests with the mean lengths of the calls. The errors of session "
    "times and of cache hits have not been measured."
)


@dataclass(frozen=True, kw_only=True)
class TimeQuantiles:
    """Quantiles and mean of a time; None where nothing has it."""

    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    mean: float | None

    @classmethod
    def of(cls, seconds: Quantiles, unit: float = 1.0) -> TimeQuantiles:
        """The quantiles in a unit, by its number per second: 1,000 for ms."""
        return cls(**{name: value * unit if isfinite(value) else None for name, value in seconds.items()})


@dataclass(frozen=True, kw_only=True)
class TtftByTurn:
    """TTFT in ms: of all calls, of those that wait for no other call of their session (`first`), of the others
    (`later`), and of calls of either kind with a cache hit (`cached`)."""

    all: TimeQuantiles
    first: TimeQuantiles
    later: TimeQuantiles
    cached: TimeQuantiles


@dataclass(frozen=True, kw_only=True)
class TraceFigures:
    """The figures of one replay.

    `model_share` is the share of model calls in the critical paths of all sessions; `tool_share` is that of tools and
    waits. Throughput counts prompt tokens, computed or found in the cache, and output tokens; `computed_…`, `hit_…` and
    `output_…` are its parts. `hit_tokens` are by tier, fastest first; `possible_hit_tokens` are those that an endless
    cache would find. `…_90` are 90 % intervals. `prefill_share` is the share of busy GPU time that prompts take.
    """

    sessions: int
    calls: int
    session_s: TimeQuantiles
    model_share: float | None
    tool_share: float | None
    ttft_ms: TtftByTurn
    tpot_ms: TimeQuantiles
    median_tpot_ms_90: tuple[float, float] | None
    e2e_ms: TimeQuantiles
    total_tput_per_gpu_tok_s: float
    total_tput_per_gpu_tok_s_90: tuple[float, float]
    computed_tput_per_gpu_tok_s: float
    hit_tput_per_gpu_tok_s: float
    output_tput_per_gpu_tok_s: float
    sessions_per_gpu_h: float
    prompt_tokens: int
    output_tokens: int
    hit_tokens: Mapping[str, int]
    possible_hit_tokens: int
    prefill_share: float
    preemptions: int
    span_s: float
    origin: str
    new_to_calibration: list[str]

    @property
    def hits(self) -> int:
        """Prompt tokens found in any tier."""
        return sum(self.hit_tokens.values())


def trace_figures(
    figures: SessionFigures, deployment: Deployment, lengths: Lengths, users: float, data: PredictionData
) -> TraceFigures:
    """The figures of a replay of calls with the mean lengths, in which `users` calls run at once on a replica."""
    f, (kinds, bands) = figures, doubts_of_calls(deployment, lengths, users, data.calibration, data.catalog)
    tpot = f.tpot_s["p50"] * 1e3
    low, high = bands["tpot"]
    return TraceFigures(
        sessions=f.sessions,
        calls=f.calls,
        session_s=TimeQuantiles.of(f.session_s),
        model_share=f.model_share if isfinite(f.model_share) else None,
        tool_share=1 - f.model_share if isfinite(f.model_share) else None,
        ttft_ms=_by_turn(f),
        tpot_ms=TimeQuantiles.of(f.tpot_s, 1e3),
        median_tpot_ms_90=(tpot * exp(low), tpot * exp(high)) if isfinite(tpot) else None,
        e2e_ms=TimeQuantiles.of(f.e2e_s, 1e3),
        total_tput_per_gpu_tok_s=f.total_tput_per_gpu,
        total_tput_per_gpu_tok_s_90=f.tput_90(bands["e2e"]),
        computed_tput_per_gpu_tok_s=f.computed_tput_per_gpu,
        hit_tput_per_gpu_tok_s=f.hit_tput_per_gpu,
        output_tput_per_gpu_tok_s=f.output_tput_per_gpu,
        sessions_per_gpu_h=f.sessions_per_gpu_h,
        prompt_tokens=f.prompt_tokens,
        output_tokens=f.output_tokens,
        hit_tokens=dict(f.hit_tokens),
        possible_hit_tokens=f.possible_tokens,
        prefill_share=f.prefill_share,
        preemptions=f.preemptions,
        span_s=f.span_s,
        origin="predicted",
        new_to_calibration=kinds,
    )


def _by_turn(figures: SessionFigures) -> TtftByTurn:
    turns = {kind: TimeQuantiles.of(figures.ttft_by_turn_s[kind], 1e3) for kind in (FIRST, LATER, CACHED)}
    return TtftByTurn(all=TimeQuantiles.of(figures.ttft_s, 1e3), **turns)
