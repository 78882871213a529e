"""Prefix-cache hits and times by routing policy: `python benchmarks/replicas.py`.

Sessions whose calls continue each other, 16 users for each replica, a cache of 960,000 tokens in each.
"""

from __future__ import annotations

import time

import numpy as np

from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.pools import Worker
from paretoken.predict.simulation.replicas import simulate_replicas
from paretoken.predict.simulation.router import ROUTING
from paretoken.predict.simulation.sources import session_load
from paretoken.predict.steptime import AffineStepTime
from paretoken.sessions.graph import Call, Session, Step

STEP = AffineStepTime(0.005, 2e-5, 1e-7, 2e-5)
LIMITS = SchedulerLimits(max_num_seqs=256, max_batched_tokens=8192, kv_blocks=60_000)
SESSIONS, USERS = 1000, 16


def task(rng: np.random.Generator) -> Session:
    """A session of 5 to 39 calls with one system prompt of 1,500 tokens and tools of 2 s on average."""
    steps: list[Step] = []
    prompt = int(rng.integers(2000, 6000))
    for i in range(int(rng.integers(5, 40))):
        output = int(rng.integers(50, 400))
        call = Call(input_tokens=prompt, output_tokens=output, opening="system", opening_tokens=1500)
        if i:
            call = Call(input_tokens=prompt, output_tokens=output, continues=i - 1)
        steps.append(Step(after=(i - 1,) if i else (), wait_s=float(rng.exponential(2)), call=call))
        prompt += output + int(rng.integers(100, 2000))
    return Session(name="task", steps=tuple(steps))


def main() -> None:
    rng = np.random.default_rng(1)
    tasks = [task(rng) for _ in range(SESSIONS)]
    for replicas in (1, 4, 8):
        source = session_load(tasks, users=USERS * replicas)
        for routing in ROUTING:
            begun_s = time.process_time()
            run = simulate_replicas([Worker(STEP, LIMITS)] * replicas, source, cache=CacheOptions(), routing=routing)
            took_s = time.process_time() - begun_s
            hits, n = run.cached_tokens.sum() / run.input_tokens.sum(), len(run.due_s)
            print(
                f"{replicas} replicas, {routing}: {n:,} calls, hits {hits:.1%}, TTFT p50 "
                f"{np.median(run.ttft_s) * 1e3:.0f} ms, done in {run.last_s.max():,.0f} s, "
                f"{n / took_s:,.0f} calls a CPU-second"
            )


if __name__ == "__main__":
    main()
