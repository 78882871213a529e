"""A tree of blocks that grows with each prompt, for a server that does not know the next one."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from paretoken.predict.simulation.cache.blocks import BlockTree, split
from paretoken.predict.simulation.cache.prefix import PrefixCache
from paretoken.sessions.prefixes import ROOT

Ids = tuple[Hashable, ...]


class GrowingTree(BlockTree):
    """Segments are cut where a chain of blocks leaves one; the caches that watch the tree follow.

    `insert` gives the leaf of a chain. The leaf is valid until `release`, which is due once no request has it; then the
    tree may forget segments that no cache has. Insert a prompt before the same prompt with its answer, so that requests
    hold whole segments.
    """

    __slots__ = ("_below", "_free", "_ids", "_kept", "_next_sweep", "_sweep_at", "_top", "_users", "caches")

    def __init__(self, sweep_at: int = 1024) -> None:
        """Unused segments are removed from `sweep_at` segments on, and whenever the number of segments has doubled."""
        super().__init__([], [], [], [])
        self.caches: list[PrefixCache] = []
        self._ids: list[Ids] = []  # of the blocks of each segment
        self._below: list[dict[Hashable, int]] = []  # the segments below each, by their first block
        self._top: dict[Hashable, int] = {}
        self._users: list[int] = []  # leaves given out and not released
        self._free: list[int] = []  # numbers of forgotten segments
        self._sweep_at = self._next_sweep = sweep_at

    def watch(self, cache: PrefixCache) -> None:
        """Let a cache of this tree follow it."""
        self.caches.append(cache)

    def insert(self, ids: Sequence[Hashable]) -> int:
        """The leaf of a chain of blocks with these ids; ROOT if there are none."""
        ids = tuple(ids)
        leaf, at = self._walk(ids)
        if at < len(ids):
            leaf = self._append(leaf, ids[at:])
        if leaf != ROOT:
            self._users[leaf] += 1
        return leaf

    def release(self, leaf: int) -> None:
        """Give back a leaf that `insert` gave."""
        if leaf == ROOT:
            return
        self._users[leaf] -= 1
        if len(self) - len(self._free) >= self._next_sweep:
            self._sweep()
            self._next_sweep = max(2 * (len(self) - len(self._free)), self._sweep_at)

    def _walk(self, ids: Ids) -> tuple[int, int]:
        """The deepest segment that a chain goes through, cut where it leaves it, and the blocks up to its end."""
        segment, at = ROOT, 0
        while at < len(ids):
            child = self._children(segment).get(ids[at])
            if child is None:
                break
            own = self._ids[child]
            common = _common(own, ids[at : at + len(own)])
            segment = child if common == len(own) else self._cut(child, common)
            at += common
            if common < len(own):
                break
        return segment, at

    def _children(self, segment: int) -> dict[Hashable, int]:
        return self._top if segment == ROOT else self._below[segment]

    def _append(self, parent: int, ids: Ids) -> int:
        first = 0 if parent == ROOT else self.last[parent]
        if self._free:
            segment = self._free.pop()
            self.parent[segment], self.first[segment], self.last[segment] = parent, first, first + len(ids)
            self._ids[segment] = ids
        else:
            segment = len(self)
            self.parent.append(parent)
            self.first.append(first)
            self.last.append(first + len(ids))
            self._add(ids)
        self._children(parent)[ids[0]] = segment
        return segment

    def _add(self, ids: Ids) -> None:
        self._ids.append(ids)
        self._below.append({})
        self._users.append(0)
        for cache in self.caches:
            cache.add_segment()

    def _cut(self, segment: int, blocks: int) -> int:
        """Cut a segment after some of its blocks; the new segment is its upper part."""
        ids = self._ids[segment]
        upper = split(self, segment, self.first[segment] + blocks)
        self._add(ids[:blocks])
        self._ids[segment] = ids[blocks:]
        self._children(self.parent[upper])[ids[0]] = upper
        self._below[upper][ids[blocks]] = segment
        for cache in self.caches:
            cache.split(segment, upper)
        return upper

    def _sweep(self) -> None:
        """Forget the segments that no cache and no request has."""
        gone = set(self._free)
        for leaf in range(len(self)):
            segment = leaf
            while segment != ROOT and segment not in gone and self._unused(segment):
                parent = self.parent[segment]
                del self._children(parent)[self._ids[segment][0]]
                self._ids[segment] = ()
                self._free.append(segment)
                gone.add(segment)
                segment = parent

    def _unused(self, segment: int) -> bool:
        if self._below[segment] or self._users[segment]:
            return False
        return not any(cache.has(segment) for cache in self.caches)


def _common(one: Ids, other: Ids) -> int:
    """The number of ids that two chains share at their beginning."""
    if one[: len(other)] == other:
        return len(other)
    return next(i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
