"""The step-by-step scheduler keeps the rules that the simulation jumps over."""

from __future__ import annotations

import dataclasses
from bisect import insort

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.run import simulate
from paretoken.predict.simulation.scheduler import Scheduler, Sequence
from paretoken.predict.simulation.sources import ClosedLoop
from paretoken.predict.steptime import AffineStepTime
from tests.predict.test_simulation import STEP, cases
from tests.support.patience import examples


def replay(step_time, limits, source, serving):
    """(first, last, preempted) of every request served by the scheduler on a virtual clock."""
    scheduler = Scheduler(limits, serving.acceptance)
    inputs, outputs = source.input_tokens.tolist(), source.output_tokens.tolist()
    cached = [min(int(p * serving.prefix_hit_rate), p - 1) for p in inputs]
    closed = isinstance(source, ClosedLoop)
    first, last, lost = ([None] * len(inputs) for _ in range(3))
    begun = min(source.users, len(inputs)) if closed else len(inputs)
    before_s = [serving.before_queue_s(step_time, limits, n, k) for n, k in zip(inputs, cached, strict=True)]
    coming = sorted(((0.0 if closed else source.due_s[i]) + before_s[i], i) for i in range(begun))
    now = 0.0
    while coming or scheduler.busy:
        while coming and coming[0][0] <= now:
            i = coming.pop(0)[1]
            scheduler.add(Sequence(inputs[i], outputs[i], cached[i], i))
        step = scheduler.schedule()
        if step is None:
            now = coming[0][0]
            continue
        now += step.seconds(step_time)
        for s, tokens in sorted(scheduler.finish(step), key=lambda pair: pair[0].owner):
            if tokens and first[s.owner] is None:
                first[s.owner] = now
            if scheduler.complete(s):
                last[s.owner], lost[s.owner] = now, s.preempted
                if closed and begun < len(inputs):
                    insort(coming, (now + source.think_s + before_s[begun], begun))
                    begun += 1
    assert scheduler.used == 0
    return first, last, lost


@examples(20)
@given(cases())
def test_equals_the_simulation(case):
    step_time, limits, source, serving = case
    run = simulate(step_time, limits, source, serving)
    first, last, preempted = replay(step_time, limits, source, serving)
    np.testing.assert_allclose(run.first_s, first, rtol=1e-9)
    np.testing.assert_allclose(run.last_s, last, rtol=1e-9)
    assert run.preempted.tolist() == preempted


@examples(20)
@given(cases(), st.integers(1, 9))
def test_equals_the_simulation_with_slots_for_drafted_tokens(case, drafted):
    step_time, limits, source, serving = case
    limits = dataclasses.replace(limits, drafted_tokens=drafted, kv_blocks=limits.kv_blocks + drafted)
    run = simulate(step_time, limits, source, serving)
    first, last, preempted = replay(step_time, limits, source, serving)
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
