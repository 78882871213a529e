"""A tree of blocks that grows with the sequences that come, for a server in real time."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from paretoken.predict.simulation.cache.blocks import BlockTree, split
from paretoken.predict.simulation.cache.prefix import PrefixCache
from paretoken.sessions.prefixes import ROOT


class GrowingTree(BlockTree):
    """Sequences are lists of ids below 2⁶⁴, one for each full block; equal ids are equal up to the end of that block.

    A segment is split where a sequence leaves it, which keeps its index for its lower part. It takes 8 bytes for each
    block that no earlier sequence has.
    """

    __slots__ = ("_below", "_caches", "_ids")

    def __init__(self) -> None:
        super().__init__([], [], [], [])
        self._ids: list[array[int]] = []
        self._below: dict[tuple[int, int], int] = {}  # by segment above and first id
        self._caches: list[PrefixCache] = []

    def follow(self, cache: PrefixCache) -> None:
        """Keep a cache of this tree, which is empty so far, in step with it."""
        self._caches.append(cache)

    def insert(self, ids: Sequence[int]) -> int:
        """The segment at whose end a sequence ends; ROOT if it fills no block."""
        blocks, above, depth = array("Q", ids), ROOT, 0
        while depth < len(blocks):
            segment = self._below.get((above, blocks[depth]))
            if segment is None:
                return self._append(above, depth, blocks[depth:])
            shared = _shared(self._ids[segment], blocks[depth : depth + len(self._ids[segment])])
            depth += shared
            above = segment if shared == len(self._ids[segment]) else self._split(segment, depth, shared)
        return above

    def _append(self, above: int, depth: int, blocks: array[int]) -> int:
        segment = len(self)
        self.parent.append(above)
        self.first.append(depth)
        self.last.append(depth + len(blocks))
        self._ids.append(blocks)
        self._below[above, blocks[0]] = segment
        for cache in self._caches:
            cache.grow()
        return segment

    def _split(self, segment: int, depth: int, blocks: int) -> int:
        """The upper part of a segment, of so many blocks, that ends at a depth."""
        ids = self._ids[segment]
        upper = split(self, segment, depth)
        self._ids.append(ids[:blocks])
        self._ids[segment] = ids[blocks:]
        self._below[self.parent[upper], ids[0]] = upper
        self._below[upper, ids[blocks]] = segment
        for cache in self._caches:
            cache.split(segment, upper)
        return upper


def _shared(one: array[int], other: array[int]) -> int:
    """How many ids two lists begin with alike."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
