"""The prefix cache of one engine: full blocks of the KV cache that stay cached until their memory is needed.

State is kept for segments of the tree, not for blocks: all blocks above a cached block are cached, and all blocks above
a block in use are in use. Unused blocks are evicted in the order in which the last request that used them ended, the
deepest first, as by the free queue of vLLM (0.24 and later).
"""

from __future__ import annotations

from heapq import heappop, heappush, heapreplace

from paretoken.predict.simulation.cache.blocks import BlockTree
from paretoken.sessions.prefixes import ROOT

SEGMENT_BITS = 32
SEGMENT_MASK = (1 << SEGMENT_BITS) - 1


class PrefixCache:
    """Depths are blocks from the root of the tree. A request holds the path from the root to a depth above its leaf.

    `evictable` are the cached blocks that no request holds, `evicted` all blocks evicted so far.
    """

    def __init__(self, tree: BlockTree) -> None:
        n = len(tree)
        self._tree = tree
        self._cached = [0] * n  # blocks from the start of the segment
        self._refs = [0] * n  # requests that end with the segment, and segments below that are in use
        self._inside: dict[int, list[int]] = {}  # segment → depths of the requests that end inside
        self._kids = [0] * n  # segments below that have cached blocks
        self._time = [0] * n  # when the last request that held the segment ended
        self._queue: list[int] = []  # time and segment of those that may be evicted; perhaps out of date
        self._queued = bytearray(n)
        self._clock = 0
        self.evictable = 0
        self.evicted = 0

    def lookup(self, leaf: int, most: int) -> int:
        """The depth, up to `most`, to which the path above a leaf is cached."""
        cached, parent = self._cached, self._tree.parent
        while leaf != ROOT and not cached[leaf]:
            leaf = parent[leaf]
        return 0 if leaf == ROOT else min(self._tree.first[leaf] + cached[leaf], most)

    def in_use(self, leaf: int, depth: int) -> int:
        """The blocks of a path that some request holds."""
        refs, inside, parent = self._refs, self._inside, self._tree.parent
        segment = leaf
        while segment != ROOT:
            if refs[segment]:
                return min(self._tree.last[segment], depth)
            if segment in inside:
                return min(max(inside[segment]), depth)
            segment = parent[segment]
        return 0

    def hold(self, leaf: int, depth: int) -> int:
        """Hold a cached path; returns how many of its blocks were not in use."""
        if not depth:
            return 0
        refs, inside, parent = self._refs, self._inside, self._tree.parent
        segment = self._at(leaf, depth)
        in_use = self._used_to(segment) if refs[segment] or segment in inside else 0
        if depth == self._tree.last[segment]:
            refs[segment] += 1
        else:
            inside.setdefault(segment, []).append(depth)
        while not in_use:
            segment = parent[segment]
            if segment == ROOT:
                break
            if refs[segment] or segment in inside:
                in_use = self._used_to(segment)
            refs[segment] += 1
        fresh = depth - in_use if depth > in_use else 0
        self.evictable -= fresh
        return fresh

    def store(self, leaf: int, old: int, new: int) -> int:
        """Cache the blocks from depth `old`, which the caller holds, to `new`; then it holds all of them.

        Returns how many of them another request holds already: the caller's own copies are free again.
        """
        if new <= old:
            return 0
        self._cache(leaf, new)
        fresh = self.hold(leaf, new)
        self._let_go(leaf, old)
        return new - old - fresh

    def drop(self, leaf: int, depth: int) -> int:
        """Release a path; returns how many of its blocks nobody holds any more."""
        if not depth:
            return 0
        self._clock += 1
        freed, segment = self._let_go(leaf, depth), self._at(leaf, depth)
        self._offer(segment)
        return freed

    def touch(self, leaf: int, depth: int) -> None:
        """Count a path as used now: its blocks are evicted after all others."""
        if depth:
            self._clock += 1
            # Segments above get this time when this one is evicted.
            self._time[self._at(leaf, depth)] = self._clock

    def put(self, leaf: int, depth: int) -> None:
        """Cache a path that nobody holds, and count it as used now."""
        if depth:
            self._cache(leaf, depth)
            self.touch(leaf, depth)
            self._offer(self._at(leaf, depth))

    def trim(self, room: int) -> None:
        """Evict blocks until at most `room` are left that nobody holds."""
        count = self.evictable - room
        if count <= 0:
            return
        self.evictable -= count
        self.evicted += count
        queue, queued, time, cached = self._queue, self._queued, self._time, self._cached
        while count:
            segment = queue[0] & SEGMENT_MASK
            at = time[segment] << SEGMENT_BITS | segment
            spare = self._spare(segment)
            if spare and queue[0] != at:
                heapreplace(queue, at)
            elif spare > count:
                cached[segment] -= count
                return
            else:
                count -= spare
                cached[segment] -= spare
                heappop(queue)
                queued[segment] = 0
                if spare and not cached[segment]:
                    self._emptied(segment)

    def add_segment(self) -> None:
        """The tree has one more segment."""
        for column in (self._cached, self._refs, self._kids, self._time):
            column.append(0)
        self._queued.append(0)

    def split(self, lower: int, upper: int) -> None:
        """Divide the state of a segment that was cut: `upper` is its new upper part."""
        tree = self._tree
        end, refs = tree.last[upper], self._refs[lower]
        depths = self._inside.pop(lower, [])
        below = [depth for depth in depths if depth > end]
        if below:
            self._inside[lower] = below
        above = [depth for depth in depths if depth < end]
        if above:
            self._inside[upper] = above
        blocks = self._cached[lower]
        self._cached[upper] = min(blocks, end - tree.first[upper])
        self._cached[lower] = blocks - self._cached[upper]
        self._refs[upper] = depths.count(end) + bool(refs or below)
        self._kids[upper] = int(self._cached[lower] > 0)
        self._time[upper] = self._time[lower]
        self._offer(upper)

    def has(self, segment: int) -> bool:
        """Whether blocks of a segment are cached or still queued."""
        return bool(self._cached[segment] or self._queued[segment])

    def _emptied(self, segment: int) -> None:
        """A segment has no cached block any more: offer its parent, unless another one below it has some."""
        parent = self._tree.parent[segment]
        if parent != ROOT:
            self._kids[parent] -= 1
            if self._time[parent] < self._time[segment]:
                self._time[parent] = self._time[segment]
            if not self._kids[parent]:
                self._offer(parent)

    def _offer(self, segment: int) -> None:
        """Queue a segment whose last blocks may be evicted."""
        if not self._queued[segment] and self._spare(segment):
            self._queued[segment] = 1
            heappush(self._queue, self._time[segment] << SEGMENT_BITS | segment)

    def _spare(self, segment: int) -> int:
        """The blocks of a segment that may be evicted before all others of it."""
        if self._refs[segment] or self._kids[segment]:
            return 0
        if segment in self._inside:
            return self._tree.first[segment] + self._cached[segment] - max(self._inside[segment])
        return self._cached[segment]

    def _cache(self, leaf: int, depth: int) -> None:
        """Mark a path as cached; nobody holds its new blocks yet."""
        tree, cached, end = self._tree, self._cached, depth
        segment = self._at(leaf, depth)
        while segment != ROOT:
            first, blocks = tree.first[segment], cached[segment]
            if first + blocks >= end:
                return
            self.evictable += end - first - blocks
            cached[segment] = end - first
            if blocks:
                return
            end, segment = first, tree.parent[segment]
            if segment != ROOT:
                self._kids[segment] += 1

    def _let_go(self, leaf: int, depth: int) -> int:
        if not depth:
            return 0
        refs, inside, parent = self._refs, self._inside, self._tree.parent
        segment = self._at(leaf, depth)
        # Segments above get this time when this one is evicted.
        self._time[segment] = self._clock
        if depth == self._tree.last[segment]:
            refs[segment] -= 1
        else:
            self._leave_inside(segment, depth)
        while not refs[segment] and segment not in inside:
            segment = parent[segment]
            if segment == ROOT:
                self.evictable += depth
                return depth
            refs[segment] -= 1
        freed = max(depth - self._used_to(segment), 0)
        self.evictable += freed
        return freed

    def _leave_inside(self, segment: int, depth: int) -> None:
        depths = self._inside[segment]
        depths.remove(depth)
        if not depths:
            del self._inside[segment]

    def _used_to(self, segment: int) -> int:
        """The depth in a segment to which it is in use."""
        if self._refs[segment]:
            return self._tree.last[segment]
        return max(self._inside[segment]) if segment in self._inside else self._tree.first[segment]

    def _at(self, leaf: int, depth: int) -> int:
        """The segment above or at a leaf that has the last block of a depth."""
        first, parent = self._tree.first, self._tree.parent
        while first[leaf] >= depth:
            leaf = parent[leaf]
        return leaf
