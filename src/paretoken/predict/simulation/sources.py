"""Where requests come from: users who wait for their answers, or a clock that does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paretoken.errors import BadConfig
from paretoken.plural import counted
from paretoken.predict.arrays import Floats, Ints
from paretoken.sessions.flow import NS, flow_of
from paretoken.sessions.graph import Session
from paretoken.sessions.prefixes import PrefixTree, tree_of_sessions


@dataclass(frozen=True, slots=True, eq=False)
class ClosedLoop:
    """`users` at once; each sends its next request `think_s` after its last ended. Requests are dealt in order.

    `input_tokens` and `output_tokens`: int arrays, shape (requests,); all users begin at 0 s.
    """

    users: int
    input_tokens: Ints
    output_tokens: Ints
    think_s: float = 0.0

    def __post_init__(self) -> None:
        _check_lengths(self.input_tokens, self.output_tokens)
        if self.users < 1:
            raise BadConfig(f"{self.users} users: a closed loop needs 1 or more")
        if not self.think_s >= 0:
            raise BadConfig(f"think time is {self.think_s:g} s: it cannot be negative")


@dataclass(frozen=True, slots=True, eq=False)
class OpenLoop:
    """Requests due at given times, whatever became of the ones before: an arrival process or a trace.

    `due_s`: seconds since the start, shape (requests,), never falling. `cached_tokens` are the input tokens of each
    that the prefix cache holds; None leaves that to `ServingOptions.prefix_hit_rate`. With `prefixes` and a simulated
    cache, the hits are an outcome.
    """

    due_s: Floats
    input_tokens: Ints
    output_tokens: Ints
    cached_tokens: Ints | None = None
    prefixes: PrefixTree | None = None

    def __post_init__(self) -> None:
        _check_lengths(self.input_tokens, self.output_tokens)
        due = np.asarray(self.due_s)
        if due.shape != np.shape(self.input_tokens):
            requests = counted(np.size(self.input_tokens), "request")
            raise BadConfig(f"{counted(due.size, 'due time')} for {requests}: give one for each")
        if due.size and (np.isnan(due).any() or due[0] < 0 or (np.diff(due) < 0).any()):
            raise BadConfig("due times must be 0 s or later and in order")
        if self.cached_tokens is not None and np.shape(self.cached_tokens) != np.shape(self.input_tokens):
            raise BadConfig("cached tokens and input lengths differ in number: give one of each per request")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SessionLoad:
    """Sessions of requests that wait for each other: of `users` at once, one after the other, or begun at given times.

    - Session s has the requests `first[s]` to `first[s + 1]` − 1; `first` has shape (sessions + 1,).
    - A request is due at the latest of these times: `gap_s[e]` after the end of request `parent[e]`, for each edge e
      with this `child[e]`; and `root_s`, shape (requests,), after the start of its session, −inf where that is no
      condition.
    - Sessions begin at `begin_s`, shape (sessions,), never falling. With `users` instead, each user begins the next
      session at the end of the last one.
    - A session ends when all its tools have: `tail_s`, shape (requests,), after the end of each request, and at least
      `least_s`, shape (sessions,), after its start, for tools that wait for no request.

    `prefixes` is what prompts share; without it, prompts share nothing.
    """

    input_tokens: Ints
    output_tokens: Ints
    first: Ints
    parent: Ints
    child: Ints
    gap_s: Floats
    root_s: Floats
    tail_s: Floats
    least_s: Floats
    users: int | None = None
    begin_s: Floats | None = None
    prefixes: PrefixTree | None = None

    def __post_init__(self) -> None:
        _check_lengths(self.input_tokens, self.output_tokens)
        if (self.users is None) == (self.begin_s is None):
            raise BadConfig("sessions need users or start times: give one of the two")
        if self.users is not None and self.users < 1:
            raise BadConfig(f"{self.users} users: sessions need 1 or more")


RequestSource = ClosedLoop | OpenLoop | SessionLoad


def session_load(
    sessions: Sequence[Session],
    *,
    users: int | None = None,
    idle_cap_s: float | None = None,
    own_answers: bool = True,
) -> SessionLoad:
    """The model calls of sessions, at their own times without `users`. Lengths that are None count as 1 token."""
    flows = [flow_of(session, idle_cap_s) for session in sessions]
    calls = [call for session in sessions for call in session.calls.values()]
    first = np.cumsum([0, *(len(flow.steps) for flow in flows)])
    edges = [
        (int(base) + parent, int(base) + child, gap / NS)
        for base, flow in zip(first, flows, strict=False)
        for child, parents in enumerate(flow.parents)
        for parent, gap in parents
    ]
    parent, child, gap_s = (np.array(column) for column in zip(*edges, strict=True)) if edges else (np.empty(0),) * 3
    tail_s = np.zeros(len(calls))
    for base, flow in zip(first, flows, strict=False):
        for call, gap in flow.tails:
            tail_s[base + call] = gap / NS
    inputs = np.array([call.input_tokens or 1 for call in calls], np.int64)
    outputs = np.array([call.output_tokens or 1 for call in calls], np.int64)
    return SessionLoad(
        input_tokens=inputs,
        output_tokens=outputs,
        first=first,
        parent=parent.astype(np.int64),
        child=child.astype(np.int64),
        gap_s=gap_s.astype(float),
        root_s=np.array([-np.inf if root is None else root / NS for flow in flows for root in flow.root_ns]),
        tail_s=tail_s,
        least_s=np.array([flow.least_ns / NS for flow in flows]),
        users=users,
        begin_s=None if users is not None else np.array([session.begin_s or 0.0 for session in sessions]),
        prefixes=tree_of_sessions(sessions, own_answers=own_answers),
    )


def uniform_lengths(nominal: int, ratio: float, requests: int, rng: np.random.Generator) -> Ints:
    """Token counts drawn uniformly from [ratio * nominal, nominal], both ends included, at least 1."""
    if nominal < 1 or not 0 < ratio <= 1:
        raise BadConfig(f"length {nominal} with ratio {ratio:g}: lengths are 1 token or more, ratios in (0, 1]")
    return rng.integers(max(int(nominal * ratio), 1), nominal, size=requests, endpoint=True)


def closed_loop(
    users: int, requests: int, isl: int, osl: int, *, ratio: float = 1.0, think_s: float = 0.0, seed: int = 0
) -> ClosedLoop:
    """A closed loop over lengths uniform in [ratio, 1] of nominal."""
    rng = np.random.default_rng(seed)
    inputs, outputs = (uniform_lengths(n, ratio, requests, rng) for n in (isl, osl))
    return ClosedLoop(users, inputs, outputs, think_s)


def poisson_loop(rate_s: float, requests: int, isl: int, osl: int, *, ratio: float = 1.0, seed: int = 0) -> OpenLoop:
    """An open loop of Poisson arrivals, `rate_s` requests a second, over lengths uniform in [ratio, 1] of nominal."""
    if not rate_s > 0:
        raise BadConfig(f"rate is {rate_s:g} requests/s: it must be above 0")
    rng = np.random.default_rng(seed)
    inputs, outputs = (uniform_lengths(n, ratio, requests, rng) for n in (isl, osl))
    return OpenLoop(np.cumsum(rng.exponential(1 / rate_s, requests)), inputs, outputs)


def _check_lengths(inputs: Ints, outputs: Ints) -> None:
    if np.ndim(inputs) != 1 or np.shape(inputs) != np.shape(outputs):
        raise BadConfig(f"input lengths of shape {np.shape(inputs)} and output lengths of shape {np.shape(outputs)}")
    if np.size(inputs) and min(np.min(inputs), np.min(outputs)) < 1:
        raise BadConfig("a request of no input or no output tokens: lengths are 1 or more")
