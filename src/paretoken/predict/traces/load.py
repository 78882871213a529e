"""A trace of sessions as the source of a simulation, without the sessions that a server refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paretoken.errors import BadFile
from paretoken.plural import counted
from paretoken.predict.deployment import Lengths
from paretoken.predict.simulation.sources import SessionLoad, session_load
from paretoken.sessions.graph import Session, SessionTrace


@dataclass(frozen=True, slots=True, eq=False)
class FittingSessions:
    """The sessions of a trace that a server of `most_tokens` takes; the others are `too_long`, the longest of a call
    being `longest` tokens."""

    sessions: tuple[Session, ...]
    too_long: int
    longest: int


def fitting_sessions(trace: SessionTrace, most_tokens: int) -> FittingSessions:
    """The sessions whose calls all have at most `most_tokens`, input and output."""
    kept = tuple(session for session in trace.sessions if session.longest_tokens <= most_tokens)
    longest = max((session.longest_tokens for session in trace.sessions), default=0)
    return FittingSessions(kept, len(trace.sessions) - len(kept), longest)


def check_trace(trace: SessionTrace) -> None:
    """BadFile for a trace without model calls, or with calls whose lengths it does not say."""
    calls = [call for session in trace.sessions for call in session.calls.values()]
    if not calls:
        raise BadFile(f"{trace.file} contains no model call; give a trace of sessions with calls")
    for side in ("input", "output"):
        lacking = sum(not getattr(call, f"{side}_tokens") for call in calls)
        if lacking:
            number = counted(lacking, "model call")
            raise BadFile(f"{number} of {trace.file} without {side} tokens; add their number to each")


def mean_call(sessions: Sequence[Session]) -> Lengths:
    """The mean lengths of the model calls."""
    calls = [call for session in sessions for call in session.calls.values()]
    isl, osl = (np.mean([getattr(call, f"{side}_tokens") for call in calls]) for side in ("input", "output"))
    return Lengths(max(round(float(isl)), 1), max(round(float(osl)), 1))


def load_of(sessions: Sequence[Session], *, users: int | None, idle_cap_s: float | None) -> SessionLoad:
    """The model calls of sessions; without `users` they begin at their own times, of which every session needs one."""
    sessions = [session for session in sessions if session.calls]
    if users is None:
        sessions = sorted(sessions, key=lambda session: session.begin_s or 0.0)
    return session_load(sessions, users=users, idle_cap_s=idle_cap_s)
