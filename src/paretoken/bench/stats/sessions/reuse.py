"""Prompt tokens that a server found in its prefix cache, against those that an endless cache would hold.

    prompt    tokens of the prompts, by the server's usage
    found     of them, those the server took from its cache (`cached_tokens` of the usage)
    computed  prompt − found
    possible  tokens of the prompts that an endless cache holds: what other requests of the level hold that were due
              before the prompt's own first token, in whole blocks of the server's cache

Of synthetic text no server finds more than is possible. Of recorded text it may: prompts may begin alike within a
message, and all begin with what a chat template puts there. A trace may count in words or by another tokenizer: where
only the server can count a prompt, what is possible is the same share of it as in the trace. Records without
`possible_tokens` count as if the sessions of the trace ran one after the other.

Only requests whose usage states the cached tokens count. Where none does, `found` and `prompt` are the rise of the
server's counters over the level, whoever sent the requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from paretoken.bench.stats.arrays import Floats, Mask
from paretoken.bench.stats.metrics import Samples
from paretoken.bench.stats.scrape import CounterDeltas, ServerMetrics
from paretoken.bench.stats.sessions.measured import NEVER, MeasuredSession
from paretoken.bench.stats.sessions.table import UNKNOWN

FoundBy = Literal["usage", "counters"]
NO_USAGE = "the server's usage has no cached tokens; hits found are those of its counters over the whole level"
NEITHER = "neither the server's usage nor its counters say how much of the prompts was cached, so hits are unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenReuse:
    """Tokens of some requests, and their ratios: found / prompt, possible / prompt, found / possible.

    None where unknown. `by` is where `found` is from, None if from nowhere.
    """

    requests: int
    prompt: float
    found: float | None
    computed: float | None
    possible: float | None
    found_share: float | None
    possible_share: float | None
    found_of_possible: float | None
    by: FoundBy | None

    @classmethod
    def of(
        cls, *, requests: int, prompt: float, found: float | None, possible: float | None, by: FoundBy | None
    ) -> Self:
        """The figures that follow from the counts."""
        return cls(
            requests=requests,
            prompt=prompt,
            found=found,
            computed=None if found is None else prompt - found,
            possible=possible,
            found_share=_ratio(found, prompt),
            possible_share=_ratio(possible, prompt),
            found_of_possible=_ratio(found, possible),
            by=by,
        )


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def possible_tokens(samples: Samples, sessions: Sequence[MeasuredSession]) -> Floats:
    """Tokens of each request that an endless cache holds, at most its prompt; NaN where nothing says."""
    possible = samples.possible.copy()
    served_per_traced = _served_per_traced(samples, sessions)
    for played in sessions:
        for row, tokens in zip(played.rows, played.traced.possible, strict=True):
            if row != NEVER and tokens != UNKNOWN and np.isnan(possible[row]):
                possible[row] = tokens * served_per_traced[row]
    capped: Floats = np.minimum(possible, np.where(np.isnan(samples.isl), np.inf, samples.isl))
    return capped


def _served_per_traced(samples: Samples, sessions: Sequence[MeasuredSession]) -> Floats:
    """Tokens of each prompt by the server over those of the trace, where only the server can count them; else 1."""
    ratio = np.ones(len(samples))
    uncounted = np.isnan(samples.planned_isl) & (samples.isl > 0)
    for played in sessions:
        for row, call in zip(played.rows, played.traced.session.calls.values(), strict=True):
            if row != NEVER and uncounted[row] and call.input_tokens:
                ratio[row] = samples.isl[row] / call.input_tokens
    return ratio


def counted_requests(samples: Samples, chosen: Mask) -> tuple[Mask, bool]:
    """The chosen requests whose tokens count, and whether their usage states the hits.

    They are those that succeeded and whose usage states hits; where none does, all that succeeded.
    """
    ended: Mask = chosen & samples.ok & ~np.isnan(samples.isl)
    stated: Mask = ended & ~np.isnan(samples.cached)
    by_usage = bool(stated.any())
    return (stated if by_usage else ended), by_usage


def token_reuse(samples: Samples, possible: Floats, chosen: Mask) -> TokenReuse:
    """The tokens of the requests among the chosen ones that count."""
    counted, by_usage = counted_requests(samples, chosen)
    prompt = samples.isl[counted]
    hits = possible[counted]
    return TokenReuse.of(
        requests=int(counted.sum()),
        prompt=float(prompt.sum()),
        found=float(np.minimum(samples.cached[counted], prompt).sum()) if by_usage else None,
        possible=None if np.isnan(hits).any() or not len(hits) else float(hits.sum()),
        by="usage" if by_usage else None,
    )


def level_reuse(
    samples: Samples, possible: Floats, chosen: Mask, server: ServerMetrics | None
) -> tuple[TokenReuse, str]:
    """The tokens of a level, and a sentence where the server does not say what each request found."""
    by_usage = token_reuse(samples, possible, chosen)
    if by_usage.by:
        return by_usage, ""
    counters = server.delta if server else CounterDeltas()
    queries, hits = counters.prefix_cache_queries, counters.prefix_cache_hits
    if hits is None or not queries:
        return by_usage, NEITHER
    whole = token_reuse(samples, possible, np.ones(len(samples), dtype=bool))
    counted = TokenReuse.of(
        requests=whole.requests, prompt=queries, found=min(hits, queries), possible=whole.possible, by="counters"
    )
    return counted, NO_USAGE
