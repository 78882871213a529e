"""A mix of LoRA adapters: each request names one of them as its model, in fixed proportions.

An adapter at a server is an endpoint of its own, so the number of the endpoint in a request's record tells its
adapter: with A adapters, endpoint e is adapter e mod A of server e div A.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from paretoken.bench.plan import Endpoint
from paretoken.bench.probe import ProbedServer
from paretoken.errors import BadConfig, quoted
from paretoken.foreign_text import visible
from paretoken.plural import counted, listed

MOST_ADAPTERS = 256


@dataclass(frozen=True, slots=True)
class Adapter:
    """A model name that a server lists, and its share among the requests, relative to the others."""

    name: str
    weight: float = 1.0


def parse_adapters(text: str) -> tuple[Adapter, ...]:
    """`NAME[:WEIGHT],…`; what follows the last colon is a weight only if it is a number. Raises BadConfig."""
    adapters = tuple(map(_adapter, text.split(",")))
    if len(adapters) > MOST_ADAPTERS:
        raise BadConfig(f"--adapters names {len(adapters):,} adapters; use at most {MOST_ADAPTERS}")
    names = [adapter.name for adapter in adapters]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BadConfig(f"--adapters names {quoted(twice)} twice; give it once, with the sum of its weights")
    return adapters


def _adapter(text: str) -> Adapter:
    name, weight = text.strip(), 1.0
    head, colon, tail = name.rpartition(":")
    if colon:
        with suppress(ValueError):
            name, weight = head.strip(), float(tail)
    if not name:
        raise BadConfig("--adapters has an empty name; write it as NAME[:WEIGHT],…")
    if not 0 < weight < math.inf:
        raise BadConfig(f"--adapters: the weight of {quoted(name)} is {weight:g}; use a number above 0")
    return Adapter(name, weight)


def adapter_endpoints(
    servers: Sequence[ProbedServer], weights: Sequence[float], adapters: Sequence[Adapter]
) -> tuple[Endpoint, ...]:
    """An endpoint for each adapter at each server. UnknownName for an adapter that a server does not list."""
    total = sum(adapter.weight for adapter in adapters)
    return tuple(
        Endpoint(server.base_url, server.model(adapter.name), weight * adapter.weight / total, server.query)
        for server, weight in zip(servers, weights, strict=True)
        for adapter in adapters
    )


def adapter_note(adapters: Sequence[Adapter]) -> str:
    """What share of the requests each adapter gets, for the notes of a run."""
    total = sum(adapter.weight for adapter in adapters)
    shares = [f"{visible(adapter.name)} {adapter.weight / total:.1%}" for adapter in adapters]
    return (
        f"requests go to {counted(len(adapters), 'adapter')}: {listed(shares)}; the `endpoint` of a request is the "
        "number of its adapter"
    )
