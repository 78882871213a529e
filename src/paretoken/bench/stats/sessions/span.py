"""The time of a level whose sessions count: the steady window, else the whole run.

The window counts where it is at least as long as the median session that ended in it. A shorter one would hold no
session from begin to end. The whole run lasts from the first begin to the last record of any session: the time of
sessions that were cut counts, for the server served them beside those that are done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from paretoken.bench.stats.chunks import NS
from paretoken.bench.stats.sessions.measured import NEVER, MeasuredSession
from paretoken.bench.stats.steady import Window

SECONDS_PER_HOUR = 3600
SpanName = Literal["window", "whole run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSpan:
    """The time whose sessions count; ns from the start of the level."""

    name: SpanName
    start_ns: int
    end_ns: int

    @property
    def seconds(self) -> float:
        return (self.end_ns - self.start_ns) * NS

    @property
    def whole(self) -> bool:
        """Whether it is the whole run."""
        return self.name == "whole run"

    def holds(self, played: MeasuredSession) -> bool:
        """Whether a session ended in it, done or failed."""
        return played.outcome != "cut" and self.start_ns < played.ends_ns <= self.end_ns


def session_span(sessions: Sequence[MeasuredSession], window: Window) -> SessionSpan:
    """The steady window if it is long enough for sessions, else the whole run."""
    steady = SessionSpan(name="window", start_ns=window.start_ns, end_ns=window.end_ns)
    ended = [s.seconds for s in sessions if s.done and steady.holds(s)]
    if window.enough and ended and float(np.median(ended)) <= steady.seconds:
        return steady
    start = min((s.begins_ns for s in sessions), default=0)
    end = max((_last_ns(s) for s in sessions), default=start - 1)
    return SessionSpan(name="whole run", start_ns=start - 1, end_ns=end)


def _last_ns(played: MeasuredSession) -> int:
    """When a session ended; of one that was cut, its last call: nobody waited for the pauses that are its tools."""
    if played.outcome != "cut":
        return played.ends_ns
    steps = zip(played.traced.session.steps, played.end_ns, strict=True)
    return max(end for step, end in steps if step.call is not None and end != NEVER)
