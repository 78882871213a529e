"""Speed and truth of load clients, side by side: `python benchmarks/client/run.py [--peers all]`.

The client's whole process tree runs on one core and the truth server (TTFT 50 ms, 20 ms per token, 128
tokens) on another; what a client reports is compared with the server's own log of the same run. `bare` is
the floor in Python (bare.py). Peers install from the package index, each into its own venv under the cache
folder; one that does not install or run is a row that says so.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from commands import CLIENT_CPU, SERVER_CPU, Case, Finished, run_command
from peers import PEERS, install

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
from paretoken.bench.truth.server import Pace, Truth, read_truth, truth_server

HERE = Path(__file__).parent


CASES = (
    Case("64 streams", 64),
    Case("256 streams", 256),
    Case("1,000 streams", 1000),
    Case("1,500 streams", 1500),
    Case("Poisson 300/s", rate=300.0),
    Case("256 streams, one tick", 256, pace=Pace(tick=True)),
    Case("256 streams, 4 tokens per chunk", 256, pace=Pace(tokens_per_chunk=4)),
    Case("256 streams, busy neighbour", 256, neighbour=True),
    Case("1,000 streams, 2 workers on 2 cores", 1000, workers=2, both_cores=True),
)


@dataclass(slots=True)
class Row:
    """What one client reported and cost in one case; errors are shares of the truth."""

    case: str
    client: str
    note: str = ""
    most_running: int | None = None
    requests: int | None = None
    ttft_error: float | None = None
    ttft_p99_error: float | None = None
    itl_p50_error: float | None = None
    itl_p99_error: float | None = None
    tpot_error: float | None = None
    ttft_true_ms: float | None = None
    cpu_s_per_mtok: float | None = None
    load_cpu_s_per_mtok: float | None = None
    memory_mb: float | None = None
    first_request_s: float | None = None
    seen_rate: float | None = None
    seen_cv: float | None = None
    sent_rate: float | None = None
    gap_cv: float | None = None


def ours(case: Case, url: str, folder: Path, checkout: Path = HERE.parents[1]) -> tuple[Finished, dict | None]:
    """The client of a checkout on one case, and what it reported."""
    program = checkout / "benchmarks" / "client" / "ours.py"
    words = [sys.executable, str(program), url, str(folder), "--seconds", str(case.seconds)]
    words += ["--rate", str(case.rate)] if case.rate else ["--users", str(case.users)]
    words += ["--workers", str(case.workers)]
    cpus = {CLIENT_CPU, SERVER_CPU} if case.both_cores else {CLIENT_CPU}
    finished = run_command(words, cpus, {"PYTHONPATH": str(checkout / "src")})
    if finished.code:
        return finished, None
    import polars as pl

    rows = pl.read_parquet(folder / "requests.parquet")
    ok = rows.filter(rows["status"] == "ok")
    ttft = (ok["first_ns"] - ok["due_ns"]).to_numpy() / 1e9
    gaps = np.concatenate([np.diff(t.to_numpy()) for t in ok["chunk_ns"]]) / 1e9
    after = ok["output_tokens"].to_numpy() - np.array([t[0] for t in ok["chunk_tokens"]])
    printed = json.loads(finished.out[finished.out.index("{") :])
    tokens = int(ok["output_tokens"].sum())
    sent = np.sort(rows["sent_ns"].to_numpy()) / 1e9
    due = np.sort(rows["due_ns"].to_numpy()) / 1e9
    wait, gap = np.diff(sent), np.diff(due)
    return finished, {
        "ttft_mean_s": ttft.mean(),
        "ttft_p99_s": np.quantile(ttft, 0.99),
        "itl_p50_s": np.quantile(gaps, 0.5),
        "itl_p99_s": np.quantile(gaps, 0.99),
        "tpot_mean_s": float(((ok["last_ns"] - ok["first_ns"]).to_numpy() / 1e9 / after).mean()),
        "tokens": tokens,
        "load_cpu_s": printed["fidelity"]["cpu_s"],
        "note": f"{rows.height - ok.height} failed; " + ("limited" if printed["fidelity"]["client_limited"] else "ok"),
        "sent_rate": float((due[-1] - due[0]) / (sent[-1] - sent[0])) if case.rate else None,
        "gap_cv": float((wait.std() / wait.mean()) / (gap.std() / gap.mean())) if case.rate else None,
    }


def bare(case: Case, url: str, folder: Path) -> tuple[Finished, dict | None]:
    """The bare reference; closed loops on one core only."""
    port = url.split(":")[2].split("/")[0]
    finished = run_command(
        [sys.executable, str(HERE / "bare.py"), port, str(case.users), str(case.seconds)], {CLIENT_CPU}
    )
    return finished, json.loads(finished.out) if not finished.code else None


def measure(case: Case, client: str, run) -> Row:
    """One client on one case, compared with the server's log."""
    row = Row(case.name, client)
    with tempfile.TemporaryDirectory() as place:
        folder, busy = Path(place), None
        with truth_server(case.pace, log=folder / "truth.log", cpu=SERVER_CPU) as server:
            if case.neighbour:
                busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
                os.sched_setaffinity(busy.pid, {CLIENT_CPU})
            try:
                finished, reported = run(case, server.base_url, folder / "run")
            finally:
                if busy:
                    busy.kill()
                    busy.wait()
        truth = read_truth(folder / "truth.log")
    if reported is None:
        row.note = "failed: " + " ".join(finished.out.split())[-200:]
        return row
    _fill(row, finished, reported, truth, case.rate)
    return row


def _most_running(truth: Truth) -> int:
    """Most answers that the server was giving at once."""
    ends = truth.received_ns + ((truth.ttft_s + np.nan_to_num(truth.tpot_s) * (truth.tokens - 1)) * 1e9).astype(
        np.int64
    )
    when = np.concatenate([truth.received_ns, ends])
    step = np.concatenate([np.ones(len(ends), dtype=int), -np.ones(len(ends), dtype=int)])
    return int(np.cumsum(step[np.argsort(when, kind="stable")]).max())


def _fill(row: Row, finished: Finished, reported: dict, truth: Truth, rate: float) -> None:
    def error(name: str, true: float) -> float | None:
        return float(reported[name]) / true - 1 if reported.get(name) else None

    tokens = reported.get("tokens") or int(truth.tokens.sum())
    row.note, row.most_running, row.requests = reported.get("note", ""), _most_running(truth), len(truth.tokens)
    gaps = np.diff(np.sort(truth.received_ns)) / 1e9
    if rate and len(gaps):
        row.seen_rate, row.seen_cv = 1 / gaps.mean() / rate, gaps.std() / gaps.mean()
    row.ttft_error = error("ttft_mean_s", truth.ttft_s.mean())
    row.ttft_p99_error = error("ttft_p99_s", np.quantile(truth.ttft_s, 0.99))
    row.itl_p50_error = error("itl_p50_s", np.quantile(truth.itl_s, 0.5))
    row.itl_p99_error = error("itl_p99_s", np.quantile(truth.itl_s, 0.99))
    row.tpot_error = error("tpot_mean_s", np.nanmean(truth.tpot_s))
    row.ttft_true_ms = float(truth.ttft_s.mean() * 1e3)
    row.cpu_s_per_mtok = finished.cpu_s / tokens * 1e6
    row.load_cpu_s_per_mtok = reported["load_cpu_s"] / tokens * 1e6 if "load_cpu_s" in reported else None
    row.memory_mb = finished.memory_bytes / 1e6
    row.first_request_s = (truth.received_ns.min() - finished.started_ns) / 1e9
    row.sent_rate, row.gap_cv = reported.get("sent_rate"), reported.get("gap_cv")


HEADS = (
    ("case", "case", "{}"),
    ("client", "client", "{}"),
    ("at once", "most_running", "{}"),
    ("TTFT", "ttft_error", "{:+.2%}"),
    ("TTFT p99", "ttft_p99_error", "{:+.2%}"),
    ("ITL p50", "itl_p50_error", "{:+.2%}"),
    ("ITL p99", "itl_p99_error", "{:+.2%}"),
    ("TPOT", "tpot_error", "{:+.3%}"),
    ("true TTFT ms", "ttft_true_ms", "{:.2f}"),
    ("CPU-s/M tok", "cpu_s_per_mtok", "{:.1f}"),
    ("of it load", "load_cpu_s_per_mtok", "{:.1f}"),
    ("MB", "memory_mb", "{:.0f}"),
    ("first request s", "first_request_s", "{:.2f}"),
    ("arrived/asked rate", "seen_rate", "{:.3f}"),
    ("CV of arrivals", "seen_cv", "{:.3f}"),
    ("sent/due rate", "sent_rate", "{:.4f}"),
    ("sent/due CV", "gap_cv", "{:.3f}"),
    ("note", "note", "{}"),
)


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| " + " | ".join(h for h, _, _ in HEADS) + " |", "|" + "---|" * len(HEADS)]
    for row in rows:
        values = [(getattr(row, name), form) for _, name, form in HEADS]
        lines.append("| " + " | ".join("–" if v is None else f.format(v) for v, f in values) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", nargs="*", default=[], help=f"all, or some of {', '.join(PEERS)}")
    parser.add_argument("--cases", help="only the case of this name, or those whose names hold this text")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", type=Path, help="write the rows here too")
    parser.add_argument("--before", type=Path, help="a checkout whose client is measured too, before ours in each case")
    parser.add_argument("--repeat", type=int, default=1, help="how often each case is run")
    options = parser.parse_args()
    names = list(PEERS) if options.peers == ["all"] else options.peers
    programs = {name: install(PEERS[name]) for name in names}
    os.sched_setaffinity(0, {SERVER_CPU})
    rows = []
    named = [c for c in CASES if c.name == options.cases]
    chosen = named or [c for c in CASES if not options.cases or options.cases in c.name]
    for case in (case for case in chosen for _ in range(options.repeat)):
        case = replace(case, seconds=options.seconds)
        before = {"before": partial(ours, checkout=options.before.resolve())} if options.before else {}
        clients = before | {"paretoken": ours} | ({"bare": bare} if case.users and case.workers == 1 else {})
        plain = case.workers == 1 and case.pace.tokens_per_chunk == 1
        clients |= {name: PEERS[name].on(programs[name]) for name in names if plain}
        for client, run in clients.items():
            if client == "bare" and case.pace.tokens_per_chunk > 1:
                continue
            rows.append(measure(case, client, run))
            print(table(rows[-1:]).splitlines()[-1], flush=True)
    print("\n" + table(rows))
    if options.json:
        options.json.write_text(json.dumps([asdict(r) for r in rows], indent=1))


if __name__ == "__main__":
    main()
