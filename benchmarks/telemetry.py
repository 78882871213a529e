"""What telemetry costs: `python -m benchmarks.telemetry [--rounds 3] [--users 64] [--seconds 5] [--spans 20000]`.

First, one level of many requests is exported to a receiver that takes everything: spans per second, and CPU time of a
span. Then the load client runs against the server of known pace, plain, with `--metrics-port` (collected every second),
with `--otel`, and with both. Each run has two levels; the second, beside which the first is exported, counts. Ratios
are to the plain run of the same round, their median over the rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import polars as pl
from tests.support.span_sources import chat_source

from paretoken.bench.run_folder import REQUESTS, RunFolder
from paretoken.bench.telemetry.otel_watch import OtelWatch
from paretoken.bench.truth.server import Pace, truth_server

FIGURES = ("output tok/s", "TTFT p50 ms", "TPOT p50 ms", "read lag p99 ms", "CPU s of the client")
PORT = 19_464
VARIANTS = {
    "plain": (),
    "metrics": ("--metrics-port", str(PORT)),
    "otel": ("--otel",),
    "both": ("--metrics-port", str(PORT), "--otel"),
}


@contextmanager
def receiver() -> Iterator[str]:
    """A collector that takes everything, in a process of its own; its URL."""
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.telemetry", "--receive"], stdout=subprocess.PIPE, text=True
    )
    try:
        yield child.stdout.readline().strip()
    finally:
        child.terminate()
        child.wait()


def receive() -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


@contextmanager
def collecting(on: bool) -> Iterator[list[float]]:
    """Ask for the metrics every second, as Prometheus does; how long each answer took, s."""
    took: list[float] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.wait(1.0):
            began = time.monotonic()
            with suppress(OSError), urlopen(f"http://127.0.0.1:{PORT}/metrics", timeout=10) as answer:
                answer.read()
                took.append(time.monotonic() - began)

    thread = threading.Thread(target=ask)
    if on:
        thread.start()
    try:
        yield took
    finally:
        ended.set()
        if on:
            thread.join()


def figures(folder: Path) -> dict[str, float]:
    s = RunFolder(folder).levels()[1].summary
    latency, client = s.latency, s.fidelity
    values = (s.throughput.window.output_tok_s, latency.ttft_s.p50 * 1e3, latency.tpot_s.p50 * 1e3)
    return dict(zip(FIGURES, (*values, client.loop_lag_p99_s * 1e3, client.cpu_s), strict=True))


def one_run(url: str, variant: str, collector: str, args: argparse.Namespace) -> tuple[dict[str, float], list[float]]:
    with tempfile.TemporaryDirectory() as place:
        options = [f"--otel={collector}" if word == "--otel" else word for word in VARIANTS[variant]]
        line = f"bench {url} --prompt-unit words --isl 64 --osl 64 --concurrency {args.users} --repeat 2"
        command = [
            sys.executable,
            "-m",
            "paretoken",
            *line.split(),
            "--until",
            f"{args.seconds}s",
            "--out",
            f"{place}/run",
        ]
        with collecting("metrics" in variant or variant == "both") as took:
            done = subprocess.run([*command, *options], capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        return figures(Path(place) / "run"), took


def compare(args: argparse.Namespace) -> None:
    ratios: dict[tuple[str, str], list[float]] = {}
    plain: list[dict[str, float]] = []
    pages: list[float] = []
    with (
        tempfile.TemporaryDirectory() as log,
        receiver() as collector,
        truth_server(Pace(ttft_ms=20, itl_ms=10), log=Path(log) / "log") as server,
    ):
        for round_ in range(args.rounds):
            of = {}
            for variant in list(VARIANTS)[:: 1 if round_ % 2 == 0 else -1]:
                of[variant], took = one_run(server.base_url, variant, collector, args)
                pages += took
            plain.append(of["plain"])
            for variant in VARIANTS:
                for name in FIGURES:
                    ratios.setdefault((variant, name), []).append(of[variant][name] / of["plain"][name])
    print(f"{args.users} users, {args.seconds} s, {args.rounds} rounds; medians")
    for name in FIGURES:
        row = "  ".join(f"{v} {statistics.median(ratios[v, name]):.3f}" for v in VARIANTS if v != "plain")
        print(f"{name:>22}: plain {statistics.median(p[name] for p in plain):,.2f}   ratios: {row}")
    if pages:
        print(
            f"{'a page of /metrics':>22}: median {statistics.median(pages) * 1e3:.1f} ms, "
            f"longest {max(pages) * 1e3:.1f} ms"
        )


def export(requests: int) -> None:
    """Export one level that repeats the requests of a short run."""
    with tempfile.TemporaryDirectory() as place, receiver() as collector:
        with truth_server(Pace(ttft_ms=2, itl_ms=1), log=Path(place) / "log") as server:
            line = f"bench {server.base_url} --prompt-unit words --isl 8 --osl 64 --concurrency 4 --until 200requests"
            command = [sys.executable, "-m", "paretoken", *line.split(), "--out", f"{place}/run"]
            subprocess.run(command, check=True, capture_output=True)
        (level,) = RunFolder(Path(place) / "run").levels()
        rows = level.requests()
        many = pl.concat([rows] * -(-requests // rows.height)).head(requests)
        many.write_parquet(level.folder / REQUESTS, row_group_size=1024)
        with OtelWatch(chat_source(collector), finish_s=600) as watch:
            watch.begins(1, None, None, None)
            watch.ends(level)
    report = watch.report
    print(
        f"{report.spans:,} spans in {report.seconds:.1f} s: {report.spans / report.seconds:,.0f} spans/s, "
        f"{report.cpu_s / report.spans * 1e6:.0f} µs of CPU time each, start included; {json.dumps(report.problem)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--users", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--spans", type=int, default=20_000)
    parser.add_argument("--receive", action="store_true", help="be the receiver")
    args = parser.parse_args()
    if args.receive:
        receive()
        return
    export(args.spans)
    compare(args)


if __name__ == "__main__":
    main()
