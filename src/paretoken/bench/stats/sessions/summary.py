"""Sessions of a load level as figures, from its request records and the sessions of the trace.

The figures are those of the sessions that ended within a span (`sessions.span`), and of the calls that did.

    sessions per hour   by the share of each session's time that lies within the span (`sessions.rate`)
    path                share of each part of the critical paths: Σ length of the part / Σ session time, over sessions
    calls_s, tools_s    mean seconds of all calls (tools) of a session together
    in_model_s, …       mean seconds of a session in which at least one call (tool) ran, both, or neither
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from paretoken.bench.stats.arrays import Floats
from paretoken.bench.stats.bootstrap import ConfidenceInterval, mean_interval, quantile_interval
from paretoken.bench.stats.chunks import NS
from paretoken.bench.stats.metrics import Samples
from paretoken.bench.stats.quantiles import Distribution, describe, supported
from paretoken.bench.stats.scrape import ServerMetrics
from paretoken.bench.stats.sessions.busy import BusyTimes, busy_times
from paretoken.bench.stats.sessions.measured import MeasuredSession
from paretoken.bench.stats.sessions.path import PARTS, PathPart, critical_path
from paretoken.bench.stats.sessions.rate import SessionRate
from paretoken.bench.stats.sessions.ratio import ratio_interval
from paretoken.bench.stats.sessions.reuse import TokenReuse, level_reuse, possible_tokens
from paretoken.bench.stats.sessions.reuse_intervals import reuse_intervals
from paretoken.bench.stats.sessions.span import SessionSpan, SpanName
from paretoken.bench.stats.sessions.turns import TurnFigures, TurnTtft, by_turn, turn_ttft
from paretoken.bench.stats.throughput import inside


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCounts:
    """Sessions of a whole level by how they ended; `reasons` of those that failed or were cut."""

    begun: int
    done: int
    failed: int
    cut: int
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelSessions:
    """The sessions of a level. `done` are those of the span that the figures are of, `calls` their mean calls."""

    counts: SessionCounts
    span: SpanName
    seconds: float
    done: int
    calls: float | None
    mean_in_flight: float
    per_hour: float | None
    per_gpu_hour: float | None
    time_s: Distribution
    path: Mapping[PathPart, float]
    busy: BusyTimes | None
    ttft: TurnTtft
    turns: tuple[TurnFigures, ...]
    reuse: TokenReuse
    why_unknown: str
    intervals: Mapping[str, ConfidenceInterval | None]


def summarise_sessions(
    samples: Samples,
    sessions: Sequence[MeasuredSession],
    span: SessionSpan,
    n_gpus: int,
    server: ServerMetrics | None = None,
    seed: int = 0,
) -> LevelSessions:
    """The figures of the sessions of a level, in any order."""
    done = sorted((s for s in sessions if s.done and span.holds(s)), key=lambda s: (s.ends_ns, s.number))
    chosen = (samples.session >= 0) & inside(samples.end_ns, span.start_ns, span.end_ns)
    possible = possible_tokens(samples, sessions)
    reuse, why = level_reuse(samples, possible, chosen, server)
    rate = SessionRate.of(sessions, span)
    per_hour = rate.per_hour()
    paths = _paths(done)
    rng = np.random.default_rng([seed, 0x5E55])
    return LevelSessions(
        counts=session_counts(sessions),
        span=span.name,
        seconds=span.seconds,
        done=len(done),
        calls=float(np.mean([len(s.rows) for s in done])) if done else None,
        mean_in_flight=rate.in_flight,
        per_hour=per_hour,
        per_gpu_hour=None if per_hour is None else per_hour / n_gpus,
        time_s=describe(_times(done)),
        path=_shares(paths, _times(done)),
        busy=_mean_busy([busy_times(s) for s in done]),
        ttft=turn_ttft(samples, chosen),
        turns=by_turn(samples, possible, chosen),
        reuse=reuse,
        why_unknown=why,
        intervals=_intervals(done, paths, rng, rate) | reuse_intervals(samples, possible, chosen, reuse, rng),
    )


def session_counts(sessions: Sequence[MeasuredSession]) -> SessionCounts:
    """How the sessions of a level ended."""
    outcomes = Counter(s.outcome for s in sessions)
    return SessionCounts(
        begun=len(sessions),
        done=outcomes["done"],
        failed=outcomes["failed"],
        cut=outcomes["cut"],
        reasons=dict(sorted(Counter(s.reason for s in sessions if s.reason).items())),
    )


def _times(done: Sequence[MeasuredSession]) -> Floats:
    return np.array([s.seconds for s in done], dtype=float)


def _paths(done: Sequence[MeasuredSession]) -> dict[PathPart, Floats]:
    """Seconds of each part of the critical path, shape (sessions,)."""
    seconds: dict[PathPart, Floats] = {part: np.zeros(len(done)) for part in PARTS}
    for place, played in enumerate(done):
        for piece in critical_path(played):
            seconds[piece.part][place] += piece.length_ns * NS
    return seconds


def _shares(paths: Mapping[PathPart, Floats], times: Floats) -> dict[PathPart, float]:
    total = float(times.sum())
    return {part: float(seconds.sum()) / total for part, seconds in paths.items()} if total > 0 else {}


def _mean_busy(busy: Sequence[BusyTimes]) -> BusyTimes | None:
    names = BusyTimes.__dataclass_fields__
    return BusyTimes(**{n: float(np.mean([getattr(b, n) for b in busy])) for n in names}) if busy else None


def _intervals(
    done: Sequence[MeasuredSession], paths: Mapping[PathPart, Floats], rng: np.random.Generator, rate: SessionRate
) -> dict[str, ConfidenceInterval | None]:
    """95 % intervals by a bootstrap of sessions in order of their end: calls of a session are not independent."""
    times = _times(done)
    by_name = {"mean_session_s": mean_interval(times, rng), "median_session_s": quantile_interval(times, 0.5, rng)}
    by_name["p90_session_s"] = quantile_interval(times, 0.9, rng) if supported(len(times), 0.9) else None
    by_name["sessions_per_hour"] = rate.interval(rng)
    return by_name | {f"path_{part}": ratio_interval(paths[part], times, rng) for part in PARTS}
