"""What the client has to send: prepared requests, the load they make up, and when a level ends.

These few values are all that the hot path knows; tokenizers, distributions and traces stay on this side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from paretoken.bench.documents import OMIT_NONE
from paretoken.plural import counted
from paretoken.sessions.flow import Flow

Api = Literal["completions", "chat", "messages", "responses", "embeddings"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One base URL (`http://host:port/v1`), its model, its share of a weighted rotation, and the query of its paths."""

    base_url: str
    model: str
    weight: float = 1.0
    query: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """One request ready to send: the JSON body as bytes, and what it is meant to take and give in tokens.

    `input_tokens` is -1 where only the server can count. A call of a session bears the session's number, and its own
    among the calls as `turn`. `keep_answer`: a later prompt holds the answer of the server.
    """

    body: bytes
    input_tokens: int
    output_tokens: int
    session: int = -1
    turn: int = 0
    keep_answer: bool = False


class PlannedSession(Protocol):
    """A session to play: when its calls are due, and their requests. `own_answers`: later prompts hold the server's."""

    @property
    def number(self) -> int:
        """Its place in the level, from 0, which its requests bear."""
        ...

    @property
    def flow(self) -> Flow:
        """The calls and what they wait for."""
        ...

    @property
    def own_answers(self) -> bool:
        """Whether `answered` must be called before the requests that follow a call are built."""
        ...

    def build(self, call: int) -> int:
        """Build the request of a call whose predecessors have been built; its size in bytes."""
        ...

    def request(self, call: int) -> Prepared:
        """The request of a call, which is then given away."""
        ...

    def answered(self, call: int, answer: Mapping[str, object] | None) -> None:
        """Take the assistant message that the server gave to a call, None where it is not known."""
        ...


class PromptSource(Protocol):
    """Where requests come from: each alone, or as the calls of sessions."""

    def requests(self, worker: int, workers: int) -> Iterator[Prepared | PlannedSession]:
        """An endless or finite run of them for one of several workers; no two workers share one."""
        ...


@dataclass(frozen=True, slots=True)
class Closed:
    """N users, each sending its next request when the last one ended, after `think_s` of thought.

    With `ramp_s`, `from_users` begin at once and the others one by one, evenly, until all are there after `ramp_s`.
    """

    users: int
    think_s: float = 0.0
    from_users: int = 0
    ramp_s: float = 0.0

    def start_s(self, user: int) -> float:
        """When this user (counted from 0) sends its first request."""
        late = user + 1 - self.from_users
        return self.ramp_s * late / (self.users - self.from_users) if self.ramp_s and late > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Open:
    """Requests due at fixed times whatever the server does: `due_s`, shape (n,), from the start, rising.

    With `sessions` these are the times at which sessions begin.
    """

    due_s: npt.NDArray[np.float64]
    rate: float
    sessions: bool = False


Load = Closed | Open


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRecord:
    """A load as files hold it: the users of a closed loop and its ramp, or the rate of an open one."""

    kind: Literal["closed", "open"]
    users: int | None = field(default=None, metadata=OMIT_NONE)
    think_s: float | None = field(default=None, metadata=OMIT_NONE)
    from_users: int | None = field(default=None, metadata=OMIT_NONE)
    ramp_s: float | None = field(default=None, metadata=OMIT_NONE)
    rate: float | None = field(default=None, metadata=OMIT_NONE)
    arrivals: int | None = field(default=None, metadata=OMIT_NONE)
    sessions: bool | None = field(default=None, metadata=OMIT_NONE)

    @property
    def size(self) -> float:
        """Users, or requests or sessions per second."""
        return float(self.users or 0) if self.kind == "closed" else float(self.rate or 0.0)

    @property
    def name(self) -> str:
        """`8 users`, `8 users, ramp 60 s`, `2.5 req/s`, `0.5 sessions/s`."""
        if self.kind == "open":
            noun = "req" if not self.sessions else "session" if self.size == 1 else "sessions"
            return f"{self.size:.4g} {noun}/s"
        users = counted(self.users or 0, "user")
        return f"{users}, ramp {self.ramp_s:g} s" if self.ramp_s else users


def load_name(kind: str, size: float) -> str:
    """`1 user`, `8 users`, `2.5 req/s` of a load's kind and size."""
    record = LoadRecord(kind="open", rate=size) if kind == "open" else LoadRecord(kind="closed", users=int(size))
    return record.name


def describe_load(load: Load) -> LoadRecord:
    """The load for the files of a run."""
    if isinstance(load, Open):
        return LoadRecord(
            kind="open", rate=load.rate, arrivals=len(load.due_s), sessions=True if load.sessions else None
        )
    if not load.ramp_s:
        return LoadRecord(kind="closed", users=load.users, think_s=load.think_s)
    return LoadRecord(
        kind="closed", users=load.users, think_s=load.think_s, from_users=load.from_users, ramp_s=load.ramp_s
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """When a load level ends: at the first limit reached. None sets no limit.

    `sessions` are those that begin; they are played to their end, where all other limits cut them. `warmup_s` and
    `warmup_requests` pass before the measured window may begin. Requests that run when sending has ended, or when
    their sessions are cut, get `drain_s` to finish, then are cut.
    """

    seconds: float | None = None
    requests: int | None = None
    tokens: int | None = None
    sessions: int | None = None
    warmup_s: float = 0.0
    warmup_requests: int = 0
    drain_s: float = 30.0
