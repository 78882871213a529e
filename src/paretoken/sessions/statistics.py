"""What sessions ask of a server: calls, tokens and waits, and how much an endless prefix cache would hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from paretoken.sessions.agent import COMPACTION, TOOLS, USER
from paretoken.sessions.graph import BLOCK_TOKENS, NO_STEP, Call, Session
from paretoken.sessions.possible import possible_share

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SessionStatistics:
    """Counts of sessions, one after the other; tokens are those of the main agent unless a name says otherwise.

    `calls` and `turns` are by session, with the calls of sub-agents; `turn_calls` by message of the user;
    `input_tokens` and `output_tokens` of all calls. New tokens are those of a prompt beyond what it goes on with.
    `possible_share` is the share of prompt tokens that an endless prefix cache holds, session after session.
    """

    calls: Ints
    turns: Ints
    turn_calls: Ints
    first_tokens: Ints
    turn_tokens: Ints
    tool_tokens: Ints
    input_tokens: Ints
    output_tokens: Ints
    think_s: Floats
    tool_s: Floats
    parallel_tools: Ints
    sub_agents: Ints
    possible_share: float


WHOLE = tuple(f.name for f in fields(SessionStatistics) if f.type == "Ints")


def statistics(sessions: Sequence[Session], *, block_tokens: int = BLOCK_TOKENS) -> SessionStatistics:
    """The statistics of generated sessions, whose calls say what they answer."""
    columns = defaultdict[str, list[float]](list)
    for session in sessions:
        for name, value in _counts(session):
            columns[name].append(value)
    return SessionStatistics(
        **{name: np.array(columns[name], np.int64) for name in WHOLE},
        think_s=np.array(columns["think_s"]),
        tool_s=np.array(columns["tool_s"]),
        possible_share=possible_share(sessions, block_tokens=block_tokens),
    )


def _counts(session: Session) -> Iterator[tuple[str, float]]:
    """(name of a statistic, value) of everything that a session counts for."""
    turn_calls, steps = list[int](), session.steps
    for step in steps:
        call = step.call
        if call is None:
            continue
        yield "input_tokens", call.input_tokens or 1
        yield "output_tokens", call.output_tokens or 1
        if step.agent:
            continue
        if step.name == USER:
            if turn_calls:
                yield "think_s", _wait_s(session, step.after, step.wait_s)
            turn_calls.append(0)
        if step.name in (USER, TOOLS):
            turn_calls[-1] += 1
            if not any(steps[i].name == COMPACTION for i in step.after):
                yield from _new_tokens(session, step.name, call)
        if step.name == TOOLS and (tools := [steps[i] for i in step.after if steps[i].call is None]):
            yield "tool_s", max(t.seconds or 0.0 for t in tools)
            yield "parallel_tools", len(tools)
    yield "calls", len(session.calls)
    yield "turns", len(turn_calls)
    yield from (("turn_calls", n) for n in turn_calls)
    yield "sub_agents", len({step.agent for step in steps} - {""})


def _new_tokens(session: Session, name: str, call: Call) -> Iterator[tuple[str, float]]:
    tokens = call.input_tokens or 1
    if call.continues == NO_STEP:
        yield "first_tokens", tokens - call.opening_tokens
    elif (before := session.steps[call.continues].call) is not None:
        context = (before.input_tokens or 1) + (before.output_tokens or 1)
        yield ("turn_tokens" if name == USER else "tool_tokens"), tokens - context


def _wait_s(session: Session, after: Sequence[int], wait_s: float) -> float:
    """The wait ahead of a message of the user, also where a retrieval follows it."""
    return max([wait_s, *(session.steps[i].wait_s for i in after if session.steps[i].call is None)])
