"""The critical path of a session: the chain of calls, tools and pauses that determined its end.

It is followed from the end back: the step that ended last, then of the steps that it waited for the one that ended
last, and so on to the begin of the session. Of steps that end at the same time, the first in the session is on it. Its
pieces touch each other, so their lengths sum to the session time exactly:

    ttft     a call, from due to its first token: the queue and the prefill
    decode   a call, from its first token to its end
    unsplit  a call whose first token nobody saw, from due to its end
    tool     a tool call
    wait     between the end of a step and the begin of the next: pauses of the trace, and the client's own delay
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from paretoken.bench.stats.sessions.measured import NEVER, MeasuredSession

PathPart = Literal["ttft", "decode", "unsplit", "tool", "wait"]
PARTS: tuple[PathPart, ...] = get_args(PathPart)


@dataclass(frozen=True, slots=True)
class PathPiece:
    """A piece of the critical path; a wait is that of its step. ns."""

    part: PathPart
    step: int
    begin_ns: int
    end_ns: int

    @property
    def length_ns(self) -> int:
        return self.end_ns - self.begin_ns


def critical_path(played: MeasuredSession) -> tuple[PathPiece, ...]:
    """The pieces in order of time, those of no length left out."""
    return tuple(reversed([piece for piece in _backwards(played) if piece.length_ns > 0]))


def _backwards(played: MeasuredSession) -> Iterator[PathPiece]:
    steps, start, at = played.traced.session.steps, played.begins_ns, played.ends_ns
    step: int | None = played.end_ns.index(at)
    while step is not None and at > start:
        # A clock read twice may place a step a little before the end of the one that it waits for.
        begin = min(max(played.begin_ns[step], start), at)
        yield from _pieces(played, step, begin, at)
        before = max(steps[step].after, key=lambda parent: (played.end_ns[parent], -parent), default=None)
        ended = start if before is None else min(max(played.end_ns[before], start), begin)
        yield PathPiece("wait", step, ended, begin)
        step, at = before, ended


def _pieces(played: MeasuredSession, step: int, begin: int, end: int) -> Iterator[PathPiece]:
    if played.traced.session.steps[step].call is None:
        yield PathPiece("tool", step, begin, end)
    elif played.first_ns[step] == NEVER:
        yield PathPiece("unsplit", step, begin, end)
    else:
        first = min(max(played.first_ns[step], begin), end)
        yield PathPiece("decode", step, first, end)
        yield PathPiece("ttft", step, begin, first)
