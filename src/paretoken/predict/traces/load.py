"""A trace of sessions as the source of a simulation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paretoken.errors import BadFile
from paretoken.plural import counted
from paretoken.predict.deployment import Lengths
from paretoken.predict.simulation.sources import SessionLoad, session_load
from paretoken.sessions.graph import Session, SessionTrace


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
