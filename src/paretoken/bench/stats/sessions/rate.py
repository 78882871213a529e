"""Sessions per hour of a span of time.

Each session counts by the share of its time that lies within the span:

    sessions per hour   Σ seconds within the span / seconds of the session, over the sessions done, / span · 3600

So a span that begins or ends amid sessions neither loses nor gains any, however few it holds: with users who always
have a session of the same length, it is exactly users / session time. A session that the end of the level cut is taken
to last as long as the mean of those done; if it had lasted that long already, as long as the mean again. A failed one
is never done and counts for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from paretoken.bench.stats.arrays import Floats, Mask
from paretoken.bench.stats.bootstrap import ConfidenceInterval
from paretoken.bench.stats.chunks import NS
from paretoken.bench.stats.sessions.measured import MeasuredSession
from paretoken.bench.stats.sessions.ratio import ratio_interval
from paretoken.bench.stats.sessions.span import SECONDS_PER_HOUR, SessionSpan


@dataclass(frozen=True, slots=True, eq=False)
class SessionRate:
    """The sessions of a span in order of their end: how long each lasts, how long of that within the span, and the part
    of it that counts."""

    seconds: Floats
    inside_s: Floats
    parts: Floats
    span_s: float

    @property
    def in_flight(self) -> float:
        """Mean number of sessions between begin and end over the span."""
        return float(self.inside_s.sum()) / self.span_s if self.span_s > 0 else 0.0

    def per_hour(self, longest_s: float = np.inf) -> float | None:
        """The sessions per hour that last no longer; None for an empty span."""
        if self.span_s <= 0:
            return None
        return float(self.parts[self.seconds <= longest_s].sum()) / self.span_s * SECONDS_PER_HOUR

    def interval(self, rng: np.random.Generator) -> ConfidenceInterval | None:
        """The 95 % interval of sessions per hour for the sessions in flight; None for fewer than 8.

        Sessions are drawn: by Little's law their rate is those in flight over the time of a session.
        """
        some: Mask = self.inside_s > 0
        ended = ratio_interval(self.parts[some], self.inside_s[some], rng)
        scale = self.in_flight * SECONDS_PER_HOUR
        if ended is None:
            return None
        return replace(ended, value=ended.value * scale, low=ended.low * scale, high=ended.high * scale)

    @classmethod
    def none(cls) -> Self:
        """Of a level without sessions."""
        return cls(np.empty(0), np.empty(0), np.empty(0), 0.0)

    @classmethod
    def of(cls, sessions: Sequence[MeasuredSession], span: SessionSpan) -> Self:
        """The sessions of a level that are in flight within the span."""
        chosen = [s for s in sessions if s.ends_ns > span.start_ns and s.begins_ns <= span.end_ns]
        chosen.sort(key=lambda s: (s.ends_ns, s.number))
        done = np.array([s.done for s in chosen], dtype=bool)
        cut = np.array([s.outcome == "cut" for s in chosen], dtype=bool)
        lasted = np.array([s.seconds for s in chosen], dtype=float)
        # Where none is done, a cut session is no part of one.
        mean = float(lasted[done].mean()) if done.any() else np.inf
        seconds = np.where(cut, np.where(lasted < mean, mean, lasted + mean), lasted)
        inside_s = np.array([_inside_s(s, span) for s in chosen], dtype=float)
        # A session of no time at all is within the span as a whole.
        parts = np.divide(inside_s, seconds, out=np.ones(len(chosen)), where=seconds > 0)
        return cls(seconds, inside_s, np.where(done | cut, parts, 0.0), span.seconds)


def _inside_s(played: MeasuredSession, span: SessionSpan) -> float:
    return max(min(played.ends_ns, span.end_ns) - max(played.begins_ns, span.start_ns), 0) * NS
