"""How quickly the web app browses 1,000 runs and 100,000 operating points.

    python benchmarks/serve/browse.py [--runs 1000] [--points 100000] [--keep FOLDER]

Makes a folder of runs (copies of a small set of real summaries under other configurations and dates) and a Parquet
table of points, starts the app on loopback as `paretoken serve` does, and asks each page and its JSON many times over
one connection. Prints how long the folder took to read, the median and the slowest of each answer, and the time after
which a new run is in the list. The limit of the project is 300 ms an answer once the folder is read.
"""

from __future__ import annotations

import argparse
import copy
import json
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from urllib.parse import quote

import numpy as np
import orjson
import polars as pl
import uvicorn

from paretoken.points.files import write_points
from paretoken.points.schema import conform
from paretoken.serve.app import create_app
from paretoken.serve.settings import ServeSettings

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.support.runs import ladder

MODELS = ("llama-3-70b", "deepseek-r1", "qwen3-32b", "gpt-oss-120b")
ACCELERATORS = ("H100", "H200", "B200", "MI300X", "MI355X")
ENGINES = ("vllm", "sglang", "trtllm")
PRECISIONS = ("fp8", "bf16", "fp4")
REPEATS = 15


def make_folder(root: Path, runs: int, points: int) -> None:
    """`runs` runs and a table of `points` points."""
    sample = ladder(root / "sample", (1, 2, 4, 8, 16))
    metadata = json.loads((sample / "run.json").read_bytes())
    summary = json.loads((sample / "summary.json").read_bytes())
    table = pl.read_parquet(sample / "points.parquet")
    for n in range(runs - 1):
        names = {
            "model": MODELS[n % 4],
            "accelerator": ACCELERATORS[n % 5],
            "engine": ENGINES[n % 3],
            "precision": PRECISIONS[n % 7 % 3],
            "date": f"2026-{1 + n % 12:02d}-{1 + n % 28:02d}",
        }
        _make_run(root / f"{names['date'][:7]}/run-{n:04d}", names, metadata, summary, table, sample)
    rng = np.random.default_rng(0)
    wide = pl.concat([table] * (points // table.height + 1)).head(points)
    wide = wide.with_columns(
        model=pl.Series([MODELS[i] for i in rng.integers(0, 4, points)]),
        accelerator=pl.Series([ACCELERATORS[i] for i in rng.integers(0, 5, points)]),
        engine=pl.Series([ENGINES[i] for i in rng.integers(0, 3, points)]),
        output_tput_per_gpu_tok_s=pl.Series(rng.lognormal(5, 1, points)),
        date=pl.Series([f"2026-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(points)]),
    )
    (root / "kept").mkdir()
    write_points(conform(wide), root / "kept" / "points.parquet")


def _make_run(
    place: Path, names: dict[str, str], metadata: dict, summary: dict, table: pl.DataFrame, sample: Path
) -> None:
    place.mkdir(parents=True)
    own = copy.deepcopy(summary)
    for level in own["levels"]:
        level["columns"] |= names
        level["point"] |= names
    started = {**metadata, "run": {**metadata["run"], "started": f"{names['date']}T10:15:00+0000"}}
    (place / "run.json").write_bytes(orjson.dumps(started))
    (place / "summary.json").write_bytes(orjson.dumps(own))
    named = table.with_columns(pl.lit(value).alias(name) for name, value in names.items())
    conform(named).write_parquet(place / "points.parquet")
    for number, level in enumerate(own["levels"], start=1):
        folder = place / "levels" / f"{number:04d}"
        folder.mkdir(parents=True)
        (folder / "summary.json").write_bytes(orjson.dumps(level))
        shutil.copy(sample / "levels" / f"{number:04d}" / "requests.parquet", folder)


@contextmanager
def served(root: Path) -> Iterator[int]:
    """The port of the app over a folder, in a thread of this process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = uvicorn.Config(create_app(ServeSettings(folder=root, port=port)), port=port, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.05)
        yield port
    finally:
        server.should_exit = True
        thread.join()


def timed_get(port: int, path: str) -> tuple[float, bytes]:
    """How long an answer took, s, and its body."""
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    started = time.perf_counter()
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    took = time.perf_counter() - started
    connection.close()
    if response.status != 200:
        raise SystemExit(f"{path} answered {response.status}: {body[:300]!r}")
    return took, body


def time_to_read(port: int) -> float:
    """Seconds from the first question until every place is in the list."""
    started = time.perf_counter()
    while json.loads(timed_get(port, "/api/v1/runs")[1])["reading"]:
        time.sleep(0.05)
    return time.perf_counter() - started


def time_to_see(port: int, root: Path) -> float:
    """Seconds from when a new run is complete on disk until a list has it."""
    source = next(root.glob("2026-01/run-*"))
    shutil.copytree(source, root / "new-run")
    started = time.perf_counter()
    while json.loads(timed_get(port, "/api/v1/runs?words=new-run")[1])["total"] == 0:
        time.sleep(0.02)
    return time.perf_counter() - started


def questions(root: Path) -> dict[str, list[str]]:
    """Addresses by what they measure: first answers count, too, so that each has several places of the folder."""
    runs = [quote(str(p.relative_to(root))) for p in sorted(root.glob("2026-*/run-*"))]
    pairs = [f"run={a}&run={b}" for a, b in zip(runs[:REPEATS], runs[60 : 60 + REPEATS], strict=True)]
    return {
        "list of runs": ["/runs"],
        "list of runs, filtered": ["/runs?model=llama-3-70b&accelerator=H200&since=2026-03-01"],
        "list of runs, sorted": ["/runs?sort=output_tok_s_per_gpu", "/runs?sort=model&order=up"],
        "list of runs, last page": ["/runs?page=20"],
        "list of runs, by words": ["/runs?words=run-0777"],
        "list of points": ["/points"],
        "list of points, filtered": ["/points?model=deepseek-r1&accelerator=B200&engine=vllm"],
        "list of points, sorted": ["/points?sort=output_tput_per_gpu_tok_s", "/points?sort=median_ttft_s&order=up"],
        "list of points, last page": ["/points?page=1900"],
        "one run, first time": [f"/runs/open?run={run}" for run in runs[:REPEATS]],
        "one run, again": [f"/runs/open?run={runs[0]}"],
        "two runs compared, first time": [f"/runs/compare?{pair}" for pair in pairs],
        "two runs compared, again": [f"/runs/compare?{pairs[0]}"],
        "two runs at equal load, first time": [f"/runs/compare?{pair}&load=1" for pair in pairs[:5]],
        "history of a configuration": ["/runs/history?model=llama-3-70b&accelerator=H200&engine=vllm&precision=fp8"],
        "report of a run, first time": [f"/runs/report?run={run}" for run in runs[:3]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="folder to make, or to use again")
    options = parser.parse_args()
    root = options.keep or Path(tempfile.mkdtemp(prefix="browse-"))
    if not (root / "kept").is_dir():
        root.mkdir(exist_ok=True, parents=True)
        make_folder(root, options.runs, options.points)
    try:
        with served(root) as port:
            print(f"folder read: {time_to_read(port):.2f} s")
            timed_get(port, "/runs/open?run=sample")  # the workers have started
            for name, addresses in questions(root).items():
                times = [timed_get(port, a)[0] for a in addresses * (1 if name.endswith("first time") else REPEATS)]
                print(f"{name:38} median {median(times) * 1e3:7.1f} ms   slowest {max(times) * 1e3:7.1f} ms")
            print(f"a new run is in the list after {time_to_see(port, root):.2f} s")
    finally:
        if options.keep is None:
            shutil.rmtree(root)


if __name__ == "__main__":
    main()
