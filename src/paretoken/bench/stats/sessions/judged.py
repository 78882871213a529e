"""The sessions that an SLO on sessions is judged by.

They are those of the span that ended, done or failed. Where the span is the whole run, a session that the end of the
level cut counts too once it has lasted longer than every limit: however it had ended, it would have missed them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from paretoken.bench.stats.arrays import Floats, Mask
from paretoken.bench.stats.sessions.measured import MeasuredSession
from paretoken.bench.stats.sessions.rate import SessionRate
from paretoken.bench.stats.sessions.span import SessionSpan


@dataclass(frozen=True, slots=True, eq=False)
class JudgedSessions:
    """Seconds of each session that is judged, whether it is done, and the sessions per hour of the span."""

    seconds: Floats
    done: Mask
    rate: SessionRate

    def __len__(self) -> int:
        return len(self.seconds)

    def within(self, bound_s: float) -> Mask:
        """Whether each session is done within the limit."""
        good: Mask = self.done & (self.seconds <= bound_s)
        return good

    @classmethod
    def none(cls) -> Self:
        """Of a level without sessions."""
        return cls(np.empty(0), np.empty(0, dtype=bool), SessionRate.none())

    @classmethod
    def of(cls, sessions: Sequence[MeasuredSession], span: SessionSpan, bounds_s: Sequence[float]) -> Self:
        """The sessions of a level that limits of `bounds_s` are judged by."""
        longest = max(bounds_s, default=np.inf)
        chosen = [s for s in sessions if span.holds(s) or (span.whole and s.outcome == "cut" and s.seconds > longest)]
        seconds = np.array([s.seconds for s in chosen], dtype=float)
        return cls(seconds, np.array([s.done for s in chosen], dtype=bool), SessionRate.of(sessions, span))
