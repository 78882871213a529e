"""Traces of requests as sessions, so that one simulation replays both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from paretoken.bench.workload.traces import read_trace
from paretoken.bench.workload.traces.request import Trace, TraceLimits, TraceRequest
from paretoken.sessions.graph import NO_STEP, Call, Session, SessionTrace, Step
from paretoken.sessions.read import is_session_file, read_sessions


def read_as_sessions(path: Path, *, keep_going: bool = False) -> SessionTrace:
    """The sessions of a file in any form that `bench --trace` reads; a request without a session is one of its own."""
    if is_session_file(path):
        return read_sessions(path, keep_going=keep_going)
    return sessions_of_requests(read_trace(path, TraceLimits()))


def sessions_of_requests(trace: Trace) -> SessionTrace:
    """The requests of a trace as sessions. Turns that follow an answer wait for it; others keep their own times."""
    chains: dict[str, list[TraceRequest]] = {}
    for number, request in enumerate(trace.requests):
        # A turn with a time of its own does not wait, so it needs no chain.
        key = request.session if request.session and trace.in_turns else f"request {number}"
        chains.setdefault(key, []).append(request)
    sessions = [_session(name, requests, trace.block_tokens) for name, requests in chains.items()]
    if trace.timed:
        sessions.sort(key=lambda session: session.begin_s or 0.0)
    left_out = {"no prompt or no answer": trace.failed, "too long": trace.limited}
    return SessionTrace(
        file=trace.file,
        form=trace.format,
        rule=trace.rule,
        sessions=tuple(sessions),
        left_out={why: n for why, n in left_out.items() if n},
    )


def _session(name: str, requests: Sequence[TraceRequest], block_tokens: int) -> Session:
    steps = tuple(_step(i, request) for i, request in enumerate(requests))
    return Session(name=name, steps=steps, begin_s=requests[0].time_s, block_tokens=block_tokens)


def _step(place: int, request: TraceRequest) -> Step:
    follows = place > 0
    return Step(
        after=(place - 1,) if follows else (),
        wait_s=(request.after_s or 0.0) if follows else 0.0,
        call=Call(
            input_tokens=request.input_tokens,
            output_tokens=request.output_tokens,
            continues=NO_STEP if request.blocks or not follows else place - 1,
            blocks=request.blocks,
        ),
    )
