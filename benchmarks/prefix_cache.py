"""The cost of simulating a prefix cache: `python benchmarks/prefix_cache.py [--million]`.

Prints the CPU time of building the source and of the run on one core, and the peak memory. Each case runs in its own
process. `blocks`: prompts of 24 blocks of 512 tokens, the first half of which is one of 5,000 documents drawn from a
Zipf distribution, with blocks of the size in the traces of Mooncake. `sessions`: tasks of 30 calls, each of which
continues the one before. `--million` runs a million requests instead of 50,000.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import numpy as np

from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.run import simulate
from paretoken.predict.simulation.sources import OpenLoop, RequestSource, session_load
from paretoken.predict.steptime import AffineStepTime
from paretoken.sessions.graph import Call, Session, Step
from paretoken.sessions.prefixes import tree_of_blocks

STEP = AffineStepTime(0.005, 0.00002, 1e-8, 0.00001, 1e-10)
BLOCK, BLOCKS, DOCUMENTS, CALLS = 512, 24, 5_000, 30
USERS = 64


def blocks(requests: int) -> RequestSource:
    """Questions about documents, at a rate that keeps the engine about 80 % busy."""
    rng = np.random.default_rng(0)
    document = np.minimum(rng.zipf(1.2, requests), DOCUMENTS)
    ids = np.empty((requests, BLOCKS), np.int64)
    ids[:, : BLOCKS // 2] = document[:, None] * BLOCKS + np.arange(BLOCKS // 2)
    ids[:, BLOCKS // 2 :] = (DOCUMENTS + 1) * BLOCKS + np.arange(requests * BLOCKS // 2).reshape(requests, -1)
    inputs = BLOCKS * BLOCK - rng.integers(0, BLOCK, requests)
    outputs = rng.integers(50, 350, requests)
    due_s = np.cumsum(rng.exponential(0.12, requests))
    return OpenLoop(due_s, inputs, outputs, prefixes=tree_of_blocks(ids, BLOCK, inputs, outputs))


def sessions(requests: int) -> RequestSource:
    """Tasks that share a system prompt; each call brings the result of a tool."""
    rng = np.random.default_rng(0)
    tasks = []
    for k in range(requests // CALLS):
        length, steps = 8_000, []
        for i, (more, answer) in enumerate(rng.integers(50, 1_000, (CALLS, 2)).tolist()):
            length += more
            call = Call(
                input_tokens=length,
                output_tokens=answer,
                continues=i - 1,
                opening="" if i else "system",
                opening_tokens=0 if i else 8_000,
            )
            steps.append(Step(after=(i - 1,) if i else (), wait_s=1.0, call=call))
            length += answer
        tasks.append(Session(name=str(k), steps=tuple(steps)))
    return session_load(tasks, users=USERS)


def run(name: str, requests: int) -> None:
    """Print the row of a case."""
    start = time.process_time()
    source = {"blocks": blocks, "sessions": sessions}[name](requests)
    built = time.process_time()
    limits = SchedulerLimits(max_num_seqs=256, max_batched_tokens=8192, kv_blocks=100_000)
    result = simulate(STEP, limits, source, cache=CacheOptions())
    ended = time.process_time()
    hits = result.cached_tokens.sum() / result.input_tokens.sum()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name:10} {requests:10,} requests   source {built - start:6.1f} s   run {ended - built:6.1f} s   "
        f"peak {peak:7,.0f} MiB   hits {hits:6.1%}   evicted {result.evicted_tokens:16,} tokens   "
        f"{result.preemptions:,} preemptions   {len(result.engines[0].segments) / requests:.2f} events each"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--case", choices=["blocks", "sessions"])
    parser.add_argument("--requests", type=int)
    options = parser.parse_args()
    requests = options.requests or (1_000_000 if options.million else 50_000)
    if options.case:
        run(options.case, requests)
        return
    for case in ("blocks", "sessions"):
        subprocess.run([sys.executable, __file__, "--case", case, "--requests", str(requests)], check=True)


if __name__ == "__main__":
    main()
