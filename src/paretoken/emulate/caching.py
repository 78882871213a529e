"""An engine with a prefix cache in real time: prompts reuse the blocks that earlier requests left in it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from heapq import heappop, heappush
from math import inf

import numpy as np

from paretoken.emulate.pacer import SLIP_S, Pacer
from paretoken.emulate.prometheus import EmulatorMetrics
from paretoken.emulate.prompt import answer_ids, block_ids
from paretoken.emulate.reply import Reply
from paretoken.emulate.settings import EmulatorSettings
from paretoken.predict.simulation.cache.growing import GrowingTree
from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.cache.scheduler import CachingScheduler
from paretoken.predict.simulation.scheduler import Sequence
from paretoken.sessions.prefixes import ROOT


class CachingPacer(Pacer):
    """`place` sets the blocks of a reply. Loads from tiers below GPU memory take their time, too."""

    scheduler: CachingScheduler[Reply]

    def __init__(self, settings: EmulatorSettings, options: CacheOptions, counters: EmulatorMetrics) -> None:
        scale, self.tree = settings.time_scale, GrowingTree()
        tiers = tuple(
            replace(tier, s_per_token=tier.s_per_token / scale, latency_s=tier.latency_s / scale)
            for tier in options.tiers
        )
        scheduler = CachingScheduler[Reply](
            settings.limits,
            settings.acceptance,
            options=replace(options, tiers=tiers),
            tree=self.tree,
            on_load=self._load,
        )
        for cache in (scheduler.cache.gpu, *scheduler.cache.stores):
            self.tree.watch(cache)
        super().__init__(settings, counters, scheduler=scheduler)
        self.coming: list[tuple[float, int, int, Sequence[Reply]]] = []  # when the blocks of each are here, s; a heap
        self.from_below: dict[Sequence[Reply], int] = {}  # tokens, until they are counted
        self.numbers = itertools.count()
        self.free_s = 0.0  # when the latest step ended
        if tiers:
            counters.tier_queries = 0

    def place(self, reply: Reply) -> None:
        """Find the place of a reply in the tree by the tokens of its prompt and of its answer, all but the last."""
        request, script, block_tokens = reply.request, reply.script, self.scheduler.limits.block_tokens
        answer = answer_ids(script.start, script.tokens - 1)
        prompt = answer[:0] if request.ids is None else request.ids
        ids = block_ids(np.concatenate([prompt, answer]), block_tokens)
        shared = self.tree.insert(ids[: len(prompt) // block_tokens])  # so that requests hold whole segments
        reply.sequence.leaf = self.tree.insert(ids)
        self.tree.release(shared)

    def loaded_tokens(self, sequence: Sequence[Reply]) -> int:
        tokens = self.from_below.pop(sequence, 0)
        if self.counters.tier_queries is not None:
            self.counters.tier_queries += sequence.prompt - sequence.cached + tokens
            self.counters.tier_hits += tokens
        return tokens

    def abandon(self, reply: Reply) -> None:
        self.from_below.pop(reply.sequence, None)
        super().abandon(reply)
        self._release(reply.sequence)

    def end(self, reply: Reply) -> None:
        super().end(reply)
        self._release(reply.sequence)

    def _release(self, sequence: Sequence[Reply]) -> None:
        """Release the leaf of a sequence once, although a user may leave after the end."""
        self.tree.release(sequence.leaf)
        sequence.leaf = ROOT

    def start(self, now_s: float) -> None:
        super().start(now_s)
        self._wait_for_loads()

    def run(self, now_s: float) -> None:
        """End the steps that are due; begin a step that waited only for a load at the time when the load ended."""
        super().run(now_s)
        while self.due is None and self.coming and self.coming[0][0] <= now_s:
            self._begin(max(self.coming[0][0], self.free_s))
            super().run(now_s)
        self._wait_for_loads()

    def end_step(self, now_s: float) -> None:
        self.free_s = now_s if now_s - self.ends_s > SLIP_S else self.ends_s
        super().end_step(now_s)

    def _begin(self, at_s: float) -> None:
        while self.coming and self.coming[0][0] <= at_s:
            self.scheduler.loaded(heappop(self.coming)[3])
        super()._begin(at_s)

    def _load(self, sequence: Sequence[Reply], depth: int, below: list[int]) -> None:
        """Begin to load the blocks of a sequence that are in tiers below GPU memory."""
        ready_s = self.scheduler.cache.load(depth, below, self.begun_s)
        place = sequence.owner.connection.place if sequence.owner else -1
        heappush(self.coming, (ready_s, place, next(self.numbers), sequence))
        if not sequence.preempted:
            self.from_below[sequence] = (below[-1] - depth) * self.scheduler.limits.block_tokens

    def _wait_for_loads(self) -> None:
        """Wake an idle engine at the end of the next load."""
        if self.due is None:
            self.ends_s = self.coming[0][0] if self.coming else inf
