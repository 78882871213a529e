"""The figures of a replay: session time, latencies by turn, throughput, and what the cache found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, hypot, nan

import numpy as np
import numpy.typing as npt

from paretoken.predict.arrays import Floats, Ints
from paretoken.predict.simulated import QUANTILES
from paretoken.predict.simulation.result import SimulationResult
from paretoken.predict.simulation.sources import SessionLoad
from paretoken.predict.traces.times import SessionTimes, session_times
from paretoken.sessions.prefixes import possible_hits

Quantiles = Mapping[str, float]
"""Seconds by the names of `simulated.QUANTILES`, and `mean`; NaN where nothing has the metric."""
FIRST, LATER, CACHED = "first", "later", "cached"
"""Calls that wait for no other call of their session, all others, and those of either kind with a cache hit."""
SECONDS_PER_HOUR = 3600
Z_90 = 1.645
"""Standard errors of a 90 % interval."""
ALL = slice(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFigures:
    """The figures of a replay. Times are in seconds, rates per second and GPU.

    All are those of the sessions that count, whole ones by the order of their begins. With users, rates follow from
    Little's law: users · tokens of a session / time of a session, both on average, in `span_s` = all session time /
    users. So a long session weighs as in an endless run, whenever it begins. At recorded times, `span_s` is that of the
    run. `hit_tokens` are by tier; `possible_tokens` are those that an endless cache would have found. `prefill_share`
    is the share of busy GPU time that prompts add in the whole run. `calls_in_service` is the mean number of calls that
    run or wait at once, on all replicas.

    `tput_error` is the relative standard error of throughput, as of sessions drawn independently; NaN for one session.
    `ending_share` is the share of session time when some users have no session left; 0 at recorded times.
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
    tput_error: float
    ending_share: float

    @property
    def hits(self) -> int:
        """Prompt tokens found in any tier of the cache."""
        return sum(self.hit_tokens.values())

    @property
    def hit_share(self) -> float:
        """Share of prompt tokens found in any tier of the cache."""
        return self.hits / self.prompt_tokens

    @property
    def possible_share(self) -> float:
        """Share of prompt tokens that an endless cache would hold."""
        return self.possible_tokens / self.prompt_tokens

    @property
    def total_tput_per_gpu(self) -> float:
        """Prompt and output tokens, whether computed or found in the cache."""
        return self.computed_tput_per_gpu + self.hit_tput_per_gpu + self.output_tput_per_gpu

    def tput_90(self, band: tuple[float, float]) -> tuple[float, float]:
        """The 90 % interval of the total throughput, from that of a time as ln of factors.

        What takes longer yields less. The error of the sample adds in squares. Users without a session leave the others
        more of the server, so the low end is lower by `ending_share`.
        """
        sample = 0.0 if np.isnan(self.tput_error) else Z_90 * self.tput_error
        low, high = hypot(band[1], sample), hypot(band[0], sample)
        return self.total_tput_per_gpu * exp(-low) * (1 - self.ending_share), self.total_tput_per_gpu * exp(high)


def session_figures(
    run: SimulationResult,
    load: SessionLoad,
    gpus: int,
    *,
    prefill_share: float,
    block_tokens: int,
    counted: slice = ALL,
) -> SessionFigures:
    """The figures of a run of a load on `gpus`; `counted` are the sessions that count, all by default."""
    whole = session_times(run, load)
    times = whole.of(counted)
    calls = slice(load.first[:-1][counted][0], load.first[1:][counted][-1])
    inputs, outputs, hits = load.input_tokens[calls], load.output_tokens[calls], run.cached_tokens[calls]
    users = min(load.users or 0, len(load.first) - 1)
    span_s = max(times.session_s.sum() / users if users else float(times.end_s.max() - times.begin_s.min()), 1e-9)
    per_gpu = 1 / (span_s * gpus)
    later = np.zeros(len(run.due_s), bool)
    later[load.child] = True
    return SessionFigures(
        sessions=len(times.begin_s),
        calls=len(inputs),
        session_s=quantiles(times.session_s),
        model_share=times.model_share,
        ttft_s=quantiles(run.ttft_s[calls]),
        ttft_by_turn_s=_by_turn(run.ttft_s[calls], later[calls], hits),
        tpot_s=quantiles(run.tpot_s[calls]),
        e2e_s=quantiles(run.e2e_s[calls]),
        prompt_tokens=int(inputs.sum()),
        output_tokens=int(outputs.sum()),
        hit_tokens={tier: int(tokens[calls].sum()) for tier, tokens in run.cached_by_tier.items()},
        possible_tokens=_possible(run, load, block_tokens, calls),
        computed_tput_per_gpu=float((inputs - hits).sum()) * per_gpu,
        hit_tput_per_gpu=float(hits.sum()) * per_gpu,
        output_tput_per_gpu=float(outputs.sum()) * per_gpu,
        sessions_per_gpu_h=len(times.begin_s) * per_gpu * SECONDS_PER_HOUR,
        prefill_share=prefill_share,
        preemptions=run.preemptions,
        span_s=span_s,
        calls_in_service=float(run.e2e_s[calls].sum() / span_s),
        tput_error=_error(np.add.reduceat(load.input_tokens + load.output_tokens, load.first[:-1])[counted], times),
        ending_share=_ending(whole, times) if users else 0.0,
    )


def quantiles(values: Floats) -> dict[str, float]:
    """Quantiles and mean of what is defined."""
    values = values[~np.isnan(values)]
    if not values.size:
        return dict.fromkeys((*QUANTILES, "mean"), nan)
    return {name: float(np.quantile(values, at)) for name, at in QUANTILES.items()} | {"mean": float(values.mean())}


def _by_turn(ttft_s: Floats, later: npt.NDArray[np.bool_], hits: Ints) -> dict[str, Quantiles]:
    kinds = {FIRST: ~later, LATER: later, CACHED: hits > 0}
    return {kind: quantiles(ttft_s[rows]) for kind, rows in kinds.items()}


def _error(tokens: Ints, times: SessionTimes) -> float:
    """Relative standard error of the ratio of all tokens to all time."""
    n, seconds = len(tokens), times.session_s
    if n < 2:
        return nan
    off = tokens - tokens.sum() / max(seconds.sum(), 1e-9) * seconds
    return float(np.sqrt((off**2).sum() / (n * (n - 1))) / tokens.mean())


def _ending(whole: SessionTimes, counted: SessionTimes) -> float:
    """Share of the time of sessions that count after the first end that no begin follows."""
    free_s = whole.end_s[whole.end_s > whole.begin_s.max()].min(initial=float(whole.end_s.max()))
    after_s = np.minimum(counted.end_s - free_s, counted.session_s).clip(min=0.0)
    return float(after_s.sum() / max(counted.session_s.sum(), 1e-9))


def _possible(run: SimulationResult, load: SessionLoad, block_tokens: int, calls: slice) -> int:
    if load.prefixes is None:
        return 0
    order = np.argsort(run.due_s, kind="stable").tolist()
    return int(possible_hits(load.prefixes, order, load.input_tokens, block_tokens)[calls].sum())
