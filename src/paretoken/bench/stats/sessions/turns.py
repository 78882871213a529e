"""TTFT and cache hits by the number of a call in its session."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paretoken.bench.stats.arrays import Floats, Mask
from paretoken.bench.stats.metrics import Samples
from paretoken.bench.stats.quantiles import Distribution, describe
from paretoken.bench.stats.sessions.reuse import TokenReuse, token_reuse

MOST_TURNS = 100
"""Turns that a summary has figures of; `first` and `later` TTFT cover all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFigures:
    """The calls with one number, from 1, that succeeded: TTFT of those whose first token was seen, and their tokens."""

    turn: int
    requests: int
    ttft_n: int
    ttft_p50_s: float | None
    ttft_p90_s: float | None
    reuse: TokenReuse


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTtft:
    """TTFT of the first call of each session and of all others, seconds."""

    first: Distribution
    later: Distribution


def by_turn(samples: Samples, possible: Floats, chosen: Mask) -> tuple[TurnFigures, ...]:
    """The first turns that have a request among the chosen ones."""
    ok = chosen & samples.ok & (samples.session >= 0)
    turns = np.unique(samples.turn[ok])[:MOST_TURNS].tolist()
    return tuple(_figures(samples, possible, ok & (samples.turn == turn), turn) for turn in turns)


def turn_ttft(samples: Samples, chosen: Mask) -> TurnTtft:
    """The TTFT of first calls and of later ones among the chosen requests."""
    ok = chosen & samples.ok & (samples.session >= 0)
    return TurnTtft(
        first=describe(samples.ttft_s[ok & (samples.turn == 0)]),
        later=describe(samples.ttft_s[ok & (samples.turn > 0)]),
    )


def _figures(samples: Samples, possible: Floats, of_turn: Mask, turn: int) -> TurnFigures:
    ttft = describe(samples.ttft_s[of_turn])
    return TurnFigures(
        turn=turn + 1,
        requests=int(of_turn.sum()),
        ttft_n=ttft.n,
        ttft_p50_s=ttft.p50,
        ttft_p90_s=ttft.p90,
        reuse=token_reuse(samples, possible, of_turn),
    )
