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
    """(first, last, preempted, cached) of every request served by the scheduler on a virtual clock.

    With `grow`, the tree of prompts learns of each one when it comes.
    """
    inputs, outputs = source.input_tokens.tolist(), source.output_tokens.tolist()
    cached = [min(int(p * serving.prefix_hit_rate), p - 1) for p in inputs]
    leaf, loads = [-1] * len(inputs), []
    if options is None:
        scheduler = Scheduler(limits, serving.acceptance)
    else:
        tree = block_tree(getattr(source, "prefixes", None), limits.block_tokens, inputs, outputs)
        leaf = tree.leaf

        def load(s, depth, below):
            insort(loads, (scheduler.cache.load(depth, below, now), s.owner))

        if grow:
            names, tree, size = (
                texts(getattr(source, "prefixes", None), inputs, outputs),
                GrowingTree(sweep_at=3),
                limits.block_tokens,
            )
        scheduler = CachingScheduler(limits, serving.acceptance, options=options, tree=tree, on_load=load)
        if grow:
            for cache in (scheduler.cache.gpu, *scheduler.cache.stores):
                tree.watch(cache)
    first, last, lost, hits = ([None] * len(inputs) for _ in range(4))
    before_s = [serving.before_queue_s(step_time, limits, n, k) for n, k in zip(inputs, cached, strict=True)]
    coming, now, sequences = [], 0.0, {}
    feed = feed_of(source, before_s, lambda item: insort(coming, item))
    feed.open()
    while coming or scheduler.busy or loads:
        while coming[:1] + loads[:1] and min(coming[:1] + loads[:1])[0] <= now:
            if loads and (not coming or loads[0][0] < coming[0][0]):
                scheduler.loaded(sequences[loads.pop(0)[1]])
                continue
            i = coming.pop(0)[1]
            if grow:
                prompt = tree.insert([names[i][j : j + size] for j in range(0, inputs[i] - size + 1, size)])
                leaf[i] = tree.insert([names[i][j : j + size] for j in range(0, len(names[i]) - size + 1, size)])
                tree.release(prompt)
            sequences[i] = Sequence(inputs[i], outputs[i], cached[i], i, leaf=leaf[i])
            scheduler.add(sequences[i])
        step = scheduler.schedule()
        if step is None:
            now = max(now, min(coming[:1] + loads[:1])[0])
            continue
        now += step.seconds(step_time)
        for s, tokens in sorted(scheduler.finish(step), key=lambda pair: pair[0].owner):
            if tokens and first[s.owner] is None:
                first[s.owner] = now
            if scheduler.complete(s):
                last[s.owner], lost[s.owner], hits[s.owner] = now, s.preempted, s.cached
                feed.ended(s.owner, now)
                if grow:
                    tree.release(s.leaf)
    assert scheduler.used == 0
    return first, last, lost, hits


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
