"""Replicas that are queues of textbooks, and traffic to send to them."""

from __future__ import annotations

import numpy as np

from paretoken.plan.replica import Replica
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.pools import Worker, WorkerPools
from paretoken.predict.simulation.router import KvTransfer
from paretoken.predict.steptime import AffineStepTime, StepTime
from paretoken.traffic.traffic import Traffic
from tests.support.recorded_sessions import growing

STEP_S = 0.001
SERVER = AffineStepTime(0.005, 0.00005, 1e-7, 0.00002, 1e-9)


BY_HAND = AffineStepTime(per_step_s=0.02, per_prompt_token_s=1e-4)


def session_by_hand() -> tuple[list[tuple[int, int]], list[int], float]:
    """Three calls, their hits in whole blocks of 16, and their time alone on `BY_HAND`, with two tools of 2 s."""
    calls, hits = growing(3), [0, (1000 + 99) // 16 * 16, (1600 + 99) // 16 * 16]
    calls_s = sum(0.02 * outputs + 1e-4 * (inputs - hit) for (inputs, outputs), hit in zip(calls, hits, strict=True))
    return calls, hits, calls_s + 4.0


def slower(factor: float) -> StepTime:
    """`SERVER`, whose steps all take `factor` times as long."""
    return AffineStepTime(*(factor * getattr(SERVER, name) for name in SERVER.__slots__))


def limits(places: int = 64, kv_blocks: int = 10**9, **other) -> SchedulerLimits:
    return SchedulerLimits(max_num_seqs=places, max_batched_tokens=10**6, kv_blocks=kv_blocks, **other)


def queue(places: int, step: StepTime = AffineStepTime(STEP_S)) -> Replica:  # noqa: B008
    """`places` servers of one queue: a request of n output tokens is served for n steps, whoever else is."""
    return Replica(server=Worker(step, limits(places)))


def pooled() -> Replica:
    workers = [Worker(SERVER, limits())] * 2
    return Replica(server=WorkerPools(prefill=workers, decode=workers, transfer=KvTransfer(latency_s=0.001)))


def traffic(n: int, rate_s: float, seed: int = 0, *, outputs: np.ndarray | None = None, sessions: int = 0) -> Traffic:
    """Poisson arrivals with inputs of about 500 tokens, and outputs of about 100 where none are given."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.exponential(1 / rate_s, n))
    if outputs is None:
        outputs = np.ceil(rng.lognormal(4.3, 0.8, n))
    return Traffic(
        time_s=times,
        input_tokens=np.ceil(rng.lognormal(5.8, 0.9, n)).astype(np.int64),
        output_tokens=np.asarray(outputs, dtype=np.int64),
        session=rng.integers(0, sessions, n) if sessions else np.full(n, -1, dtype=np.int64),
        span_s=float(times[-1]) + 1.0,
        source="made up",
    )
