"""Requests of a service over time, whatever they were read from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

import numpy as np
import numpy.typing as npt

from paretoken.errors import BadConfig, BadFile
from paretoken.sessions.graph import Session

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

HOUR_S, DAY_S = 3600.0, 86_400.0
LONGEST_S = 1e8
"""The longest period of traffic, about three years: one row with a wrong date is not decades of idle fleet."""
NO_SESSION = -1
ALL_MODELS = "all"
"""In place of a model name: the requests to all models together."""


@dataclass(frozen=True, slots=True)
class PrefixBlocks:
    """Ids of the prompt blocks of each request, in order; equal ids are equal prompts up to the end of that block.

    `ids[i]` holds those of request i, each of `tokens` prompt tokens.
    """

    ids: tuple[tuple[int, ...], ...]
    tokens: int


@dataclass(frozen=True, slots=True, eq=False)
class SessionGraphs:
    """Whose model calls the requests are: request i is the call at step `step[i]` of `sessions[graph[i]]`.

    `graph` and `step` have shape (n,). A session may be there more than once, as a copy under another session number.
    """

    sessions: tuple[Session, ...]
    graph: Ints
    step: Ints

    def take(self, rows: Ints | Mask) -> SessionGraphs:
        """Those of some requests."""
        return SessionGraphs(self.sessions, self.graph[rows], self.step[rows])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Traffic:
    """Requests in the order of their time; arrays have shape (n,).

    `time_s` counts from the start of the period, which lasts `span_s`: rates are requests over that. `day_start_s` is
    the time of day at 0, seconds after midnight; None where it is not known. `session` is -1 without one. `hit_share`
    is the share of input tokens that the server's prefix cache had, where the server counted it. `graphs` says which
    requests wait for the answers to others; `time_s` of those is when the trace had them. `source` says in words what
    was read, `notes` what was left out or assumed.
    """

    time_s: Floats
    input_tokens: Ints
    output_tokens: Ints
    session: Ints
    span_s: float
    source: str
    prefixes: PrefixBlocks | None = None
    day_start_s: float | None = None
    hit_share: float | None = None
    graphs: SessionGraphs | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = self.time_s.shape
        if any(x.shape != n for x in (self.input_tokens, self.output_tokens, self.session)):
            raise BadConfig("times, lengths and sessions of the traffic differ in number; give one of each per request")
        if not len(self) or not self.span_s > 0:
            raise BadConfig("the traffic needs a request and a period above 0 s")
        if np.diff(self.time_s).min(initial=0.0) < 0 or not 0 <= self.time_s[0] <= self.time_s[-1] <= self.span_s:
            raise BadConfig("the times of the traffic must rise and lie within its period")

    def __len__(self) -> int:
        return len(self.time_s)

    def take(self, rows: Ints | Mask, note: str = "", *, with_prefixes: bool = True) -> Traffic:
        """Only these requests, in their order, over the same period; `rows` are their places, or a mask of shape (n,).

        Prompt blocks of many requests take long to pick out: leave them behind where nothing reads them.
        """
        prefixes = self.prefixes if with_prefixes else None
        if prefixes is not None:
            kept = np.arange(len(self))[rows].tolist()
            prefixes = PrefixBlocks(tuple(prefixes.ids[row] for row in kept), prefixes.tokens)
        return replace(
            self,
            time_s=self.time_s[rows],
            input_tokens=self.input_tokens[rows],
            output_tokens=self.output_tokens[rows],
            session=self.session[rows],
            prefixes=prefixes,
            graphs=None if self.graphs is None else self.graphs.take(rows),
            notes=(*self.notes, note) if note else self.notes,
        )

    @property
    def rate_s(self) -> float:
        """Requests per second over the whole period."""
        return len(self) / self.span_s

    @property
    def tokens_s(self) -> float:
        """Input and output tokens per second over the whole period."""
        return float(self.input_tokens.sum() + self.output_tokens.sum()) / self.span_s

    @property
    def hours(self) -> int:
        """Hours of the period, the last one perhaps not full."""
        return max(ceil(self.span_s / HOUR_S - 1e-9), 1)

    def hour_of(self) -> Ints:
        """The hour of each request, counted from the start of the period."""
        return np.minimum((self.time_s // HOUR_S).astype(np.int64), self.hours - 1)


def period_s(times: Floats, source: str) -> float:
    """The period of these times (n,): from the first to the last, and one mean gap more, so that n come in it.

    BadFile for one request, or for many at the same time: neither has a rate; and for decades.
    """
    n, apart_s = len(times), float(times.max() - times.min())
    if n < 2:
        raise BadFile(f"{source} holds a single usable request; a rate needs two or more")
    if apart_s > LONGEST_S:
        years = f"{apart_s / (365.25 * 24 * HOUR_S):,.0f} years"
        raise BadFile(f"the requests of {source} lie {years} apart, more than 3: correct the clock of the rows far off")
    if not apart_s > 0:
        raise BadFile(f"all {n:,} requests of {source} have the same time; give a log with the time of each request")
    return apart_s * n / (n - 1)
