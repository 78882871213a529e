"""Whether a planned fleet does what the plan says: `python benchmarks/plan_emulated.py [--trace FILE] [--minutes 5]`.

`paretoken plan` sizes one deployment for a few minutes of traffic. One `paretoken emulate` for each replica serves on
loopback, and `paretoken bench --trace` replays the traffic against them. Every quantile is printed as planned,
as a replay of the simulated fleet has it, and as measured. Then the same with one replica less, which has to miss the
SLO. Exit 1 where a measured value lies outside the interval of the plan, the throughput differs by more than 10 %, the
emulated fleet differs from the simulated one by more than `CLOSE`, or the SLO is not met and missed as it should be.

`--layout 1xTP2+1xTP2` plans and emulates disaggregated replicas. TTFT needs a machine that sends and reads at once:
where others use it, `--realtime` keeps them off the cores while a token is due.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from paretoken.answers.plan.question import PlanQuestion
from paretoken.answers.plan.result import LimitOutcome, PlanRow
from paretoken.answers.plan.run import plan
from paretoken.answers.prediction import PredictionData
from paretoken.bench.run_folder import RunFolder
from paretoken.plan.candidate import FleetCandidate
from paretoken.plan.candidates import fleet_candidates
from paretoken.plan.latencies import Figures, Latencies
from paretoken.plan.replay import replay
from paretoken.plan.replica import mean_lengths, replica_of
from paretoken.plan.staffing import fixed
from paretoken.predict.deployment import Deployment
from paretoken.traffic.request import TrafficRequest, read_traffic
from paretoken.traffic.traffic import Traffic

METRICS, QUANTILES = ("ttft", "tpot", "e2e"), ("p50", "p95", "p99")
NO_LIMIT = "10000s"
"""The bound of a quantile that is only forecast."""
THROUGHPUT = 0.10
CLOSE = {"p50": 0.10, "p95": 0.15}
"""How far emulated may be from simulated: the same steps, but other choices between replicas that are equally busy, and
requests that a busy machine sends late. Those alone move a p99 of a thousand requests by 20 %."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a fleet did: latencies, output tokens per second from the first request to the last token, and how late the
    client sent, s at p50 and p95."""

    figures: Figures
    tok_s: float
    late_s: tuple[float, float] = (0.0, 0.0)


def cut(traffic: Traffic, minutes: float, keep: float) -> Traffic:
    """The first minutes of a traffic, of which a share of the requests is kept."""
    chosen = traffic.time_s < 60 * minutes
    chosen &= np.random.default_rng(0).uniform(0, 1, len(traffic)) < keep
    return traffic.take(chosen, with_prefixes=False)


def write_trace(traffic: Traffic, file: Path) -> None:
    """The requests as a trace that plan and bench read."""
    rows = zip(traffic.time_s.tolist(), traffic.input_tokens.tolist(), traffic.output_tokens.tolist(), strict=True)
    with file.open("w", encoding="utf-8") as lines:
        for time_s, inputs, outputs in rows:
            lines.write(json.dumps({"time_s": time_s, "input_tokens": inputs, "output_tokens": outputs}) + "\n")


def question_of(options: argparse.Namespace, log: Path) -> PlanQuestion:
    """The plan of one deployment, with all quantiles among its limits, so that it forecasts them."""
    stated = {limit.split("=")[0] for limit in options.slo.split(",")}
    others = [f"{m}_{q}={NO_LIMIT}" for m in METRICS for q in QUANTILES if f"{m}_{q}" not in stated]
    return PlanQuestion(
        log=log,
        model=options.model,
        slo=",".join([options.slo, *others]),
        accelerators=(options.accelerator,),
        engines=(options.engine,),
        precisions=(options.precision,),
        tp=options.tp,
        layouts=(options.layout,) if options.layout else (),
        spares=0,
    )


def candidate_of(question: PlanQuestion, traffic: Traffic, layout: str | None) -> FleetCandidate:
    """The deployment that the plan is about."""
    data = PredictionData.of(question)
    choices = question.choices(question.accelerators, data.catalog)
    lengths, limits = mean_lengths(traffic), question.limits()
    candidates, excluded = fleet_candidates(choices, lengths, limits, data.calibration, data.catalog)
    fitting = [c for c in candidates if isinstance(c.deployment, Deployment) == (layout is None)]
    if not fitting:
        sys.exit("; ".join(f"{x.name}: {x.reason}" for x in excluded))
    return fitting[0]


def simulated(candidate: FleetCandidate, traffic: Traffic, replicas: int) -> Served:
    """A replay of the simulated fleet."""
    run = replay(replica_of(candidate, traffic), traffic, fixed(replicas))
    seconds = run.run.last_s.max() - traffic.time_s.min()
    return Served(run.latencies().figures(), float(traffic.output_tokens.sum() / seconds))


@contextmanager
def emulator(options: argparse.Namespace, traffic: Traffic) -> Iterator[str]:
    """One replica on a free port: its URL."""
    lengths = mean_lengths(traffic)
    words = ["--accelerator", options.accelerator, "--model", options.model, "--precision", options.precision]
    words += ["--disaggregated", options.layout] if options.layout else ["--tp", str(options.tp)]
    words += ["--isl", str(lengths.isl), "--osl", str(lengths.osl), "--length-range-ratio", "1"]
    words += ["--realtime"] if options.realtime else []
    command = [sys.executable, "-m", "paretoken", "emulate", "--engine", options.engine, *words, "--port", "0"]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        lines = []
        for line in child.stderr:
            lines.append(line)
            if " at http" in line:
                break
        else:
            sys.exit("".join(lines))
        yield line.split(" at ")[1].split(",")[0]
    finally:
        child.terminate()
        child.wait()


def emulated(options: argparse.Namespace, traffic: Traffic, trace: Path, replicas: int) -> Served:
    """The trace replayed against one emulator for each replica."""
    with ExitStack() as stack:
        urls = [stack.enter_context(emulator(options, traffic)) for _ in range(replicas)]
        run = trace.parent / f"run-{replicas}"
        way = ["--arrivals", "trace", "--balance", "least_outstanding", "--until", f"{len(traffic)} requests"]
        command = [sys.executable, "-m", "paretoken", "bench", *urls, "--trace", str(trace), *way, "--out", str(run)]
        first = ["chrt", "-f", "1"] if options.realtime else []
        subprocess.run([*first, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    requests = RunFolder(run).levels()[0].requests()
    if unserved := requests.filter(pl.col("status") != "ok").height + len(traffic) - requests.height:
        sys.exit(f"{unserved} of {len(traffic):,} requests were not served")
    return measured(requests)


def measured(requests: pl.DataFrame) -> Served:
    """The figures of request records, as a simulation has them."""
    due, first, last = (requests[f"{name}_ns"].to_numpy() / 1e9 for name in ("due", "first", "last"))
    tokens = requests["output_tokens"].to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        tpot = np.where(tokens > 1, (last - first) / (tokens - 1), np.nan)
    latencies = Latencies(first - due, tpot, last - due)
    late = np.quantile(requests["sent_ns"].to_numpy() / 1e9 - due, [0.5, 0.95]).tolist()
    return Served(latencies.figures(), float(tokens.sum() / (last.max() - due.min())), tuple(late))


def compared(row: PlanRow, replayed: Served, real: Served) -> Iterator[str]:
    """Print every quantile; what is wrong, in words."""
    print(f"{'':10}{'planned':>9}  {'interval':19}{'replayed':>9}{'emulated':>10}{'off':>8}   milliseconds")
    for text, outcome in outcomes(row).items():
        metric, quantile = text.split("_")
        values = [x.figures[metric, quantile] for x in (replayed, real)]
        off = values[1] / values[0] - 1
        high = outcome.high if outcome.high is not None else inf
        interval = f"{1e3 * outcome.low:,.1f} – {1e3 * high:,.1f}"
        planned, before, now = (f"{1e3 * v:,.1f}" for v in (outcome.value, *values))
        print(f"{metric.upper()} {quantile:5}{planned:>9}  {interval:19}{before:>9}{now:>10}{off:>+8.1%}")
        if not outcome.low <= values[1] <= high:
            yield f"{text} of {now} ms lies outside its interval {interval} ms"
        if abs(off) > CLOSE.get(quantile, inf):
            yield f"{text} is {off:+.1%} off the replay"
    off = real.tok_s / replayed.tok_s - 1
    print(f"{'tok/s':10}{'':30}{replayed.tok_s:>9,.0f}{real.tok_s:>10,.0f}{off:>+8.1%}")
    print(f"requests are sent {1e3 * real.late_s[0]:.1f} ms late at p50, {1e3 * real.late_s[1]:.1f} at p95")
    if abs(off) > THROUGHPUT:
        yield f"throughput is {off:+.1%} off"


def outcomes(row: PlanRow) -> Mapping[str, LimitOutcome]:
    """The forecasts by metric and quantile, those of all metrics in order."""
    by_text = {limit.text.split("=")[0]: limit for limit in row.limits}
    return {name: by_text[name] for m in METRICS for q in QUANTILES if (name := f"{m}_{q}") in by_text}


def missed(real: Served, question: PlanQuestion) -> list[str]:
    """Limits that the measured fleet misses."""
    limits = ((limit, real.figures[limit.metric, limit.statistic]) for limit in question.limits())
    return [f"{limit.text} ({1e3 * value:,.1f} ms)" for limit, value in limits if value > limit.bound_s]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trace", type=Path, help="a log or trace, instead of a seeded mix")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--keep", type=float, default=1.0, help="share of the requests")
    parser.add_argument("--rate", default="5/s")
    parser.add_argument("--model", default="llama-3-70b")
    parser.add_argument("--accelerator", default="H100")
    parser.add_argument("--precision", default="fp8")
    parser.add_argument("--engine", default="vllm")
    parser.add_argument("--tp", type=int, default=2)
    parser.add_argument("--layout")
    parser.add_argument("--realtime", action="store_true", help="let emulators and client come first (Linux, root)")
    parser.add_argument("--slo", default="ttft_p95=1s,tpot_p95=40ms")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that emulators end too
    mix = {"rate": options.rate, "isl": "lognormal:1050:0.9", "osl": "lognormal:250:0.7", "burstiness": 0.5}
    source = {"log": options.trace} if options.trace else mix
    part = cut(read_traffic(TrafficRequest(**source)), options.minutes, options.keep)
    problems: list[str] = []
    with TemporaryDirectory() as place:
        trace = Path(place) / "trace.jsonl"
        write_trace(part, trace)
        question = question_of(options, trace)
        traffic = read_traffic(question)
        candidate = candidate_of(question, traffic, options.layout)
        rows = plan(question).rows
        row = next(r for r in rows if bool(r.pools) == bool(options.layout))
        load = f"{len(traffic):,} requests in {traffic.span_s:.0f} s of {part.source}"
        print(f"{row.name}, {load}: {row.replicas} replicas, P(SLO) {row.probability:.0%}, {options.slo}")
        replayed, real = (simulated(candidate, traffic, row.replicas), emulated(options, traffic, trace, row.replicas))
        problems += compared(row, replayed, real)
        problems += [f"the fleet misses {limit}" for limit in missed(real, question)]
        if row.replicas > 1:
            fewer = row.replicas - 1
            print(f"\nwith {fewer} instead of {row.replicas}")
            replayed, real = simulated(candidate, traffic, fewer), emulated(options, traffic, trace, fewer)
            list(compared(row, replayed, real))
            print("misses", ", ".join(missed(real, question)) or "nothing")
            if not missed(real, question):
                problems.append("one replica less meets the SLO too")
    print(f"\nload average {os.getloadavg()[0]:.1f}; {'; '.join(problems) or 'all as planned'}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
