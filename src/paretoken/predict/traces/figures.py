"""The figures of a replay: session time, latencies by turn, throughput, and what the cache found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

import numpy as np

from paretoken.predict.arrays import Floats
from paretoken.predict.simulated import QUANTILES
from paretoken.predict.simulation.result import SimulationResult
from paretoken.predict.simulation.sources import SessionLoad
from paretoken.predict.traces.times import SessionTimes, session_times
from paretoken.sessions.prefixes import possible_hits

Quantiles = Mapping[str, float]
"""Seconds by the names of `simulated.QUANTILES`, and `mean`; NaN where nothing has the metric."""
FIRST, LATER, CACHED = "first", "later", "cached"
"""Calls that wait for no other call of their session, all others, and those of either kind with a cache hit."""
FEWEST_EACH = 1.5
"""Sessions of each user from which rates are those of the time in which all users are busy."""
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFigures:
    """The figures of a replay. Times are in seconds, rates per second and GPU.

    Latencies are those of all sessions. Rates are those of the time in which all users are busy, from the first begin
    to the last one; of the whole run at recorded times, or where users have fewer than `FEWEST_EACH` sessions each.
    Sessions per hour are tokens per hour over the tokens of a session. `hit_tokens` are by tier; `possible_tokens` are
    those that an endless cache would have found. `prefill_share` is the share of busy GPU time that prompts add.
    `calls_in_service` is the mean number of calls that run or wait at once, on all replicas, over the whole run.
    """

    sessions: int
    calls: int
    session_s: Quantiles
    model_share: float
    ttft_s: Quantiles
    ttft_by_turn_s: Mapping[str, Quantiles]
    tpot_s: Quantiles
    e2e_s: Quantiles
    prompt_tokens: int
    output_tokens: int
    hit_tokens: Mapping[str, int]
    possible_tokens: int
    computed_tput_per_gpu: float
    hit_tput_per_gpu: float
    output_tput_per_gpu: float
    sessions_per_gpu_h: float
    prefill_share: float
    preemptions: int
    span_s: float
    calls_in_service: float

    @property
    def total_tput_per_gpu(self) -> float:
        """Prompt and output tokens, whether computed or found in the cache."""
        return self.computed_tput_per_gpu + self.hit_tput_per_gpu + self.output_tput_per_gpu


def session_figures(
    run: SimulationResult, load: SessionLoad, gpus: int, *, prefill_share: float, block_tokens: int
) -> SessionFigures:
    """The figures of a run of a load on `gpus`."""
    times, tokens = session_times(run, load), load.input_tokens + load.output_tokens
    start_s, stop_s = _window(load, times)
    inside = (run.last_s > start_s) & (run.last_s <= stop_s)
    span_s = max(stop_s - start_s, 1e-9)
    per_gpu = 1 / (span_s * gpus)
    hits = run.cached_tokens
    return SessionFigures(
        sessions=len(times.begin_s),
        calls=len(tokens),
        session_s=quantiles(times.session_s),
        model_share=times.model_share,
        ttft_s=quantiles(run.ttft_s),
        ttft_by_turn_s=_by_turn(run, load),
        tpot_s=quantiles(run.tpot_s),
        e2e_s=quantiles(run.e2e_s),
        prompt_tokens=int(load.input_tokens.sum()),
        output_tokens=int(load.output_tokens.sum()),
        hit_tokens={tier: int(tokens.sum()) for tier, tokens in run.cached_by_tier.items()},
        possible_tokens=_possible(run, load, block_tokens),
        computed_tput_per_gpu=float((load.input_tokens - hits)[inside].sum()) * per_gpu,
        hit_tput_per_gpu=float(hits[inside].sum()) * per_gpu,
        output_tput_per_gpu=float(load.output_tokens[inside].sum()) * per_gpu,
        sessions_per_gpu_h=float(tokens[inside].sum()) * per_gpu * SECONDS_PER_HOUR * len(times.begin_s) / tokens.sum(),
        prefill_share=prefill_share,
        preemptions=run.preemptions,
        span_s=span_s,
        calls_in_service=float(run.e2e_s.sum() / max(run.last_s.max() - run.due_s.min(), 1e-9)),
    )


def quantiles(values: Floats) -> dict[str, float]:
    """Quantiles and mean of what is defined."""
    values = values[~np.isnan(values)]
    if not values.size:
        return dict.fromkeys((*QUANTILES, "mean"), nan)
    return {name: float(np.quantile(values, at)) for name, at in QUANTILES.items()} | {"mean": float(values.mean())}


def _by_turn(run: SimulationResult, load: SessionLoad) -> dict[str, Quantiles]:
    later = np.zeros(len(run.due_s), bool)
    later[load.child] = True
    kinds = {FIRST: ~later, LATER: later, CACHED: run.cached_tokens > 0}
    return {kind: quantiles(run.ttft_s[rows]) for kind, rows in kinds.items()}


def _window(load: SessionLoad, times: SessionTimes) -> tuple[float, float]:
    """Start and end of the time that rates count."""
    start_s = float(times.begin_s.min())
    if load.users is None or len(times.begin_s) < FEWEST_EACH * load.users:
        return start_s, float(times.end_s.max())
    return start_s, float(times.begin_s.max())


def _possible(run: SimulationResult, load: SessionLoad, block_tokens: int) -> int:
    if load.prefixes is None:
        return 0
    order = np.argsort(run.due_s, kind="stable").tolist()
    return int(possible_hits(load.prefixes, order, load.input_tokens, block_tokens).sum())
