"""What a plan costs: `python benchmarks/plan.py [--requests 200000] [--processes 2] [--json]`.

A made-up day of requests with wide lengths and a quiet night. First, requests per second of a whole replay, at three
sizes of the day; the cost of a request must stay the same. Then the ranking of 20 candidates, coarse and simulated:
load curve, the busiest hour checked by sampled replays, and the replicas of every hour.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

import numpy as np

from paretoken.errors import BadConfig
from paretoken.plan.candidate import FleetCandidate
from paretoken.plan.coarse import coarse_capacities
from paretoken.plan.hours import FleetSizer
from paretoken.plan.load_curve import load_curve
from paretoken.plan.parallel import map_all
from paretoken.plan.replay import replay
from paretoken.plan.replica import replica_of
from paretoken.plan.sample import traffic_sample
from paretoken.plan.sized import BUDGETS
from paretoken.plan.staffing import fixed
from paretoken.predict.deployment import Deployment
from paretoken.slo import parse_slos
from paretoken.traffic.traffic import Traffic

DAY_S = 86_400.0
LIMITS = "ttft_p90=1s,tpot_p90=50ms"


def day(requests: int, seed: int = 0) -> Traffic:
    """Requests of a day: few at 4 in the morning, ten times as many at 4 in the afternoon."""
    rng = np.random.default_rng(seed)
    times = rng.uniform(0, DAY_S, 3 * requests)
    kept = rng.uniform(0, 1, len(times)) < 0.55 - 0.45 * np.cos(2 * np.pi * (times / DAY_S - 1 / 6))
    return Traffic(
        time_s=np.sort(times[kept][:requests]),
        input_tokens=np.clip(rng.lognormal(np.log(1000), 1.1, requests), 1, 30_000).astype(np.int64),
        output_tokens=np.clip(rng.lognormal(np.log(200), 0.8, requests), 1, 4_000).astype(np.int64),
        session=np.full(requests, -1, dtype=np.int64),
        span_s=DAY_S,
        source="made up",
    )


def candidates() -> list[FleetCandidate]:
    """20 deployments of a dense model of 70B."""
    sizes = [
        (a, tp, e) for a in ("H100", "H200", "B200", "MI300X", "MI355X") for tp in (2, 4) for e in ("vllm", "sglang")
    ]
    return [
        FleetCandidate(Deployment(accelerator=a, model="llama-3-70b", precision="fp8", engine=e, tp=tp, gpus=tp))
        for a, tp, e in sizes
    ]


@dataclass(frozen=True, slots=True)
class Job:
    candidate: FleetCandidate
    traffic: Traffic


def rank(job: Job) -> tuple[int, int]:
    """Replicas, and requests simulated for the load curve; 0 replicas where nothing meets the limits."""
    slos, sample = parse_slos(LIMITS), traffic_sample(job.traffic)
    replica = replica_of(job.candidate, job.traffic)
    curve = load_curve(replica, sample, slos)
    sizer = FleetSizer(
        replica=replica, traffic=job.traffic, slos=slos, curve=curve, sample=sample, budget=BUDGETS["sampled hours"]
    )
    try:
        return sizer.size().replicas, curve.simulated
    except BadConfig:
        return 0, curve.simulated


def cpu_s() -> float:
    """CPU seconds of this process and of its child processes that ended."""
    return sum(u.ru_utime + u.ru_stime for u in map(getrusage, (RUSAGE_SELF, RUSAGE_CHILDREN)))


def timed(rows: list[dict], name: str, requests: int, work: Callable[[], object]) -> object:
    """Run and append a row: seconds of the clock and of the CPU, requests per CPU second."""
    start, before_s = time.perf_counter(), cpu_s()
    result = work()
    seconds, cpu = time.perf_counter() - start, cpu_s() - before_s
    rows.append({"name": name, "requests": requests, "seconds": seconds, "cpu_s": cpu, "requests_s": requests / cpu})
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows: list[dict] = []
    for part in (4, 2, 1):
        traffic = day(options.requests // part)
        replica, staffing = replica_of(candidates()[0], traffic), fixed(max(8 // part, 1))
        timed(rows, "whole replay", len(traffic), partial(replay, replica, traffic, staffing))
    traffic, slos = day(options.requests), parse_slos(LIMITS)
    timed(rows, "20 candidates, coarse", len(traffic), lambda: coarse_capacities(candidates(), traffic, slos))
    jobs = [Job(c, traffic) for c in candidates()]
    timed(rows, "20 candidates, simulated", len(traffic), lambda: map_all(rank, jobs, processes=options.processes))
    if options.json:
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            print(
                f"{row['name']:26} {row['requests']:9,} requests {row['seconds']:7.2f} s {row['cpu_s']:7.2f} CPU s "
                f"{row['requests_s']:11,.0f} requests/CPU s"
            )


if __name__ == "__main__":
    main()
