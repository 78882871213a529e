"""What a simulated request costs: `python benchmarks/simulation.py [--plot simulation.html] [--json]`.

CPU time of one core, median of five runs after one to warm up. The base case is 1k/1k (lengths uniform in 80-100 %
of it) and 128 users; each group of rows changes one thing: the number of requests, their tokens, the users, the room
in the KV cache (as a share of what all users need), and what the engine does beyond plain decoding. The name of
a disaggregated case has its numbers of workers; each worker is such an engine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.pools import Worker, WorkerPools, simulate_pools
from paretoken.predict.simulation.result import SimulationResult
from paretoken.predict.simulation.router import KvTransfer
from paretoken.predict.simulation.run import ServingOptions, simulate
from paretoken.predict.simulation.sources import RequestSource, closed_loop, poisson_loop
from paretoken.predict.steptime import AffineStepTime
from paretoken.report.plot_page import Plot, plot_page, table, tone

STEP = AffineStepTime(0.005, 0.00002, 1e-7, 0.00002, 1e-9)  # about a 70B model on one fast node
REQUESTS, USERS, TOKENS = 20_000, 128, 1024
RUNS = 5


@dataclass(frozen=True, slots=True)
class Case:
    """One run: `room` is the KV cache as a share of what `users` full sequences take."""

    group: str
    at: float
    requests: int = REQUESTS
    users: int = USERS
    isl: int = TOKENS
    osl: int = TOKENS
    room: float = 2.0
    serving: ServingOptions = ServingOptions()  # noqa: RUF009
    rate_s: float = 0.0
    workers: tuple[int, int] | None = None  # prefill and decode workers of a disaggregated server

    def run(self) -> dict[str, float]:
        """Seconds, events, decode steps and preemptions of one simulation; making the source is counted too."""
        blocks = max(int(self.room * self.users * (self.isl + self.osl) / 16), (self.isl + self.osl) // 16 + 1)
        limits = SchedulerLimits(max_num_seqs=1024, max_batched_tokens=8192, kv_blocks=blocks)
        start = time.process_time()
        if self.rate_s:
            source = poisson_loop(self.rate_s, self.requests, self.isl, self.osl, ratio=0.8)
        else:
            source = closed_loop(self.users, self.requests, self.isl, self.osl, ratio=0.8)
        run = simulate(STEP, limits, source, self.serving) if self.workers is None else self.pooled(limits, source)
        took = time.process_time() - start
        events = sum(len(e.segments) for e in run.engines)
        return {"seconds": took, "events": events, "steps": run.steps, "preemptions": run.preemptions}

    def pooled(self, limits: SchedulerLimits, source: RequestSource) -> SimulationResult:
        """The same engine as each worker of a disaggregated server."""
        prefill, decode = ([Worker(STEP, limits)] * n for n in self.workers or (1, 1))
        transfer = KvTransfer(latency_s=0.001, s_per_token=1e-6)
        return simulate_pools(WorkerPools(prefill=prefill, decode=decode, transfer=transfer), source, self.serving)


def cases() -> list[Case]:
    many = [Case("requests", n, requests=n) for n in (128, 256, 1000, 10_000, 100_000)]
    tokens = [Case("output tokens", n, osl=n) for n in (64, 256, 1024, 4096, 16_384)]
    tokens += [Case("input tokens", n, isl=n) for n in (64, 1024, 8192, 32_768)]
    users = [Case("users", n, users=n) for n in (1, 4, 16, 64, 128, 256, 1024)]
    room = [Case("KV room", x, room=x) for x in (2.0, 1.0, 0.8, 0.6, 0.4, 0.2)]
    kinds = {
        "prefix hits 0.5": ServingOptions(prefix_hit_rate=0.5),
        "speculation 2.5": ServingOptions(acceptance_length=2.5),
    }
    other = [Case(name, 0, serving=serving) for name, serving in kinds.items()]
    other += [Case(f"{p} prefill + {d} decode", 0, workers=(p, d)) for p, d in ((1, 1), (2, 2), (4, 1), (8, 8))]
    return [*many, *tokens, *users, *room, *other, Case("Poisson, 6/s", 0, rate_s=6.0)]


def measure(case: Case) -> dict[str, float]:
    """The case's row; `requests_s` is the median over the runs."""
    case.run()
    runs = [case.run() for _ in range(RUNS)]
    seconds = statistics.median(r["seconds"] for r in runs)
    row = {"group": case.group, "at": case.at, "requests": case.requests, "ms": seconds * 1e3}
    return row | {"requests_s": case.requests / seconds, **{k: runs[0][k] for k in ("events", "steps", "preemptions")}}


def plot(rows: list[dict], file: Path) -> None:
    """A figure for each group that has an axis."""
    groups = [g for g in dict.fromkeys(r["group"] for r in rows) if sum(r["group"] == g for r in rows) > 1]
    panels = [panel(group, [r for r in rows if r["group"] == group]) for group in groups]
    note = "1k/1k and 128 users by default; the dotted line is the aim."
    file.write_text(plot_page("Cost of a simulated request", panels, note), encoding="utf-8")


def panel(group: str, rows: list[dict]) -> Plot:
    """The simulated requests a second of the cases of a group."""
    at, speed = [r["at"] for r in rows], [r["requests_s"] for r in rows]
    log = group != "KV room" and min(at) > 0
    return {
        "title": group.capitalize(),
        "x": {"title": group, "log": log, "min": min(at) / 1.1, "max": max(at) * 1.1},
        "y": {"title": "simulated requests/s", "min": 0, "max": max(*speed, 50_000) * 1.08},
        "lines": [{"name": group, "color": tone(0), "points": list(zip(at, speed, strict=True))}],
        "marks": [
            {"x": x, "y": y, "color": tone(0), "about": {"title": f"{group} {x:g}", "rows": [f"{y:,.0f} requests/s"]}}
            for x, y in zip(at, speed, strict=True)
        ],
        "rules": [{"y": 50_000, "dash": "dotted"}],
        "table": table((group, "requests/s"), zip(at, speed, strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    for case in cases():
        rows.append(row := measure(case))
        if not options.json:
            print(
                f"{row['group']:20} {row['at']:9g} {row['requests']:8,} requests {row['ms']:9.1f} ms "
                f"{row['requests_s']:10,.0f} requests/s {row['events'] / row['requests']:6.2f} events each "
                f"{row['preemptions']:8,} preemptions"
            )
    if options.json:
        print(json.dumps(rows, indent=1))
    if options.plot:
        plot(rows, options.plot)


if __name__ == "__main__":
    main()
