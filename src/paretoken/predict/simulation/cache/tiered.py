"""The prefix cache of one engine in all its tiers: GPU memory, and what lies below."""

from __future__ import annotations

from paretoken.predict.simulation.cache.blocks import BlockTree
from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.cache.prefix import PrefixCache


class TieredCache:
    """Every tier gets the blocks of a prompt once all are computed, and those of its answer when the request ends.

    Both count as a use of the whole path. So a larger tier has all that a smaller one has. Depths are blocks from the
    root of the tree. `free_s` is when the link of each tier has finished its loads, `busy_s` the seconds it loaded.
    """

    __slots__ = ("block_tokens", "busy_s", "free_s", "gpu", "rooms", "stores", "tiers")

    def __init__(self, tree: BlockTree, options: CacheOptions, block_tokens: int) -> None:
        self.gpu = PrefixCache(tree)
        self.tiers, self.block_tokens = options.tiers, block_tokens
        self.stores = [PrefixCache(tree) for _ in options.tiers]
        self.rooms = [tier.tokens // block_tokens for tier in options.tiers]
        self.free_s, self.busy_s = [0.0] * len(self.tiers), [0.0] * len(self.tiers)

    def reach(self, leaf: int, depth: int, most: int) -> list[int]:
        """For each tier, the depth that it and those before it reach on a path of which GPU memory has `depth`."""
        depths = []
        for store in self.stores:
            depth = max(store.lookup(leaf, most), depth)
            depths.append(depth)
        return depths

    def load(self, depth: int, depths: list[int], now_s: float) -> float:
        """Load what GPU memory lacks, each block from the first tier that has it; the time when all are here, s."""
        ready_s = now_s
        for i, (tier, below) in enumerate(zip(self.tiers, depths, strict=True)):
            if below > depth:
                took_s = tier.latency_s + (below - depth) * self.block_tokens * tier.s_per_token
                self.free_s[i] = max(self.free_s[i], now_s) + took_s
                self.busy_s[i] += took_s
                ready_s = max(ready_s, self.free_s[i])
                depth = below
        return ready_s

    def leave(self, leaf: int, old: int, new: int) -> int:
        """Cache what a request has computed beyond the depth `old` that it holds, and release its path.

        Returns how many of its blocks others hold.
        """
        self.write(leaf, new)
        copies = self.gpu.store(leaf, old, new)
        return new - self.gpu.drop(leaf, new) - copies

    def write(self, leaf: int, depth: int) -> None:
        """Copy a path that GPU memory has to the tiers below."""
        for store, room in zip(self.stores, self.rooms, strict=True):
            store.put(leaf, depth)
            store.trim(room)
