"""The traffic of recorded sessions: their model calls, and back from a part of the traffic to whole sessions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from paretoken.errors import BadFile
from paretoken.plural import counted
from paretoken.sessions.graph import UNTIMED_CALL_S, Session, SessionTrace
from paretoken.traffic.traffic import DAY_S, Ints, PrefixBlocks, SessionGraphs, Traffic, period_s


def traffic_of_sessions(trace: SessionTrace) -> Traffic:
    """The model calls of the sessions at the times of the trace; BadFile where it lacks times or lengths.

    A call without a recorded time comes when what it waits for had ended in the trace. An answer without a recorded
    duration takes `UNTIMED_CALL_S` there; a note counts them.
    """
    if not trace.sessions:
        raise BadFile(f"{trace.file} contains no session; give a trace with one or more")
    if not trace.timed:
        raise BadFile(f"{trace.file} contains sessions without a time; give a trace with the start of each session")
    require_lengths(trace)
    times = np.array([at_s for session in trace.sessions for at_s in recorded_times_s(session)])
    if not len(times):
        raise BadFile(f"{trace.file} contains no model call; give a trace of sessions with calls")
    graphs = _graphs(trace.sessions)
    calls = [call for session in trace.sessions for call in session.calls.values()]
    order = np.argsort(times, kind="stable")
    blocks = tuple(calls[i].blocks for i in order)
    return Traffic(
        time_s=times[order] - times.min(),
        input_tokens=np.array([calls[i].input_tokens for i in order], np.int64),
        output_tokens=np.array([calls[i].output_tokens for i in order], np.int64),
        session=graphs.graph[order],
        span_s=period_s(times, trace.file),
        source=f"{Path(trace.file).name} ({trace.form})",
        prefixes=PrefixBlocks(blocks, _block_tokens(trace)) if any(blocks) else None,
        graphs=graphs.take(order),
        day_start_s=None if trace.begin_unix_s is None else (trace.begin_unix_s + float(times.min())) % DAY_S,
        notes=tuple(_notes(trace)),
    )


def require_lengths(trace: SessionTrace) -> None:
    """BadFile where model calls lack their input or output tokens."""
    for side in ("input", "output"):
        lacking = sum(
            getattr(call, f"{side}_tokens") is None for session in trace.sessions for call in session.calls.values()
        )
        if lacking:
            raise BadFile(
                f"{counted(lacking, 'model call')} of {trace.file} without {side} tokens; add their number to each"
            )


def recorded_times_s(session: Session) -> list[float]:
    """When each model call began in the trace, s on the clock of the trace; 0 is the start of the first session."""
    times = session.times()
    return [(session.begin_s or 0.0) + times[step][0] for step in session.calls]


def sessions_between(traffic: Traffic, start_s: float, stop_s: float) -> tuple[Session, ...]:
    """The sessions whose first request comes from `start_s` to before `stop_s`, in that order, at their times.

    They are whole, also where they last longer. `begin_s` counts from `start_s`. A session is left out if the traffic
    lacks some of its calls, such as those too long for a replica.
    """
    graphs = traffic.graphs
    if graphs is None:
        return ()
    order = np.argsort(traffic.session, kind="stable")
    _, begins, sizes = np.unique(traffic.session[order], return_index=True, return_counts=True)
    chosen: list[Session] = []
    for begin, size in zip(begins.tolist(), sizes.tolist(), strict=True):
        rows = order[begin : begin + size]
        session = graphs.sessions[int(graphs.graph[rows[0]])]
        if start_s <= traffic.time_s[rows[0]] < stop_s and size == len(session.calls):
            at_s = float(traffic.time_s[rows[0]]) - start_s - _first_wait_s(session)
            chosen.append(replace(_with_blocks(session, traffic, rows), begin_s=max(at_s, 0.0)))
    return tuple(sorted(chosen, key=lambda session: session.begin_s or 0.0))


def _first_wait_s(session: Session) -> float:
    """Seconds from the start of a session to its first model call."""
    return min(recorded_times_s(session)) - (session.begin_s or 0.0)


def _with_blocks(session: Session, traffic: Traffic, rows: Ints) -> Session:
    """The session with the block ids of its rows, which differ in a copy."""
    if traffic.prefixes is None or traffic.graphs is None:
        return session
    ids = dict(zip(traffic.graphs.step[rows].tolist(), (traffic.prefixes.ids[row] for row in rows), strict=True))
    steps = (
        replace(step, call=replace(step.call, blocks=ids[i])) if step.call is not None else step
        for i, step in enumerate(session.steps)
    )
    return replace(session, steps=tuple(steps))


def _graphs(sessions: tuple[Session, ...]) -> SessionGraphs:
    steps = [list(session.calls) for session in sessions]
    graph = np.repeat(np.arange(len(sessions)), [len(row) for row in steps])
    return SessionGraphs(sessions, graph, np.fromiter(chain.from_iterable(steps), np.int64, len(graph)))


def _block_tokens(trace: SessionTrace) -> int:
    sizes = {session.block_tokens for session in trace.sessions}
    if len(sizes) > 1:
        raise BadFile(f"the sessions of {trace.file} have blocks of {sorted(sizes)} tokens; use one size in a trace")
    return sizes.pop()


def _notes(trace: SessionTrace) -> Iterator[str]:
    yield from trace.notes()
    if untimed := sum(map(_guessed, trace.sessions)):
        how = f"{UNTIMED_CALL_S:g} s in the times of later turns"
        yield f"{counted(untimed, 'model call')} without a recorded duration: {how}"


def _guessed(session: Session) -> int:
    """Calls of unknown duration that a step waits for whose own time was not recorded."""
    waited = {parent for step in session.steps if step.began_s is None for parent in step.after}
    return sum(session.steps[index].seconds is None for index in waited & session.calls.keys())
