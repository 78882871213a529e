"""What the sessions of a trace ask for: calls, tokens, time in tools, and what an endless cache would hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paretoken.sessions.graph import SessionTrace
from paretoken.sessions.possible import possible_share

QUANTILES = (0.1, 0.5, 0.9, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How values are spread: their mean, quantiles by share, and the largest. `missing` are those not in the trace."""

    mean: float
    quantiles: tuple[tuple[float, float], ...]
    largest: float
    missing: int = 0

    @property
    def median(self) -> float:
        """The value below which half of them are."""
        return dict(self.quantiles)[0.5]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSummary:
    """A trace of sessions in numbers. A spread is None where the trace says none of its values.

    `tool_s` is the time in tools of a session, added up over parallel ones; `idle_s` its waits, added up.
    `critical_path_s` is how long a session takes at least: tools and waits alone, with model calls of 0 s.
    `possible_share` is the share of prompt tokens that an endless cache holds, calls one session after the other;
    None where lengths of prompts are missing. `widest` is the most model calls of a session at once.
    """

    sessions: int
    calls: int
    tools: int
    agents: int
    widest: int
    calls_per_session: Spread
    input_tokens: Spread | None
    output_tokens: Spread | None
    longest_tokens: int
    tool_s: Spread
    idle_s: Spread
    critical_path_s: Spread
    possible_share: float | None


def summary_of(trace: SessionTrace) -> SessionSummary:
    """The trace in numbers."""
    sessions = trace.sessions
    calls = [call for session in sessions for call in session.calls.values()]
    tools = [[s for s in session.steps if s.call is None] for session in sessions]
    return SessionSummary(
        sessions=len(sessions),
        calls=len(calls),
        tools=sum(map(len, tools)),
        agents=sum(len(session.agents) for session in sessions),
        widest=max(session.widest for session in sessions),
        calls_per_session=_spread([len(session.calls) for session in sessions]),
        input_tokens=_known([call.input_tokens for call in calls]),
        output_tokens=_known([call.output_tokens for call in calls]),
        longest_tokens=max(session.longest_tokens for session in sessions),
        tool_s=_spread([sum(step.seconds or 0.0 for step in own) for own in tools]),
        idle_s=_spread([sum(step.wait_s for step in session.steps) for session in sessions]),
        critical_path_s=_spread([max(end for _, end in session.times(0.0)) for session in sessions]),
        possible_share=None if any(call.input_tokens is None for call in calls) else possible_share(sessions),
    )


def _known(values: Sequence[int | None]) -> Spread | None:
    known = [value for value in values if value is not None]
    return _spread(known, len(values) - len(known)) if known else None


def _spread(values: Sequence[float], missing: int = 0) -> Spread:
    cuts = np.quantile(values, QUANTILES)
    return Spread(
        mean=float(np.mean(values)),
        quantiles=tuple((share, float(cut)) for share, cut in zip(QUANTILES, cuts, strict=True)),
        largest=float(max(values)),
        missing=missing,
    )
