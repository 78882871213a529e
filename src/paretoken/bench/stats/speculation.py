"""Speculative decoding over a level, by the server's counters: K, acceptance length, acceptance by position.

    acceptance length      1 + accepted tokens / drafts
    drafted per step       drafted tokens / drafts, which is K where it is a whole number
    by position            accepted tokens at each place of the draft / drafts

A draft is one verification step of one sequence. The counters are read over the steady window, or over the whole
level where the window holds fewer than two readings. SGLang before its counter of steps, and TensorRT-LLM without
statistics of requests, export a gauge alone: its mean then stands in. Sources: `prometheus.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, count, pairwise, takewhile
from typing import Literal

from paretoken.bench.stats.prometheus import DRAFTING
from paretoken.bench.stats.scrape import ACCEPTED_AT, ServerMetrics
from paretoken.points.acceptance import MOST_TOKENS, WHOLE, whole_tokens
from paretoken.significant import significant

Readings = Sequence[float | None]
RESTARTED = "a counter of speculative decoding fell while the level ran, as after a restart of the server"
NO_DRAFTS = "the server drafted no tokens while the level ran"


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelSpeculation:
    """What the servers drafted and accepted over a level; None where they do not count it.

    `problem` says why there is no acceptance length, if there is none.
    """

    acceptance_length: float | None = None
    drafted_per_step: float | None = None
    acceptance_by_position: tuple[float, ...] = ()
    drafts: float | None = None
    drafted_tokens: float | None = None
    accepted_tokens: float | None = None
    basis: Literal["counters", "gauge"] = "counters"
    span: Literal["window", "level"] = "window"
    problem: str = ""

    @property
    def drafting(self) -> bool:
        """Whether the servers drafted tokens."""
        return bool(self.drafts) or self.acceptance_length is not None


def speculation(
    server: ServerMetrics | None, window_s: tuple[float, float] | None, tokens: int | None = None
) -> LevelSpeculation | None:
    """The figures of a level; None if the servers export none on speculative decoding.

    `window_s` is the steady window on the scraper's clock, None if unknown. `tokens` is K as stated, None if it is not.
    """
    if server is None or not any(name in server.series for name in (*DRAFTING, "acceptance_length")):
        return None
    counting = [name for name in DRAFTING if name in server.series]
    read = [i for i in range(len(server.at_s)) if all(server.series[name][i] is not None for name in counting)]
    inside = [i for i in read if window_s and window_s[0] <= server.at_s[i] <= window_s[1]]
    span: Literal["window", "level"] = "window" if len(inside) > 1 else "level"
    series = {
        name: [values[i] for i in (inside if span == "window" else read)] for name, values in server.series.items()
    }
    counted = _counted(series, span)
    gauge = _mean(series.get("acceptance_length", ()))
    if counted.acceptance_length is None and counted.problem != RESTARTED and gauge:
        counted = LevelSpeculation(acceptance_length=gauge, basis="gauge", span=span)
    return _possible(counted, tokens)


def _possible(read: LevelSpeculation, tokens: int | None) -> LevelSpeculation:
    """The figures without positions beyond K, and with a problem in place of an acceptance length above K + 1."""
    stated = tokens or whole_tokens(read.drafted_per_step)
    most = stated or MOST_TOKENS
    length = read.acceptance_length
    if length is None or length <= (most + 1) * (1 + WHOLE):  # two counters are not read at the same moment
        length = length and min(length, most + 1.0)
        return replace(read, acceptance_length=length, acceptance_by_position=read.acceptance_by_position[:most])
    limit = f"K + 1 = {most + 1}" if stated else f"{most + 1}, the highest plausible value"
    problem = f"the server reports {significant(length, 3)} tokens a step, above {limit}"
    return replace(read, acceptance_length=None, acceptance_by_position=(), problem=problem)


def _counted(series: dict[str, list[float | None]], span: Literal["window", "level"]) -> LevelSpeculation:
    """The figures from the counters."""
    readings = [series.get(name, []) for name in DRAFTING]
    if any(_fell(values) for values in readings):
        return LevelSpeculation(span=span, problem=RESTARTED)
    drafts, drafted, accepted = map(_rise, readings)
    if not drafts:
        quiet = drafts == 0 or (drafts is None and drafted == 0)
        problem = NO_DRAFTS if quiet else "the server does not count its verification steps"
        return LevelSpeculation(
            span=span, drafts=drafts, drafted_tokens=drafted, accepted_tokens=accepted, problem=problem
        )
    names = takewhile(series.__contains__, (f"{ACCEPTED_AT}{place}" for place in count()))
    if drafted is not None and accepted is not None:
        accepted = min(accepted, drafted)  # two counters are not read at the same moment
    shares = [min(max(_rise(series[name]) or 0.0, 0.0) / drafts, 1.0) for name in names]
    possible = accepted is not None and accepted >= 0
    return LevelSpeculation(
        acceptance_length=1 + accepted / drafts if accepted is not None and possible else None,
        drafted_per_step=drafted / drafts if drafted is not None else None,
        acceptance_by_position=tuple(accumulate(shares, min)),
        drafts=drafts,
        drafted_tokens=drafted,
        accepted_tokens=accepted,
        span=span,
        problem="" if possible else "the server does not count accepted tokens",
    )


def _rise(values: Readings) -> float | None:
    """How far a counter rose: from 0 if the first reading lacks it, since servers export some only once they count."""
    ends = [v for v in values if v is not None]
    return ends[-1] - (ends[0] if values[0] is not None else 0.0) if ends else None


def _fell(values: Readings) -> bool:
    return any(b < a for a, b in pairwise(v for v in values if v is not None))


def _mean(values: Readings) -> float | None:
    read = [v for v in values if v is not None]
    return sum(read) / len(read) if read else None
