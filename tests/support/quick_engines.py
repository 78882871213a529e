"""An emulated engine with a prefix cache that computes almost at once."""

from __future__ import annotations

from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.steptime import AffineStepTime
from tests.support.emulators import emulated


def quick_engine():
    """An emulated engine with a prefix cache and a context of 40,960 tokens, whose steps take 10 µs and more."""
    limits = SchedulerLimits(max_num_seqs=64, max_batched_tokens=131_072, kv_blocks=1_000_000)
    step_time = AffineStepTime(1e-5, per_prompt_token_s=1e-8)
    return emulated(step_time=step_time, limits=limits, context=40_960, cache=CacheOptions())
