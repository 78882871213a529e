"""The step-by-step scheduler of an engine with a prefix cache: the rules of `CachingEngine`, for a server in real time.

sequence.leaf = tree.insert(ids of its full blocks)      or a leaf of any tree
scheduler.add(sequence)                                  sequence.cached are its hits, once it runs
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from paretoken.predict.simulation.cache.blocks import BlockTree
from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.cache.tiered import TieredCache
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.scheduler import EngineStep, Owner, Scheduler, Sequence
from paretoken.sessions.prefixes import ROOT


class CachingScheduler(Scheduler[Owner]):
    """`used` counts a shared block once.

    `on_load` gets a sequence with blocks in tiers below, the depth that is in GPU memory, and the depths to which the
    tiers continue it (the arguments of `TieredCache.load`). Call `loaded` when the blocks are here.
    """

    def __init__(
        self,
        limits: SchedulerLimits,
        acceptance: Fraction = Fraction(1),
        *,
        options: CacheOptions,
        tree: BlockTree,
        on_load: Callable[[Sequence[Owner], int, list[int]], None] | None = None,
    ) -> None:
        super().__init__(limits, acceptance)
        self.tree, self.cache = tree, TieredCache(tree, options, limits.block_tokens)
        self.vllm, self.on_load = options.policy == "vllm", on_load
        self.shared = 0  # blocks that sequences would need besides `used` if each had its own
        self.loading: dict[Sequence[Owner], int] = {}  # depth of those that load, or have not run since
        self.ready = 0  # of those, the ones whose blocks are here, at the head of the queue
        self.arrived: list[Sequence[Owner]] = []  # of those, the ones whose blocks are cached from the next step on

    def loaded(self, sequence: Sequence[Owner]) -> None:
        """Put a sequence whose blocks are here at the head of the queue."""
        if sequence in self.loading:
            self.arrived.append(sequence)
            self.waiting.insert(self.ready, sequence)
            self.ready += 1

    def remove(self, sequence: Sequence[Owner]) -> None:
        if self.loading.pop(sequence, None) is not None:
            self._free(sequence)
            self.ready -= sequence in self.waiting
            self.arrived = [s for s in self.arrived if s is not sequence]
        super().remove(sequence)

    def schedule(self) -> EngineStep[Owner] | None:
        for s in self.arrived:
            self._store(s, self.loading[s] * self.limits.block_tokens)
        self.arrived.clear()
        return super().schedule()

    def finish(self, step: EngineStep[Owner]) -> list[tuple[Sequence[Owner], int]]:
        if not self.vllm and step.tokens:
            if self.partial is not None:
                self._store(self.partial, self.partial.units // self.unit)
            for s in step.starting:
                if s in self.running:
                    self._computed(s, self._target(s))
        return super().finish(step)

    def _admit(self, step: EngineStep[Owner], s: Sequence[Owner], budget: int) -> int | None:
        if s in self.loading:
            return self._resume(step, s, budget)
        gpu, target, block_tokens = self.cache.gpu, self._target(s), self.limits.block_tokens
        gpu.trim(self.limits.kv_blocks - self.used)
        most = (target - 1) // block_tokens
        depth = gpu.lookup(s.leaf, most)
        if not self.vllm:
            gpu.touch(s.leaf, gpu.lookup(s.leaf, target // block_tokens))
        below, shared = self.cache.reach(s.leaf, depth, most), gpu.in_use(s.leaf, depth)
        loads = bool(below) and below[-1] > depth
        n = target if loads else self.limits.chunk(target - depth * block_tokens, budget, alone=not step.tokens)
        if not n or not self._has_room(s, shared):
            return None
        self.waiting.popleft()
        gpu.hold(s.leaf, depth)
        s.depth, s.room = depth, depth * self.block
        self.shared += shared
        self.used += depth - shared
        if not s.preempted:
            s.cached = (below[-1] if loads else depth) * block_tokens
        if loads:
            self._load(s, below)
            return 0
        self.running[s] = None
        return self._chunk(step, s, depth * block_tokens, n)

    def _load(self, s: Sequence[Owner], below: list[int]) -> None:
        """Reserve the blocks of a whole prompt until its cached part is here."""
        self.loading[s] = below[-1]
        self._grow(s, self._target(s) * self.unit, preempt=False)
        if self.on_load:
            self.on_load(s, s.depth, below)

    def _resume(self, step: EngineStep[Owner], s: Sequence[Owner], budget: int) -> int | None:
        """Let a sequence whose blocks were loaded run; what its chunk does not need is free again."""
        done = self.loading[s] * self.limits.block_tokens
        n = self.limits.chunk(self._target(s) - done, budget, alone=not step.tokens)
        if not n:
            return None
        del self.loading[s]
        self.ready -= 1
        self.running[self.waiting.popleft()] = None
        self.used -= s.room // self.block - self.limits.blocks(done + n)
        s.room = self.limits.blocks(done + n) * self.block
        return self._chunk(step, s, done, n)

    def _requeue(self, victim: Sequence[Owner]) -> None:
        self.waiting.insert(self.ready, victim)  # the ready ones hold blocks that this one may wait for

    def _has_room(self, s: Sequence[Owner], shared: int) -> bool:
        """Whether there are blocks for a sequence of which others hold `shared`."""
        taken, need = self.used, self.limits.blocks(self._target(s))
        if self.limits.reserve_output:
            taken, need = sum(map(self._whole, (*self.running, *self.loading))) - self.shared, self._whole(s)
        return taken + need - shared + (self.limits.reserve if self.used else 0) <= self.limits.kv_blocks

    def _chunk(self, step: EngineStep[Owner], s: Sequence[Owner], done: int, budget: int) -> int:
        n = super()._chunk(step, s, done, budget)
        if n and self.vllm and self.partial is not s:
            self._computed(s, done + n)
        return n

    def _computed(self, s: Sequence[Owner], tokens: int) -> None:
        """Cache a prompt in all tiers."""
        self._store(s, tokens)
        self.cache.write(s.leaf, s.depth)

    def _store(self, s: Sequence[Owner], tokens: int) -> None:
        """Cache the full blocks of the first `tokens` of a sequence, which it holds."""
        new = self._full(s, tokens)
        self.cache.gpu.trim(self.limits.kv_blocks - self.used)
        copies = self.cache.gpu.store(s.leaf, s.depth, new)
        s.depth = new
        self.used -= copies
        self.shared += copies

    def _full(self, s: Sequence[Owner], tokens: int) -> int:
        """Blocks that the first tokens of a sequence fill, as far as the tree knows them."""
        own = min(tokens, s.prompt + s.output - 1) // self.limits.block_tokens
        return 0 if s.leaf == ROOT else min(own, self.tree.last[s.leaf])

    def _free(self, s: Sequence[Owner]) -> None:
        self.cache.gpu.trim(self.limits.kv_blocks - self.used)
        others = self.cache.leave(s.leaf, s.depth, max(self._full(s, s.units // self.unit), s.depth))
        self.used -= s.room // self.block - others
        self.shared -= others
        s.depth = 0
