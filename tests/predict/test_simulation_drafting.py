"""Simulated speculative decoding: fewer steps, and what drafted tokens take of the cache and of a step."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import pytest

from paretoken.errors import BadConfig
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.run import ServingOptions, simulate
from paretoken.predict.simulation.sources import closed_loop
from paretoken.predict.steptime import AffineStepTime

STEP = AffineStepTime(0.00513, 0.000021, 1.3e-7, 0.0000217, 1.1e-9)
ROOMY = SchedulerLimits(max_num_seqs=256, max_batched_tokens=8192, kv_blocks=100_000)


def test_speculation_divides_the_steps():
    plain, three = (
        simulate(STEP, ROOMY, closed_loop(1, 1, 100, 301), ServingOptions(acceptance_length=x)) for x in (1.0, 3.0)
    )
    assert (plain.steps, three.steps) == (300, 100)
    times, tokens = three.token_times()[0]
    assert tokens.tolist() == [1] + [3] * 100 and times[-1] == three.last_s[0]


def test_drafted_tokens_take_slots_and_a_share_of_the_budget():
    """Of 10 blocks of 16, a prompt of 31 tokens takes 2, and with 8 drafted ones 3; a step of 64 feeds 64 / (1 + 8)."""
    limits = SchedulerLimits(max_num_seqs=64, max_batched_tokens=64, kv_blocks=10, drafted_tokens=8)
    assert (limits.blocks(31), dataclasses.replace(limits, drafted_tokens=0).blocks(31)) == (3, 2)
    assert limits.sequences() == 7
    assert limits.decode_tokens(3, Fraction(5, 2)) == 27
    source = closed_loop(8, 8, 24, 8)
    most = [
        max(e[4] for e in simulate(STEP, dataclasses.replace(limits, drafted_tokens=k), source).engines[0].segments)
        for k in (0, 8)
    ]
    assert most == [5, 3]


def test_a_request_needs_room_for_its_drafted_tokens():
    limits = SchedulerLimits(max_num_seqs=1, max_batched_tokens=64, kv_blocks=2, drafted_tokens=8)
    with pytest.raises(BadConfig, match="needs 39 tokens"):
        simulate(STEP, limits, closed_loop(1, 1, 24, 8))
    with pytest.raises(BadConfig, match="drafted_tokens is -1"):
        dataclasses.replace(limits, drafted_tokens=-1)
