"""What the client is told to send: prepared requests and the times at which they are due.

These few values are all that the hot path knows; tokenizers, distributions and traces stay on this side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

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
    """N users, each sending its next request when the last one ended, after `think_s` of thought."""

    users: int
    think_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Open:
    """Requests due at fixed times whatever the server does: `due_s`, shape (n,), from the start, rising."""

    due_s: np.ndarray
    rate: float


Load = Closed | Open


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
