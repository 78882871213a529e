"""An engine whose requests find each other's blocks in its prefix cache."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from paretoken.predict.simulation.cache.blocks import BlockTree
from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.cache.prefix import PrefixCache
from paretoken.predict.simulation.engine import EngineSimulator
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.requests import RequestLog, SimulatedLengths
from paretoken.predict.steptime import StepTime


class CachingEngine(EngineSimulator):
    """`used` counts a block once, whoever holds it. `lengths.cached` gets the tokens that each request found at first.

    Blocks of a prompt can be found from the step on that computes them, as in vLLM; those of an answer when the request
    leaves, before which no prompt can contain them.
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
        self.options, self.tree, self.cache = options, tree, PrefixCache(tree)
        self.shared = 0  # blocks that requests would need besides `used` if each had its own
        self.depth: dict[int, int] = {}  # of the path that each request holds
        self.order: dict[int, int] = {}  # in which prompts were computed
        self.ordered = 0

    def _admit(self, request: int, budget: int, *, alone: bool) -> tuple[int, int] | None:
        limits, cache, leaf = self.limits, self.cache, self.tree.leaf[request]
        target = self._target(request)
        cache.trim(limits.kv_blocks - self.used)
        depth = cache.lookup(leaf, (target - 1) // limits.block_tokens)
        done, shared = depth * limits.block_tokens, cache.in_use(leaf, depth)
        chunk = limits.chunk(target - done, budget, alone=alone)
        if not chunk or not self._reserve(request, limits.blocks(target) - shared):
            return None
        self.waiting.popleft()
        cache.hold(leaf, depth)
        self.depth[request] = depth
        self.shared += shared
        self.used += limits.blocks(done + chunk) - shared
        if not self.log.preempted[request]:
            self.skipped[request] = done
        self._advance(request, done + chunk)
        return chunk, done

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
            self._store(request, done)
            self.ordered += 1
            self.order[request] = self.ordered

    def _store(self, request: int, tokens: int) -> None:
        """Cache the full blocks of the first `tokens` of a request, which it holds."""
        old = self.depth[request]
        new = max(min(tokens, self.inputs[request] + self.outputs[request] - 1) // self.limits.block_tokens, old)
        copies = self.cache.store(self.tree.leaf[request], old, new)
        self.depth[request] = new
        self.used -= copies
        self.shared += copies

    def _free(self, request: int, tokens: int, blocks: int) -> None:
        self.cache.trim(self.limits.kv_blocks - self.used)
        self._store(request, tokens)
        depth = self.depth.pop(request)
        kept = depth - self.cache.drop(self.tree.leaf[request], depth)
        self.used -= blocks - kept
        self.shared -= kept

    def _preempt(self) -> int:
        self.cache.trim(0)  # sequences only go where the others have taken every block
        return super()._preempt()

    def _make_room(self) -> bool:
        if self.partial != -1 and self.used + self.batch.crossings(self.batch.steps, 1) > self.limits.kv_blocks:
            self.cache.trim(0)
        return super()._make_room()

    def _ended(self) -> list[int]:
        ended = sorted(self.batch.done(), key=self.order.__getitem__)
        for request in ended:
            units = self.batch.leave(request)
            self._free(request, units // self.batch.unit, self.batch.blocks(units))
        return ended
