"""Speed and truth of load clients, side by side: `python benchmarks/client/run.py [--peers all]`.

The client's whole process tree runs on one core and the truth server (TTFT 50 ms, 20 ms per token, 128
tokens) on another; what a client reports is held against the server's own log of the same run. `bare` is
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
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Thread

import numpy as np
from peers import PEERS, install

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
from paretoken.bench.truth.server import Pace, Truth, read_truth, truth_server

HERE = Path(__file__).parent
CLIENT_CPU, SERVER_CPU = 0, 1
LIMIT_S = 300


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table for each client that can run it."""

    name: str
    users: int = 0
    rate: float = 0.0
    pace: Pace = field(default_factory=Pace)
    seconds: float = 10.0
    workers: int = 1
    neighbour: bool = False
    both_cores: bool = False


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
    """What one client said and cost in one case; errors are shares of the truth."""

    case: str
    client: str
    note: str = ""
    held: int | None = None
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


@dataclass(slots=True)
class Seen:
    """A command that ran: what it printed, and what its process tree cost."""

    code: int
    out: str
    started_ns: int
    cpu_s: float = 0.0
    memory_bytes: int = 0


def command(words: list[str], cpus: set[int], env: dict[str, str] | None = None) -> Seen:
    """Run on these CPUs; CPU time of the whole tree, and the largest proportional memory seen at 5 Hz."""
    with tempfile.TemporaryFile("w+") as out:
        started = time.time_ns()
        child = subprocess.Popen(
            ["taskset", "-c", ",".join(map(str, cpus)), *words],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | (env or {}),
            start_new_session=True,
        )
        most = [0]
        watch = Thread(target=_watch_memory, args=(child.pid, most), daemon=True)
        watch.start()
        deadline = time.monotonic() + LIMIT_S
        while True:
            pid, status, used = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                os.killpg(child.pid, 9)
            time.sleep(0.02)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return Seen(child.returncode, out.read(), started, used.ru_utime + used.ru_stime, most[0])


def _watch_memory(pid: int, most: list[int]) -> None:
    os.sched_setaffinity(0, {SERVER_CPU})
    while Path(f"/proc/{pid}").exists():
        most[0] = max(most[0], sum(_pss(p) for p in _tree(pid)))
        time.sleep(0.2)


def _tree(pid: int) -> list[int]:
    try:
        kids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(p for kid in kids for p in _tree(int(kid)))]


def _pss(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def ours(case: Case, url: str, folder: Path) -> tuple[Seen, dict | None]:
    """Our client on one case, and what it reported."""
    words = [sys.executable, str(HERE / "ours.py"), url, str(folder), "--seconds", str(case.seconds)]
    words += ["--rate", str(case.rate)] if case.rate else ["--users", str(case.users)]
    words += ["--workers", str(case.workers)]
    cpus = {CLIENT_CPU, SERVER_CPU} if case.both_cores else {CLIENT_CPU}
    seen = command(words, cpus, {"PYTHONPATH": str(HERE.parents[1] / "src")})
    if seen.code:
        return seen, None
    import polars as pl

    rows = pl.read_parquet(folder / "requests.parquet")
    ok = rows.filter(rows["status"] == "ok")
    ttft = (ok["first_ns"] - ok["due_ns"]).to_numpy() / 1e9
    gaps = np.concatenate([np.diff(t.to_numpy()) for t in ok["chunk_ns"]]) / 1e9
    after = ok["output_tokens"].to_numpy() - np.array([t[0] for t in ok["chunk_tokens"]])
    printed = json.loads(seen.out[seen.out.index("{") :])
    tokens = int(ok["output_tokens"].sum())
    sent = np.sort(rows["sent_ns"].to_numpy()) / 1e9
    due = np.sort(rows["due_ns"].to_numpy()) / 1e9
    wait, gap = np.diff(sent), np.diff(due)
    return seen, {
        "ttft_mean_s": ttft.mean(),
        "ttft_p99_s": np.quantile(ttft, 0.99),
        "itl_p50_s": np.quantile(gaps, 0.5),
        "itl_p99_s": np.quantile(gaps, 0.99),
        "tpot_mean_s": float(((ok["last_ns"] - ok["first_ns"]).to_numpy() / 1e9 / after).mean()),
        "tokens": tokens,
        "held": printed["held"],
        "load_cpu_s": printed["fidelity"]["cpu_s"],
        "note": f"{rows.height - ok.height} failed; " + ("limited" if printed["fidelity"]["client_limited"] else "ok"),
        "sent_rate": float((due[-1] - due[0]) / (sent[-1] - sent[0])) if case.rate else None,
        "gap_cv": float((wait.std() / wait.mean()) / (gap.std() / gap.mean())) if case.rate else None,
    }


def bare(case: Case, url: str, folder: Path) -> tuple[Seen, dict | None]:
    """The bare reference; closed loops on one core only."""
    port = url.split(":")[2].split("/")[0]
    seen = command([sys.executable, str(HERE / "bare.py"), port, str(case.users), str(case.seconds)], {CLIENT_CPU})
    return seen, json.loads(seen.out) if not seen.code else None


def measure(case: Case, client: str, run) -> Row:
    """One client on one case, held against the server's log."""
    row = Row(case.name, client)
    with tempfile.TemporaryDirectory() as place:
        folder, busy = Path(place), None
        with truth_server(case.pace, log=folder / "truth.log", cpu=SERVER_CPU) as server:
            if case.neighbour:
                busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
                os.sched_setaffinity(busy.pid, {CLIENT_CPU})
            try:
                seen, said = run(case, server.base_url, folder / "run")
            finally:
                if busy:
                    busy.kill()
                    busy.wait()
        truth = read_truth(folder / "truth.log")
    if said is None:
        row.note = "failed: " + " ".join(seen.out.split())[-200:]
        return row
    _fill(row, seen, said, truth, case.rate)
    return row


def _held(truth: Truth) -> int:
    """Most answers that the server was giving at once."""
    ends = truth.received_ns + ((truth.ttft_s + np.nan_to_num(truth.tpot_s) * (truth.tokens - 1)) * 1e9).astype(
        np.int64
    )
    when = np.concatenate([truth.received_ns, ends])
    step = np.concatenate([np.ones(len(ends), dtype=int), -np.ones(len(ends), dtype=int)])
    return int(np.cumsum(step[np.argsort(when, kind="stable")]).max())


def _fill(row: Row, seen: Seen, said: dict, truth: Truth, rate: float) -> None:
    def error(name: str, true: float) -> float | None:
        return float(said[name]) / true - 1 if said.get(name) else None

    tokens = said.get("tokens") or int(truth.tokens.sum())
    row.note, row.held, row.requests = said.get("note", ""), _held(truth), len(truth.tokens)
    gaps = np.diff(np.sort(truth.received_ns)) / 1e9
    if rate and len(gaps):
        row.seen_rate, row.seen_cv = 1 / gaps.mean() / rate, gaps.std() / gaps.mean()
    row.ttft_error = error("ttft_mean_s", truth.ttft_s.mean())
    row.ttft_p99_error = error("ttft_p99_s", np.quantile(truth.ttft_s, 0.99))
    row.itl_p50_error = error("itl_p50_s", np.quantile(truth.itl_s, 0.5))
    row.itl_p99_error = error("itl_p99_s", np.quantile(truth.itl_s, 0.99))
    row.tpot_error = error("tpot_mean_s", np.nanmean(truth.tpot_s))
    row.ttft_true_ms = float(truth.ttft_s.mean() * 1e3)
    row.cpu_s_per_mtok = seen.cpu_s / tokens * 1e6
    row.load_cpu_s_per_mtok = said["load_cpu_s"] / tokens * 1e6 if "load_cpu_s" in said else None
    row.memory_mb = seen.memory_bytes / 1e6
    row.first_request_s = (truth.received_ns.min() - seen.started_ns) / 1e9
    row.sent_rate, row.gap_cv = said.get("sent_rate"), said.get("gap_cv")


HEADS = (
    ("case", "case", "{}"),
    ("client", "client", "{}"),
    ("held", "held", "{}"),
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
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--peers", nargs="*", default=[], help=f"all, or some of {', '.join(PEERS)}")
    ask.add_argument("--cases", help="only the case of this name, or those whose names hold this text")
    ask.add_argument("--seconds", type=float, default=10.0)
    ask.add_argument("--json", type=Path, help="write the rows here too")
    told = ask.parse_args()
    names = list(PEERS) if told.peers == ["all"] else told.peers
    programs = {name: install(PEERS[name]) for name in names}
    os.sched_setaffinity(0, {SERVER_CPU})
    rows = []
    named = [c for c in CASES if c.name == told.cases]
    for case in named or (c for c in CASES if not told.cases or told.cases in c.name):
        case = Case(**{n: getattr(case, n) for n in Case.__slots__} | {"seconds": told.seconds})
        clients = {"paretoken": ours} | ({"bare": bare} if case.users and case.workers == 1 else {})
        plain = case.workers == 1 and case.pace.tokens_per_chunk == 1
        clients |= {name: PEERS[name].on(programs[name], command, CLIENT_CPU) for name in names if plain}
        for client, run in clients.items():
            if client == "bare" and case.pace.tokens_per_chunk > 1:
                continue
            rows.append(measure(case, client, run))
            print(table(rows[-1:]).splitlines()[-1], flush=True)
    print("\n" + table(rows))
    if told.json:
        told.json.write_text(json.dumps([asdict(r) for r in rows], indent=1))


if __name__ == "__main__":
    main()
