"""The step-by-step scheduler keeps the rules that the simulation jumps over."""

from __future__ import annotations

import dataclasses
from bisect import insort

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from paretoken.predict.simulation.cache.blocks import block_tree
from paretoken.predict.simulation.cache.growing import GrowingTree
from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.cache.scheduler import CachingScheduler
from paretoken.predict.simulation.feed import feed_of
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.run import simulate
from paretoken.predict.simulation.scheduler import Scheduler, Sequence
from paretoken.predict.steptime import AffineStepTime
from tests.predict.test_simulation import STEP, cases
from tests.predict.test_simulation_cache import cached_cases, tiers
from tests.support.cache_reference import texts
from tests.support.patience import examples


def replay(step_time, limits, source, serving, options=None, *, grow=False):
    """(first, last, preempted, cached) of every request served by the scheduler on a virtual clock."""
    clock = Replay(step_time, limits, source, serving, options, grow=grow)
    clock.run()
    sequences = [clock.sequences[i] for i in range(len(clock.inputs))]
    return clock.first, clock.last, [s.preempted for s in sequences], [s.cached for s in sequences]


class Replay:
    """A source before a scheduler, on a clock that jumps from step to step.

    With `grow`, the tree learns of each prompt when it comes.
    """

    def __init__(self, step_time, limits, source, serving, options, *, grow):
        self.step_time, self.size = step_time, limits.block_tokens
        self.inputs, self.outputs = source.input_tokens.tolist(), source.output_tokens.tolist()
        self.cached = [min(int(p * serving.prefix_hit_rate), p - 1) for p in self.inputs]
        self.first, self.last = ([None] * len(self.inputs) for _ in range(2))
        self.coming, self.loads, self.now, self.sequences = [], [], 0.0, {}
        prefixes = getattr(source, "prefixes", None)
        self.names = texts(prefixes, self.inputs, self.outputs) if grow else None
        self.tree = GrowingTree(3) if grow else block_tree(prefixes, self.size, self.inputs, self.outputs)
        self.scheduler = (
            Scheduler(limits, serving.acceptance) if options is None else self.caching(limits, serving, options)
        )
        cached = zip(self.inputs, self.cached, strict=True)
        before_s = [serving.before_queue_s(step_time, limits, prompt, hits) for prompt, hits in cached]
        self.feed = feed_of(source, before_s, lambda arrival: insort(self.coming, arrival))

    def caching(self, limits, serving, options):
        scheduler = CachingScheduler(limits, serving.acceptance, options=options, tree=self.tree, on_load=self.load)
        if self.names:
            for cache in (scheduler.cache.gpu, *scheduler.cache.stores):
                self.tree.watch(cache)
        return scheduler

    def load(self, sequence, depth, below):
        insort(self.loads, (self.scheduler.cache.load(depth, below, self.now), sequence.owner))

    def run(self):
        self.feed.open()
        while self.coming or self.scheduler.busy or self.loads:
            self.receive()
            step = self.scheduler.schedule()
            if step is None:
                self.now = max(self.now, min(self.events())[0])
                continue
            self.now += step.seconds(self.step_time)
            self.finish(step)
        assert self.scheduler.used == 0

    def events(self):
        """The next request and the next load."""
        return self.coming[:1] + self.loads[:1]

    def receive(self):
        """Queue the requests and the loads that are here."""
        while self.events() and min(self.events())[0] <= self.now:
            if self.loads and (not self.coming or self.loads[0][0] < self.coming[0][0]):
                self.scheduler.loaded(self.sequences[self.loads.pop(0)[1]])
                continue
            i = self.coming.pop(0)[1]
            self.sequences[i] = Sequence(self.inputs[i], self.outputs[i], self.cached[i], i, leaf=self.leaf(i))
            self.scheduler.add(self.sequences[i])

    def leaf(self, i):
        if self.names is None:
            return self.tree.leaf[i]
        size, names = self.size, self.names[i]
        prompt = self.tree.insert([names[j : j + size] for j in range(0, self.inputs[i] - size + 1, size)])
        leaf = self.tree.insert([names[j : j + size] for j in range(0, len(names) - size + 1, size)])
        self.tree.release(prompt)
        return leaf

    def finish(self, step):
        for s, tokens in sorted(self.scheduler.finish(step), key=lambda pair: pair[0].owner):
            if tokens and self.first[s.owner] is None:
                self.first[s.owner] = self.now
            if self.scheduler.complete(s):
                self.last[s.owner] = self.now
                self.feed.ended(s.owner, self.now)
                if self.names:
                    self.tree.release(s.leaf)


@examples(30)
@given(cached_cases(), st.just(()) | tiers(), st.sampled_from(["vllm", "sglang"]), st.booleans())
def test_equals_the_simulation_with_a_prefix_cache(case, below, policy, grow):
    options = CacheOptions(policy=policy, tiers=below)
    run = simulate(*case, options)
    first, last, preempted, hits = replay(*case, options, grow=grow)
    np.testing.assert_allclose(run.first_s, first, rtol=1e-9)
    np.testing.assert_allclose(run.last_s, last, rtol=1e-9)
    assert run.preempted.tolist() == preempted
    assert run.cached_tokens.tolist() == hits


@examples(20)
@given(cases())
def test_equals_the_simulation(case):
    step_time, limits, source, serving = case
    run = simulate(step_time, limits, source, serving)
    first, last, preempted, _ = replay(step_time, limits, source, serving)
    np.testing.assert_allclose(run.first_s, first, rtol=1e-9)
    np.testing.assert_allclose(run.last_s, last, rtol=1e-9)
    assert run.preempted.tolist() == preempted


@examples(20)
@given(cases(), st.integers(1, 9))
def test_equals_the_simulation_with_slots_for_drafted_tokens(case, drafted):
    step_time, limits, source, serving = case
    limits = dataclasses.replace(limits, drafted_tokens=drafted, kv_blocks=limits.kv_blocks + drafted)
    run = simulate(step_time, limits, source, serving)
    first, last, preempted, _ = replay(step_time, limits, source, serving)
    np.testing.assert_allclose(run.first_s, first, rtol=1e-9)
    np.testing.assert_allclose(run.last_s, last, rtol=1e-9)
    assert run.preempted.tolist() == preempted
    assert max((e[7] for e in run.engines[-1].segments), default=0) <= limits.kv_blocks


def test_a_user_who_leaves_gives_the_blocks_back():
    scheduler = Scheduler(SchedulerLimits(max_num_seqs=2, max_batched_tokens=64, kv_blocks=10))
    running, begun, queued = (Sequence(40, 10) for _ in range(3))
    for s in (running, begun, queued):
        scheduler.add(s)
    step = scheduler.schedule()
    assert step.starting == [running] and step.tokens == 64 and list(scheduler.running) == [running, begun]
    scheduler.remove(queued)
    scheduler.remove(running)  # while its step is under way
    assert scheduler.finish(step) == []
    scheduler.remove(begun)
    assert scheduler.used == 0 and not scheduler.busy
    scheduler.remove(begun)


def test_the_newest_pays_for_the_oldest():
    scheduler = Scheduler(SchedulerLimits(max_num_seqs=4, max_batched_tokens=64, kv_blocks=4, block_tokens=4))
    old, new = Sequence(8, 9), Sequence(7, 9)
    scheduler.add(old), scheduler.add(new)
    scheduler.finish(scheduler.schedule())
    step = scheduler.schedule()
    assert step.decodes == [old] and list(scheduler.waiting) == [new] and new.preempted == 1
    assert step.seconds(AffineStepTime(1.0, per_context_token_s=1.0)) == 1.0 + 9
    assert step.seconds(STEP) > 0
