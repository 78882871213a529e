"""Time of a session in the model and in tools: as sums over steps, and as the time in which any of them ran.

With M and T the unions of the intervals of its calls and of its tools, both cut to the session:

    session time = |M ∪ T| + idle,   |M ∪ T| = |M| + |T| − both
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from paretoken.bench.stats.chunks import NS
from paretoken.bench.stats.sessions.measured import NEVER, MeasuredSession

Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyTimes:
    """Seconds of a session: sums over its calls and tools, time with at least one of them, with both, with neither."""

    calls_s: float
    tools_s: float
    in_model_s: float
    in_tools_s: float
    in_both_s: float
    idle_s: float


def busy_times(played: MeasuredSession) -> BusyTimes:
    """The times of a session up to its end."""
    start, end = played.begins_ns, played.ends_ns
    calls, tools = spans(played, of_calls=True), spans(played, of_calls=False)
    model, tool, either = (union_ns(s, start, end) for s in (calls, tools, [*calls, *tools]))
    return BusyTimes(
        calls_s=_length(calls, start, end) * NS,
        tools_s=_length(tools, start, end) * NS,
        in_model_s=model * NS,
        in_tools_s=tool * NS,
        in_both_s=(model + tool - either) * NS,
        idle_s=(end - start - either) * NS,
    )


def spans(played: MeasuredSession, *, of_calls: bool) -> list[Span]:
    """Begin and end of the calls, or of the tools, that ran. ns."""
    steps = zip(played.traced.session.steps, played.begin_ns, played.end_ns, strict=True)
    return [(begin, end) for step, begin, end in steps if (step.call is not None) == of_calls and end != NEVER]


def union_ns(intervals: Iterable[Span], start: int, end: int) -> int:
    """The time within (start, end] that at least one of the intervals covers."""
    covered, at = 0, start
    for a, b in sorted(intervals):
        a, b = max(a, at), min(b, end)
        if b > a:
            covered, at = covered + b - a, b
    return covered


def _length(intervals: Sequence[Span], start: int, end: int) -> int:
    return sum(max(min(b, end) - max(a, start), 0) for a, b in intervals)
