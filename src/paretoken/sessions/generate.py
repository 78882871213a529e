"""Sessions drawn from a workload of the catalog. Session k is the same however many are drawn."""

from __future__ import annotations

import sys
from math import inf

import numpy as np

from paretoken.catalog.session_workload import SessionWorkload, StatedQuantiles
from paretoken.errors import BadConfig
from paretoken.sessions.agent import Agent, AgentLimits
from paretoken.sessions.draws import Floats, balanced, correlated, drawn, drawn_whole, quantile, shared_out
from paretoken.sessions.graph import Session, Step

LEAST_ROOM_TOKENS = 4096
"""Context beyond the longest opening, and beyond the summary of a context, that a session needs."""


def generated(
    workload: SessionWorkload, n: int, seed: int = 0, *, context_tokens: int | None = None, first: int = 0
) -> list[Session]:
    """Sessions `first` to `n` − 1 of a workload, with the words of their prompts left open.

    No prompt with its output exceeds `context_tokens`. There an agent compacts its context; a conversation without
    `compaction`, or a sub-agent, ends.
    """
    needed = least_context_tokens(workload)
    if context_tokens is not None and context_tokens < needed:
        raise BadConfig(f"the context is {context_tokens:,} tokens; {workload.name} needs {needed:,} or more")
    limits = AgentLimits(context_tokens or sys.maxsize, workload.idle_cap_s or inf)
    return [_session(workload, k, np.random.default_rng([seed, k]), limits, balanced(k, seed)) for k in range(first, n)]


def least_context_tokens(workload: SessionWorkload) -> int:
    """The shortest context in which a workload can run."""
    openings = [workload.opening_tokens, *([workload.sub_agents.opening_tokens] if workload.sub_agents else [])]
    summary = workload.compaction.summary_tokens if workload.compaction else 0
    return 2 * max(openings) + summary + LEAST_ROOM_TOKENS


def _session(
    workload: SessionWorkload, number: int, rng: np.random.Generator, limits: AgentLimits, shares: Floats
) -> Session:
    steps: list[Step] = []
    agent = Agent(
        shape=workload,
        opening=workload.name,
        limits=limits,
        rng=rng,
        steps=steps,
        sub_agents=workload.sub_agents,
        compaction=workload.compaction,
    )
    calls = _turns(workload, rng, shares)
    turns = len(calls)
    waits_s = drawn(workload.think_s, rng, turns) if workload.think_s else np.zeros(turns)
    first = drawn_whole(workload.first_tokens, rng, turns)
    later = drawn_whole(workload.turn_tokens, rng, turns) if workload.turn_tokens else first
    for turn in range(turns):
        fresh = turn == 0 or workload.context == "fresh"
        if fresh:
            agent.forget()
        wait_s = float(waits_s[turn]) if turn else 0.0
        if workload.before_s:
            agent.wait_for_tools([float(drawn(workload.before_s, rng, 1)[0])], wait_s, "retrieval")
            wait_s = 0.0
        if not agent.turn(int((first if fresh else later)[turn]), wait_s, calls[turn]):
            break
    return Session(name=f"{workload.name} {number + 1}", steps=tuple(steps))


def _turns(workload: SessionWorkload, rng: np.random.Generator, shares: Floats) -> list[int]:
    """Model calls of each turn of the main agent; `shares` are the draws of what most of a session's length is."""
    if workload.session_calls is None:
        turns = max(_whole(workload.turns, shares[0]), 1)
        return [max(int(calls), 1) for calls in drawn_whole(workload.calls, rng, turns)]
    of_calls, of_turns = correlated(shares, workload.session_calls_correlation)
    total, turns = _whole(workload.session_calls, of_calls), _whole(workload.turns, of_turns)
    turns = max(min(total, turns), 1)
    return [int(calls) for calls in shared_out(max(total, 1), drawn_whole(workload.calls, rng, turns), rng)]


def _whole(spread: StatedQuantiles, share: float) -> int:
    return round(float(quantile(spread, np.array([share]))[0]))
