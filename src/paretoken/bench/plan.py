"""What the client is told to send: prepared requests and the times at which they are due.

These few values are all that the hot path knows; tokenizers, distributions and traces stay on this side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

Api = Literal["completions", "chat"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One base URL (`http://host:port/v1`), its model, and its share of a weighted rotation."""

    base_url: str
    model: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """One request ready to send: the JSON body as bytes, and what it is meant to take and give in tokens.

    `input_tokens` is -1 where only the server can count.
    """

    body: bytes
    input_tokens: int
    output_tokens: int
    session: int = -1
    turn: int = 0


class Source(Protocol):
    """Where prepared requests come from."""

    def requests(self, worker: int, workers: int) -> Iterator[Prepared]:
        """An endless or finite run of requests for one of several workers; no two workers share one."""
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
    """Requests due at fixed times whatever the server does: `due_s`, shape (n,), from the start, rising."""

    due_s: np.ndarray
    rate: float


Load = Closed | Open


def describe_load(load: Load) -> dict[str, Any]:
    """The load as it was asked for."""
    if isinstance(load, Closed):
        ramp = {"from_users": load.from_users, "ramp_s": load.ramp_s} if load.ramp_s else {}
        return {"kind": "closed", "users": load.users, "think_s": load.think_s, **ramp}
    return {"kind": "open", "rate": load.rate, "arrivals": len(load.due_s)}


def load_name(load: Mapping[str, Any]) -> str:
    """A load as `describe_load` gives it, in words: `8 users`, `8 users, ramp 60 s`, `2.5 req/s`."""
    if load["kind"] == "open":
        return f"{load['rate']:.4g} req/s"
    users = "1 user" if load["users"] == 1 else f"{load['users']:,} users"
    return f"{users}, ramp {load['ramp_s']:g} s" if load.get("ramp_s") else users


def found_name(answer: Mapping[str, Any]) -> str | None:
    """The load that a search found, in words; None where none met its objectives."""
    kind = "open" if "rate" in answer else "closed"
    value = answer.get("rate", answer.get("users"))
    return load_name({"kind": kind, "users": value, "rate": value}) if value is not None else None


@dataclass(frozen=True, slots=True)
class Stop:
    """When a load level ends: the first bound reached. None leaves a bound out.

    `warmup_s` and `warmup_requests` pass before the measured window may begin; requests that are
    still running at the end are awaited for `drain_s`, then cut.
    """

    seconds: float | None = None
    requests: int | None = None
    tokens: int | None = None
    warmup_s: float = 0.0
    warmup_requests: int = 0
    drain_s: float = 30.0
