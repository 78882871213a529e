"""Prefix reuse as a function of the size of the cache: exact, for an LRU cache of prompt blocks.

A request reads the leading blocks of its prompt that are in the cache, then all its blocks are in use, the first most
recently, as engines free a prompt from its end. So a cache of C blocks holds the C blocks used last, and with them
every block before them. The reuse distance of a block is the number of distinct blocks used since, itself included:
it is a hit in every cache at least that large (Mattson et al., IBM Systems Journal 9(2), 1970).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from paretoken.errors import BadConfig
from paretoken.traffic.chains import Chains, chains_of
from paretoken.traffic.traffic import NO_SESSION, Ints, Traffic

Routing = Literal["affine", "random"]
_CROWD = 4
"""A block shared by more than 1 in (4 × replicas) requests is too popular to route by."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PrefixReuse:
    """Hits of n requests by the size of the cache of each replica.

    `replica` (n,) is where each goes. A run is a stretch of units that a request has in common with one earlier one:
    `request`, `distance` and `size` (runs,) are its request, the units used since then, and its length. `tokens` are
    those of a unit. `note` says what was assumed.
    """

    input_tokens: Ints
    replica: Ints
    request: Ints
    distance: Ints
    size: Ints
    tokens: int
    note: str = ""

    def cached_tokens(self, capacity_tokens: float) -> Ints:
        """Input tokens (n,) of each request that a cache of `capacity_tokens` in each replica holds as it arrives.

        Fewer than its input: the last token is always computed.
        """
        if not capacity_tokens >= 0:
            raise BadConfig(f"the prefix cache must have 0 tokens or more, not {capacity_tokens:g}")
        units = min(capacity_tokens // self.tokens, 2**62) if capacity_tokens < np.inf else 2**62
        hits = np.clip(int(units) - self.distance, 0, self.size)
        run = np.zeros(len(self.input_tokens), np.int64)
        np.add.at(run, self.request, hits)
        return np.minimum(run * self.tokens, np.maximum(self.input_tokens - 1, 0))

    def hit_share(self, capacity_tokens: float) -> float:
        """The share of all input tokens that is cached."""
        return float(self.cached_tokens(capacity_tokens).sum() / max(int(self.input_tokens.sum()), 1))


def reuse(traffic: Traffic, *, replicas: int = 1, routing: Routing = "affine", seed: int = 0) -> PrefixReuse | None:
    """The prefix reuse of a traffic on this number of replicas; None where it does not show what prompts share.

    `affine` routing sends a session to one replica; a request without a session goes by the first block that is not
    shared by a crowd, such as the one after a common system prompt. `random` sends each request anywhere.
    """
    chains = chains_of(traffic)
    if chains is None:
        return None
    replica = _replicas(traffic, chains, replicas, routing, np.random.default_rng(seed))
    request, previous, size = _runs(chains, replica)
    return PrefixReuse(
        input_tokens=traffic.input_tokens,
        replica=replica,
        request=request,
        distance=_distances(chains.units, replica, request, previous, size),
        size=size,
        tokens=chains.tokens,
        note=chains.note,
    )


def _replicas(traffic: Traffic, chains: Chains, replicas: int, routing: Routing, rng: np.random.Generator) -> Ints:
    n = len(traffic)
    if replicas < 1:
        raise BadConfig(f"prefix reuse needs 1 replica or more, not {replicas}")
    if routing == "random" or replicas == 1:
        return rng.integers(replicas, size=n)
    session = traffic.session
    key = np.where(session == NO_SESSION, _leading(chains, n // (_CROWD * replicas)), session + 2**40)
    _, key = np.unique(key, return_inverse=True)
    return rng.integers(replicas, size=int(key.max()) + 1)[key]


def _leading(chains: Chains, crowd: int) -> Ints:
    """The first unit (n,) of each chain that at most `crowd` requests have, else its last; -1 - i for an empty one."""
    n = len(chains.units)
    alone = NO_SESSION - np.arange(n)
    if chains.parent is not None:
        return alone
    rare = np.bincount(chains.touches)[chains.touches] <= max(crowd, 1)
    ends = np.cumsum(chains.units)
    # The place of a touch where it is rare, else the end of all: the least within a chain is the first rare one.
    places = np.append(np.where(rare, np.arange(len(rare)), len(rare)), len(rare))
    filled = chains.units > 0
    first = np.full(n, len(rare))
    first[filled] = np.minimum.reduceat(places, (ends - chains.units)[filled])
    return np.where(filled, np.append(chains.touches, NO_SESSION)[np.minimum(first, ends - 1)], alone)


def _runs(chains: Chains, replica: Ints) -> tuple[Ints, Ints, Ints]:
    """Request, previous request and length of each run, by request, the run that was used longest ago first."""
    if chains.parent is not None:
        request = np.flatnonzero((chains.parent >= 0) & (replica == replica[chains.parent]))
        return request, chains.parent[request], chains.units[chains.parent[request]]
    owner = np.repeat(np.arange(len(chains.units)), chains.units)
    key = chains.touches * (int(replica.max()) + 1) + replica[owner]
    order = np.argsort(key, kind="stable")
    again = key[order][1:] == key[order][:-1]
    before = np.full(len(key), NO_SESSION, np.int64)
    before[order[1:][again]] = owner[order[:-1][again]]
    begins = np.flatnonzero(np.diff(owner, prepend=-1) | np.diff(before, prepend=-2))
    sizes = np.diff(begins, append=len(key))
    begins, sizes = begins[before[begins] >= 0], sizes[before[begins] >= 0]
    # Within a chain the runs go from the latest use to the earliest: turn them.
    order = np.lexsort((before[begins], owner[begins]))
    return owner[begins][order], before[begins][order], sizes[order]


def _distances(units: Ints, replica: Ints, request: Ints, previous: Ints, size: Ints) -> Ints:
    """Distinct units (runs,) used on the same replica after the request before and in front of the run.

    All units used since then, less those used twice since then: the runs since then whose previous use is since then.
    """
    order = np.argsort(replica, kind="stable")  # one replica after the other
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    used = np.concatenate([[0], np.cumsum(units[order])])
    at, before = place[request], place[previous]
    turn = np.lexsort((before, at))
    repeated = np.empty(len(at), np.int64)
    repeated[turn] = _weight_above(before[turn], size[turn])
    return np.asarray(used[at] - used[before + 1] - repeated, np.int64)


def _weight_above(keys: Ints, weights: Ints) -> Ints:
    """For each element the sum of the weights of elements before it with a greater key, in O(n log n).

    From the elements by falling key, stretches of places are halved again and again: an element of a right half gets
    the weight of those of its left half that come before it.
    """
    n = len(keys)
    by = np.lexsort((-np.arange(n), -keys))  # a later element first where keys are equal
    sums = np.zeros(n, np.int64)
    for bit in reversed(range(max(n - 1, 0).bit_length())):
        left = (by >> bit) & 1 == 0
        weight = np.concatenate([[0], np.cumsum(np.where(left, weights[by], 0))])
        count = np.concatenate([[0], np.cumsum(left)])
        begin = (by >> (bit + 1)) << (bit + 1)
        sums[by[~left]] += (weight[:-1] - weight[begin])[~left]
        lefts = count[:-1] - count[begin]
        rights = np.arange(n) - begin - lefts
        moved = np.empty_like(by)
        moved[np.where(left, begin + lefts, begin + (1 << bit) + rights)] = by
        by = moved
    return sums
