"""Sessions with round numbers, which tests replay."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from paretoken.sessions.graph import NO_STEP, Call, Session, SessionTrace, Step
from paretoken.sessions.write import write_sessions


def chain(
    calls: Sequence[tuple[int, int]],
    *,
    name: str = "s",
    begin_s: float | None = None,
    tool_s: float = 2.0,
    call_s: float | None = None,
) -> Session:
    """Calls of (input, output) tokens, each going on with the one before it, with a tool of `tool_s` between them."""
    steps: list[Step] = []
    for place, (inputs, outputs) in enumerate(calls):
        if place:
            steps.append(Step(after=(2 * place - 2,), seconds=tool_s))
        call = Call(input_tokens=inputs, output_tokens=outputs, continues=2 * place - 2 if place else NO_STEP)
        steps.append(Step(after=(2 * place - 1,) if place else (), seconds=call_s, call=call))
    return Session(name=name, steps=tuple(steps), begin_s=begin_s)


def growing(turns: int, *, start: int = 1000, added: int = 500, outputs: int = 100) -> list[tuple[int, int]]:
    """Lengths of a conversation: each prompt is the context before it with `added` more tokens."""
    return [(start + turn * (outputs + added), outputs) for turn in range(turns)]


def trace_of(sessions: Sequence[Session], file: str = "sessions.jsonl") -> SessionTrace:
    """A trace that holds the sessions."""
    return SessionTrace(file=file, form="plain sessions", rule="as written", sessions=tuple(sessions))


def write_trace(folder: Path, sessions: Sequence[Session], name: str = "sessions.jsonl") -> Path:
    """A file in our own form."""
    write_sessions(folder / name, sessions)
    return folder / name
