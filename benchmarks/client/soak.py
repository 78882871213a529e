"""Whether the client stays as it is for an hour: `python benchmarks/client/soak.py [--minutes 60] [--streams 256]`.

One `paretoken bench` loads the truth server (TTFT 50 ms, a token every 20 ms), another one a llama.cpp server with a
small random model, each level by level of equal length. Every 5 s the resident memory and the open files of each
process are read. Exit code 1 if memory or open files of the client grew from the first third of the levels to the
last, a request failed, a level's mean TTFT or ITL is off the truth server's own log by more than 1 %, or llama.cpp
counted other tokens than the client. The first level is warm-up. `--server` chooses one of the two. The log of an hour
at 256 streams takes 0.6 GB.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import numpy as np

from paretoken.bench.truth.server import Truth, read_truth, truth_server

EVERY_S = 5.0
GROWTH = 0.05
"""Growth of resident memory, from the first third of the levels to the last, that counts as flat; and 8 MB."""
ACCURACY = 0.01


class Watch:
    """Samples (time, resident bytes, open files) of the processes below some, by their role."""

    def __init__(self, roots: dict[str, int]) -> None:
        self.roots, self.samples = roots, defaultdict[str, list[tuple[float, int, int]]](list)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(EVERY_S):
            for role, root in self.roots.items():
                for depth, pid in below(root):
                    try:
                        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                        files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
                    except OSError:
                        continue
                    name = role if not depth else f"{role} worker"
                    self.samples[name].append((time.time(), pages * 4096, files))


def below(root: int, depth: int = 0) -> Iterator[tuple[int, int]]:
    """A process and all that it started, with how far below it they are."""
    yield depth, root
    try:
        children = Path(f"/proc/{root}/task/{root}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from below(int(child), depth + 1)


@contextmanager
def truth(log: Path) -> Iterator[tuple[str, int, list[str]]]:
    """URL and process id of a truth server, and the options that it needs."""
    with truth_server(log=log) as server:
        yield server.base_url, server.pid, ["--model", "truth", "--prompt-unit", "words", "--isl", "16", "--osl", "128"]


@contextmanager
def llamacpp(log: Path) -> Iterator[tuple[str, int, list[str]]]:
    """The same of a llama.cpp server that yields to everything else on the machine."""
    import os

    from paretoken.engines.embedded.engine import EmbeddedEngine

    with EmbeddedEngine(slots=32, context=256, threads=1) as engine:
        for task in Path(f"/proc/{engine.pid}/task").iterdir():
            os.sched_setscheduler(int(task.name), os.SCHED_IDLE, os.sched_param(0))
        yield engine.base_url, engine.pid, ["--tokenizer", str(engine.tokenizer), "--isl", "16", "--osl", "32"]


def predicted_tokens(url: str) -> float | None:
    """Tokens that a llama.cpp server counted, None of another."""
    try:
        with urlopen(f"{url.removesuffix('/v1')}/metrics", timeout=30) as page:
            counter = re.search(rb"^llamacpp:tokens_predicted_total (\S+)", page.read(), re.MULTILINE)
    except OSError:
        return None
    return float(counter[1]) if counter else None


def soak(name: str, seconds: float, levels: int, streams: int) -> list[str]:
    """What was not flat or not right."""
    with tempfile.TemporaryDirectory() as folder, SERVERS[name](log := Path(folder) / "truth.log") as (url, pid, needs):
        before = predicted_tokens(url)
        out = Path(folder) / "run"
        command = [sys.executable, "-m", "paretoken", "bench", url, *needs, "--concurrency", str(streams)]
        command += ["--repeat", str(levels), "--until", f"{seconds:g}s", "--out", str(out)]
        started = time.time()
        bench = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        with Watch({"bench": bench.pid, name: pid}) as watch:
            _, errors = bench.communicate()
        if bench.returncode:
            return [f"{name}: bench ended with {bench.returncode}: {errors[-500:]}"]
        after = predicted_tokens(url)
        logged = read_truth(log) if name == "truth" else None
        runs = [Level.read(p, logged) for p in sorted(out.glob("levels/*"))]
    print(f"{name}: {streams} streams, {levels} levels of {seconds:g} s")
    wrong = [f"{name} {line}" for line in figures(runs)]
    wrong += [f"{name} {line}" for line in growth(watch, started + seconds)]
    if before is not None and after is not None:
        counted = sum(level.tokens for level in runs)
        print(f"  output tokens: client {counted:,}, server {after - before:,.0f}")
        # Requests cut at the end of a level are the server's alone, up to one for each stream and level; its counter
        # may be a token behind.
        if not after - before - streams * levels * 32 <= counted <= after - before + 1:
            wrong.append(f"{name} counted {after - before:,.0f} tokens, the client {counted:,}")
    return wrong


@dataclass(frozen=True)
class Level:
    """Means of a level by the client and, where the server kept a log, by it."""

    errors: dict
    tokens: int
    latency_s: tuple[float, float]  # TTFT, ITL
    true_s: tuple[float, float] | None

    @classmethod
    def read(cls, folder: Path, logged: Truth | None) -> Level:
        import polars as pl

        summary = json.loads((folder / "summary.json").read_bytes())
        requests = pl.read_parquet(folder / "requests.parquet", glob=False)
        ok = requests.filter(pl.col("status") == "ok")
        gaps = ok.select((pl.col("last_ns") - pl.col("first_ns")).sum() / (pl.col("output_tokens") - 1).sum()).item()
        ttft = ok.select((pl.col("first_ns") - pl.col("sent_ns")).mean()).item()
        true_s = None
        if logged is not None:
            begin_ns = summary["run"]["t0_unix_s"] * 1e9
            end_ns = begin_ns + summary["run"]["elapsed_s"] * 1e9
            inside = (logged.received_ns >= begin_ns) & (logged.received_ns < end_ns)
            true_s = (float(logged.ttft_s[inside].mean()), float(logged.tpot_s[inside].mean()))
        tokens = int(requests["output_tokens"].clip(0).sum())
        return cls(summary["errors"], tokens, (ttft / 1e9, gaps / 1e9), true_s)


def figures(levels: list[Level]) -> list[str]:
    """Print requests and latencies by level; what is wrong with them."""
    wrong = []
    for n, level in enumerate(levels):
        pairs = zip(level.latency_s, level.true_s or level.latency_s, strict=True)
        off = [mine / true - 1 for mine, true in pairs]
        ttft_s, itl_s = level.latency_s
        compared = f", off the server's log by {off[0]:+.3%} and {off[1]:+.3%}" if level.true_s else ""
        print(f"  level {n}: TTFT {ttft_s * 1e3:.3f} ms, ITL {itl_s * 1e3:.4f} ms{compared}")
        print(f"    {level.errors['ok']} requests ok, {level.errors['failed']} failed {level.errors['by_status']}")
        if n and any(abs(e) > ACCURACY for e in off):
            wrong.append(f"level {n} is off the truth{compared}")
        if level.errors["failed"]:
            wrong.append(f"level {n}: failed requests {level.errors['by_status']}")
    return wrong


def growth(watch: Watch, from_s: float) -> list[str]:
    """Print memory and files of each process, the first level left out; what grew."""
    wrong = []
    for role, samples in watch.samples.items():
        kept = np.array([s for s in samples if s[0] >= from_s])
        if len(kept) < 6:
            continue
        first, last = np.array_split(kept, 3)[0], np.array_split(kept, 3)[-1]
        rss = [float(np.median(part[:, 1])) / 1e6 for part in (first, last)]
        files = [float(np.median(part[:, 2])) for part in (first, last)]
        most = kept[:, 1].max() / 1e6
        print(f"  {role}: RSS {rss[0]:.1f} -> {rss[1]:.1f} MB (most {most:.1f}), files {files[0]:g} -> {files[1]:g}")
        if rss[1] > rss[0] * (1 + GROWTH) + 8 or files[1] > files[0]:
            wrong.append(f"{role} grew")
    return wrong


SERVERS = {"truth": truth, "llamacpp": llamacpp}


def main() -> None:
    ask = argparse.ArgumentParser()
    ask.add_argument("--minutes", type=float, default=60.0)
    ask.add_argument("--streams", type=int, default=256)
    ask.add_argument("--levels", type=int, default=12)
    ask.add_argument("--server", choices=tuple(SERVERS))
    options = ask.parse_args()
    seconds = options.minutes * 60 / options.levels
    names = [options.server] if options.server else list(SERVERS)
    with ThreadPoolExecutor() as pool:
        ends = [pool.submit(soak, name, seconds, options.levels, options.streams) for name in names]
        wrong = [line for end in ends for line in end.result()]
    print("\n".join(wrong) or "flat and right")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
