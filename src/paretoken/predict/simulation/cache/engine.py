"""An engine whose requests find each other's blocks in its prefix cache."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from heapq import heappop, heappush
from math import inf

from paretoken.predict.simulation.cache.blocks import BlockTree
from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.cache.tiered import TieredCache
from paretoken.predict.simulation.engine import EngineSimulator
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.requests import NONE, RequestLog, SimulatedLengths
from paretoken.predict.steptime import StepTime


class CachingEngine(EngineSimulator):
    """`used` counts a shared block once. `lengths.cached` gets the hits of each request when it first runs.

    The blocks of an answer can be found once its request has left; no prompt contains them before. While a request
    loads blocks from a tier below, it holds the blocks of its whole prompt, but no place in the batch. Then it is the
    first of the queue.
    """

    def __init__(
        self,
        step_time: StepTime,
        limits: SchedulerLimits,
        lengths: SimulatedLengths,
        acceptance: Fraction,
        log: RequestLog,
        on_finish: Callable[[int, float], None],
        *,
        options: CacheOptions,
        tree: BlockTree,
    ) -> None:
        super().__init__(step_time, limits, lengths, acceptance, log, on_finish)
        self.leaf, self.cache = tree.leaf, TieredCache(tree, options, limits.block_tokens)
        self.vllm = options.policy == "vllm"
        self.shared = 0  # blocks that requests would need besides `used` if each had its own
        self.depth: dict[int, int] = {}  # of the path that each request holds
        self.order: dict[int, int] = {}  # the order in which prompts were computed
        self.ordered = 0
        self.loads: list[tuple[float, int]] = []  # (s, request): when its blocks are here; a heap
        self.loaded: dict[int, int] = {}  # depth of requests that load, or have not run since
        self.landed = 0  # of those, the ones whose blocks are here, at the head of the queue
        self.tier_hits: list[dict[int, int]] = [
            {} for _ in options.tiers
        ]  # tokens that a request loaded from each tier

    @property
    def next_s(self) -> float:
        if self.ends_s < inf:
            return self.ends_s
        pending_s = self.pending[0][0] if self.pending else inf
        return min(pending_s, self.loads[0][0]) if self.loads else pending_s

    def begin(self) -> float:
        while self.loads and self.loads[0][0] <= self.now:
            at_s, request = heappop(self.loads)
            self._receive(at_s)
            self._store(request, self.loaded[request] * self.limits.block_tokens)
            self.waiting.insert(self.landed, request)
            self.landed += 1
        return super().begin()

    def _admit(self, request: int, budget: int, *, alone: bool) -> tuple[int, int] | None:
        limits, gpu, leaf, target = self.limits, self.cache.gpu, self.leaf[request], self._target(request)
        if request in self.loaded:
            return self._resume(request, target, budget, alone=alone)
        gpu.trim(limits.kv_blocks - self.used)
        most = (target - 1) // limits.block_tokens
        depth = gpu.lookup(leaf, most)
        if not self.vllm:  # the block of the last token counts, too, which is computed in any case
            gpu.touch(leaf, gpu.lookup(leaf, target // limits.block_tokens))
        below = self.cache.reach(leaf, depth, most) if self.cache.stores else []
        done, blocks = depth * limits.block_tokens, limits.blocks(target)
        loads = bool(below) and below[-1] > depth
        chunk = target - done if loads else limits.chunk(target - done, budget, alone=alone)
        if not chunk:
            return None
        # The blocks that others hold matter only where memory is tight.
        tight = limits.reserve_output or self.used + blocks + limits.reserve > limits.kv_blocks
        if tight and not self._reserve(request, blocks - gpu.in_use(leaf, depth)):
            return None
        self.waiting.popleft()
        shared = depth - gpu.hold(leaf, depth)
        self.depth[request] = depth
        self.shared += shared
        self.used += limits.blocks(done + chunk) - shared
        if not self.log.preempted[request]:
            self._count(request, depth, below)
        if loads:
            self.loaded[request] = below[-1]
            heappush(self.loads, (self.cache.load(depth, below, self.now), request))
            return 0, 0
        self._advance(request, done + chunk)
        return chunk, done

    def _resume(self, request: int, target: int, budget: int, *, alone: bool) -> tuple[int, int] | None:
        """Let a request whose blocks were loaded run."""
        limits, done = self.limits, self.loaded[request] * self.limits.block_tokens
        chunk = limits.chunk(target - done, budget, alone=alone)
        if not chunk:
            return None
        self.waiting.popleft()
        self.landed -= 1
        del self.loaded[request]
        self.used -= limits.blocks(target) - limits.blocks(done + chunk)
        self._advance(request, done + chunk)
        return chunk, done

    def _count(self, request: int, depth: int, below: list[int]) -> None:
        """Record the tokens that a request finds in each tier."""
        block_tokens = self.limits.block_tokens
        for hits, end in zip(self.tier_hits, below, strict=False):
            if end > depth:
                hits[request] = (end - depth) * block_tokens
                depth = end
        self.skipped[request] = depth * block_tokens

    def _reserve(self, request: int, blocks: int) -> bool:
        if not self.limits.reserve_output:
            return super()._reserve(request, blocks)
        # All that run need `reserved` blocks at their ends, less those that they share.
        whole = self._whole(request)
        need = blocks + whole - self.limits.blocks(self._target(request)) + (self.limits.reserve if self.used else 0)
        if self.reserved - self.shared + need > self.limits.kv_blocks:
            return False
        self.reserved += whole
        return True

    def _advance(self, request: int, done: int) -> None:
        super()._advance(request, done)
        if request != self.partial:
            self.ordered += 1
            self.order[request] = self.ordered
            if self.vllm:
                self._computed(request, done)

    def _finish_prompts(self) -> None:
        if not self.vllm:
            if self.partial != NONE:
                self._store(self.partial, self.done)
            for request in self.starting:
                self._computed(request, self._target(request))
        super()._finish_prompts()

    def _computed(self, request: int, tokens: int) -> None:
        """Cache a prompt in all tiers."""
        self._store(request, tokens)
        self.cache.write(self.leaf[request], self.depth[request])

    def _store(self, request: int, tokens: int) -> None:
        """Cache the full blocks of the first `tokens` of a request, which it holds."""
        old, new = self.depth[request], self._full(request, tokens)
        self.cache.gpu.trim(self.limits.kv_blocks - self.used)
        copies = self.cache.gpu.store(self.leaf[request], old, new)
        self.depth[request] = new
        self.used -= copies
        self.shared += copies

    def _full(self, request: int, tokens: int) -> int:
        """Blocks that the first tokens of a request fill; the last token of an answer is in no KV cache."""
        return min(tokens, self.inputs[request] + self.outputs[request] - 1) // self.limits.block_tokens

    def _free(self, request: int, tokens: int, blocks: int) -> None:
        self.cache.gpu.trim(self.limits.kv_blocks - self.used)
        old = self.depth.pop(request)
        others = self.cache.leave(self.leaf[request], old, max(self._full(request, tokens), old))
        self.used -= blocks - others
        self.shared -= others
        self.order.pop(request, None)

    def _preempt(self) -> int:
        self.cache.gpu.trim(0)  # sequences only go where the others have taken every block
        return super()._preempt()

    def _make_room(self) -> bool:
        if self.partial != NONE and self.used + self.batch.crossings(self.batch.steps, 1) > self.limits.kv_blocks:
            self.cache.gpu.trim(0)
        return super()._make_room()

    def _requeue(self, request: int) -> None:
        super()._requeue(request)
        if self.landed:  # they hold blocks that this one may wait for
            self.waiting.insert(self.landed, self.waiting.popleft())

    def _ended(self) -> list[int]:
        ended = sorted(self.batch.done(), key=self.order.__getitem__)
        for request in ended:
            units = self.batch.leave(request)
            self._free(request, units // self.batch.unit, self.batch.blocks(units))
        return ended

    def _jump(self, calm: bool, grown: int) -> None:
        super()._jump(calm, grown)
        if self.alike > 1 and self.loads and self.loads[0][0] < self.ends_s and self._places():
            self._cut(self.loads[0][0])
