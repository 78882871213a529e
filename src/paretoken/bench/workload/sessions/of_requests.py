"""Traces of requests as sessions, so that one program replays both: turns that follow each other, or single calls."""

from __future__ import annotations

from paretoken.bench.workload.bodies import Message
from paretoken.bench.workload.traces.request import STAND_IN, Trace, TraceRequest
from paretoken.sessions.graph import NO_STEP, Call, Session, SessionTrace, Step


def sessions_of_requests(trace: Trace, think_s: float = 0.0) -> SessionTrace:
    """The requests as sessions, in the order of their first ones. Turns that follow an answer wait for it.

    Between two of these lies the recorded delay, at least `think_s`. Requests with times of their own wait for none, so
    each is a session, as is one without a session.
    """
    turns: dict[str, list[TraceRequest]] = {}
    for number, request in enumerate(trace.requests):
        name = request.session if trace.in_turns else ""
        turns.setdefault(name or f"request {number}", []).append(request)
    sessions = tuple(
        Session(
            name=name,
            steps=tuple(_step(run, number, think_s) for number in range(len(run))),
            begin_s=run[0].time_s,
            block_tokens=trace.block_tokens,
        )
        for name, run in turns.items()
    )
    left_out = {"no prompt or no answer": trace.failed, "too long": trace.limited}
    return SessionTrace(
        file=trace.file,
        form=trace.format,
        rule=trace.rule,
        sessions=sessions,
        left_out={reason: n for reason, n in left_out.items() if n},
        begin_unix_s=trace.begin_unix_s,
    )


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
