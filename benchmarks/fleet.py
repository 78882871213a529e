"""How many streams a client core carries, what a run writes, what merging costs, and how sweeps spread over cores.

    python benchmarks/fleet.py [--json]

The truth server runs beside the client, so on two cores each has one. CPU seconds are the process's own, so a busy
machine changes them little; the wall times of merging and spreading need a quiet one.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from paretoken.bench.client.run import run_level
from paretoken.bench.fleet.clock import ClockOffset
from paretoken.bench.fleet.merge import SentShare, merge
from paretoken.bench.fleet.share import Share
from paretoken.bench.fleet.spread import spread
from paretoken.bench.plan import Closed, Prepared, Stop
from paretoken.bench.stats.summary import LevelContext, summarise
from paretoken.bench.truth.server import Pace, truth_server

TOKENS = 128


class Prompts:
    """The same small request, endlessly."""

    def requests(self, worker, workers):
        request = {
            "model": "truth",
            "prompt": "one two three four",
            "max_tokens": TOKENS,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        body = json.dumps(request, separators=(",", ":")).encode()
        while True:
            yield Prepared(body, 4, TOKENS)


def client(users: int, seconds: float) -> dict:
    """One client process at this many streams."""
    with tempfile.TemporaryDirectory() as place, truth_server(Pace(), log=Path(place) / "log") as server:
        folder = Path(place) / "level"
        stop = Stop(seconds=seconds, warmup_requests=users, drain_s=30)
        result = run_level([server.endpoint], "completions", Prompts(), Closed(users), stop, folder=folder)
        tally = json.loads(next(folder.glob("*.worker.json")).read_text())
        journal = sum(p.stat().st_size for p in folder.glob("*.journal"))
        result.requests.write_parquet(Path(place) / "r.parquet", compression="zstd")
        table = (Path(place) / "r.parquet").stat().st_size
    tokens = int(result.requests["output_tokens"].clip(0).sum())
    return {
        "streams": users,
        "tokens": tokens,
        "tok_s": tokens / result.elapsed_s,
        "client_cpu_s_per_mtok": tally["cpu_s"] / tokens * 1e6,
        "tok_s_per_core": tokens / tally["cpu_s"],
        "reads_per_token": tally["token_reads"] / tokens,
        "client_mb": tally["rss_bytes"] / 1e6,
        "journal_bytes_per_token": journal / tokens,
        "table_bytes_per_token": table / tokens,
        "ttft_p50_ms": float(np.median(result.requests["first_ns"] - result.requests["sent_ns"])) / 1e6,
    }


def merging(requests: pl.DataFrame, nodes: int) -> dict:
    """The records of this many nodes, merged and summarised."""
    about = {"t0_unix_s": 1e9, "sending_s": 1.0, "elapsed_s": 1.0, "steal": 0.0, "lost": 0, "tallies": []}
    sent = [SentShare(Share(n, nodes, 1), requests, about, ClockOffset(0.0, 1e-4)) for n in range(nodes)]
    tokens = nodes * int(requests["output_tokens"].clip(0).sum())
    began, cpu = time.perf_counter(), time.process_time()
    whole = merge(sent, Closed(nodes * (int(requests["user"].max()) + 1)))
    merged, merged_cpu = time.perf_counter() - began, time.process_time() - cpu
    began, cpu = time.perf_counter(), time.process_time()
    summarise(whole.requests, Closed(nodes), LevelContext(columns={"isl": 16, "osl": TOKENS}))
    summed, summed_cpu = time.perf_counter() - began, time.process_time() - cpu
    return {
        "nodes": nodes,
        "requests": whole.requests.height,
        "mtok": tokens / 1e6,
        "merge_s": merged,
        "merge_cpu_s": merged_cpu,
        "summary_s": summed,
        "summary_cpu_s": summed_cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "table_mb": whole.requests.estimated_size("mb"),
    }


def work(seed: int) -> float:
    """About half a second of one core: a bootstrap, as a sweep's evaluation would be."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=4_000)
    return float(np.mean([np.quantile(values[rng.integers(4_000, size=4_000)], 0.99) for _ in range(3_000)]))


def spreading(count: int = 40) -> dict:
    """The same sweep in one process and in two, their start included."""
    took = {}
    for workers in (1, 2):
        began = time.perf_counter()
        spread(work, list(range(count)), workers=workers)
        took[workers] = time.perf_counter() - began
    return {"one_s": took[1], "two_s": took[2], "speed_up": took[1] / took[2]}


def main() -> None:
    results = {"client": [client(n, 10) for n in (64, 256, 1000)]}
    with tempfile.TemporaryDirectory() as place, truth_server(Pace(), log=Path(place) / "log") as server:
        level = run_level(
            [server.endpoint],
            "completions",
            Prompts(),
            Closed(500),
            Stop(seconds=8, drain_s=30),
            folder=Path(place) / "level",
        )
        results["merge"] = [merging(level.requests, n) for n in (1, 4, 16, 64)]
    results["spread"] = spreading()
    print(json.dumps(results, indent=None if "--json" in sys.argv else 2))


if __name__ == "__main__":
    main()
