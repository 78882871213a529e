"""Request records of made-up load levels whose truth is known in closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from paretoken.points.requests import conform_requests

S = 1_000_000_000
MS = 1_000_000


def request(due: int, chunks: list[int], tokens: list[int] | None = None, **fields: Any) -> dict[str, Any]:
    """One complete request whose tokens arrive at the times given (ns)."""
    tokens = tokens or [1] * len(chunks)
    row = {
        "worker": 0,
        "user": -1,
        "due_ns": due,
        "sent_ns": due,
        "first_ns": chunks[0] if chunks else -1,
        "last_ns": chunks[-1] if chunks else -1,
        "end_ns": chunks[-1] if chunks else due,
        "status": "ok",
        "http_status": 200,
        "planned_input": 100,
        "planned_output": sum(tokens),
        "input_tokens": 100,
        "output_tokens": sum(tokens),
        "coalesced": 0,
        "chunk_ns": chunks,
        "chunk_tokens": tokens,
    }
    return row | fields


def table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """The rows as a request table."""
    return conform_requests(pl.DataFrame(rows, infer_schema_length=None))


def closed(
    users: int,
    seconds: float,
    *,
    ttft: Callable[[np.random.Generator, float], float] = lambda rng, t: 0.2,
    tpot: Callable[[np.random.Generator, float], float] = lambda rng, t: 0.02,
    tokens: Callable[[np.random.Generator], int] = lambda rng: 50,
    stagger_s: float = 0.0,
    seed: int = 0,
) -> pl.DataFrame:
    """A closed loop without think time: no request begins after `seconds`; TTFT and TPOT are functions of (rng, t)."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        at = round(user * stagger_s * S)
        while at < seconds * S:
            n = tokens(rng)
            first = at + round(ttft(rng, at / S) * S)
            step = round(tpot(rng, at / S) * S)
            arrivals = [first + k * step for k in range(n)]
            rows.append(request(at, arrivals, user=user))
            at = arrivals[-1]
    return table(rows)


def opened(
    rate: float, seconds: float, *, service_s: float, servers: int, tokens: int = 20, seed: int = 0
) -> pl.DataFrame:
    """Poisson arrivals at `servers` servers that each take `service_s` (first token at a tenth)."""
    rng = np.random.default_rng(seed)
    due = np.cumsum(rng.exponential(1 / rate, size=int(rate * seconds * 2)))
    free = np.zeros(servers)
    rows = []
    for t in due[due < seconds]:
        k = int(free.argmin())
        start = max(t, free[k])
        free[k] = start + service_s
        at = start + np.linspace(0.1, 1.0, tokens) * service_s
        rows.append(request(round(t * S), [round(x * S) for x in at]))
    return table(rows)
