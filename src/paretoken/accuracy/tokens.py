"""Tokens with their log-probabilities: scored (sent to the server) or generated (by it)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paretoken.errors import EndpointFailed

Tops = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Scored:
    """Tokens sent to the server. The first has no log-probability; `tops` are the most likely at each position."""

    ids: tuple[int, ...]
    logprobs: tuple[float | None, ...]
    tops: tuple[Tops, ...]


@dataclass(frozen=True, slots=True)
class Generated:
    """A prompt and what the server wrote after it, nats per token. `ids` are empty where it does not return them."""

    prompt: tuple[int, ...]
    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    tops: tuple[Tops, ...]
    text: str


@dataclass(frozen=True, slots=True)
class NoAbility:
    """What a server cannot do, in a sentence."""

    why: str


def finite(logprobs: Sequence[float | None], where: str) -> tuple[float, ...]:
    """The values as they are; EndpointFailed names the first that is missing, NaN, infinite or above 0."""
    values = []
    for i, value in enumerate(logprobs):
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise EndpointFailed(f"{where}: the log-probability of token {i + 1} is {value}, not a number")
        if value > 1e-3:
            raise EndpointFailed(f"{where}: the log-probability of token {i + 1} is {value:g}, above 0")
        values.append(float(value))
    return tuple(values)


def margin(tops: Tops) -> float:
    """How far the most likely token leads, nats; infinite where only one is known."""
    best = sorted(tops.values(), reverse=True)
    return best[0] - best[1] if len(best) > 1 else math.inf


def likeliest(tops: Tops) -> int | None:
    return max(tops, key=tops.__getitem__) if tops else None
