"""Traces whose turns follow each other, as sessions of one call after the other."""

from __future__ import annotations

from paretoken.bench.workload.bodies import Message
from paretoken.bench.workload.traces.request import STAND_IN, Trace, TraceRequest
from paretoken.sessions.graph import NO_STEP, Call, Session, SessionTrace, Step


def sessions_of_turns(trace: Trace, think_s: float = 0.0) -> SessionTrace:
    """Every session of a trace, in the order of its first turn; a request without one is a session of its own.

    Between two turns lies the recorded delay, at least `think_s`.
    """
    turns: dict[str, list[TraceRequest]] = {}
    for number, request in enumerate(trace.requests):
        turns.setdefault(request.session or f"request {number}", []).append(request)
    sessions = tuple(
        Session(
            name=name,
            steps=tuple(_step(run, number, think_s) for number in range(len(run))),
            begin_s=run[0].time_s,
            block_tokens=trace.block_tokens,
        )
        for name, run in turns.items()
    )
    return SessionTrace(file=trace.file, form=trace.format, rule=trace.rule, sessions=sessions)


def _step(turns: list[TraceRequest], number: int, think_s: float) -> Step:
    request = turns[number]
    before = turns[number - 1] if number else None
    shared = _shared(before, request)
    call = Call(
        input_tokens=request.input_tokens,
        output_tokens=request.output_tokens,
        continues=number - 1 if shared else NO_STEP,
        blocks=request.blocks,
        messages=_messages(request)[shared:],
        answer=None if request.answer is None else {"role": "assistant", "content": request.answer},
    )
    if before is None:
        return Step(call=call)
    return Step(call=call, after=(number - 1,), wait_s=max(request.after_s or 0.0, think_s))


def _messages(request: TraceRequest) -> tuple[Message, ...]:
    if request.messages is not None:
        return request.messages
    return () if request.prompt is None else ({"role": "user", "content": request.prompt},)


def _shared(before: TraceRequest | None, request: TraceRequest) -> int:
    """Messages that are those of the turn before and its answer, 0 where the turn does not go on with them."""
    if before is None or before.messages is None or request.messages is None:
        return 0
    count = len(before.messages)
    goes_on = request.messages[:count] == before.messages and request.messages[count : count + 1] == (STAND_IN,)
    return count + 1 if goes_on else 0
