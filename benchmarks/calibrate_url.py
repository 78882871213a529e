"""How well `paretoken calibrate --url` predicts a real engine: `python benchmarks/calibrate_url.py [--minutes 3]`.

llama.cpp (pip install 'paretoken[engine]') serves a random model on one core; the client runs on the other. The script
fits a calibration to a short ladder, measures loads and lengths that were not in it, and compares them with the
predictions of this calibration and of the shipped one. `--size` selects the model, `--repeat` repeats everything.

It also prints the load average, and how much a level differs when it is measured again: no prediction can be more
accurate than that.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from paretoken.engines.embedded import vocabulary
from paretoken.engines.embedded.engine import EmbeddedEngine
from paretoken.engines.embedded.random_llama import shape_of
from paretoken.engines.embedded.tiny_model import cached_model

ENGINE_CPU, CLIENT_CPU = 1, 0
SLOTS, CONTEXT = 32, 2048
HARDWARE = """[this-cpu]
name = "CPU of this machine"
vendor = "CPU"
hbm_gib = 16
hbm_tb_per_s = 0.02
bf16_tflops = 0.1
max_scaleup_gpus = 1
gpus_per_node = 1
source = "estimate"
date = "2026-11-30"
"""
FIGURES = {
    "tpot": ("median_tpot_s", "median_tpot_ms", 1e3),
    "ttft": ("median_ttft_s", "median_ttft_ms", 1e3),
    "tput": ("total_tput_per_gpu_tok_s", "total_tput_per_gpu_tok_s", 1.0),
}
"""By figure: the measured column, the predicted key, and the factor between their units."""


@dataclass(frozen=True)
class Server:
    """A server, and the options that describe its deployment."""

    url: str
    deployment: tuple[str, ...]


@contextmanager
def llamacpp(size: str, catalog: Path) -> Iterator[Server]:
    """llama.cpp on its core; its hardware and its model are written as entries to a catalog folder."""
    shape = shape_of(size)
    catalog.mkdir()
    (catalog / "accelerators.toml").write_text(HARDWARE, encoding="utf-8")
    (catalog / "models.toml").write_text(
        f"""[{shape.name}]
name = "{shape.name}"
maker = "paretoken"
kind = "dense"
attention = "gqa"
layers = {shape.layers}
hidden_size = {shape.hidden}
heads = {shape.heads}
kv_heads = {shape.kv_heads}
head_dim = {shape.head_dim}
intermediate_size = {shape.ffn}
vocab_size = {vocabulary.SIZE}
params_total_b = {shape.parameters / 1e9}
native_precision = "bf16"
source = "paretoken"
date = "2026-11-30"
""",
        encoding="utf-8",
    )
    os.sched_setaffinity(0, {ENGINE_CPU})  # child processes inherit the core
    with EmbeddedEngine(cached_model(size), slots=SLOTS, context=CONTEXT, threads=1) as engine:
        os.sched_setaffinity(0, {CLIENT_CPU})
        options = f"--accelerator this-cpu --model {shape.name} --precision fp32 --engine llamacpp --tp 1"
        yield Server(engine.base_url, (*options.split(), "--catalog", str(catalog)))


def paretoken(*words: str) -> str:
    """The output of a command."""
    process = subprocess.run([sys.executable, "-m", "paretoken", *words], check=True, stdout=subprocess.PIPE, text=True)
    return process.stdout


def measured(url: str, isl: int, osl: int, users: Sequence[int], seconds: float, run: Path) -> pl.DataFrame:
    """The points of loads at lengths uniform in [0.8, 1] of nominal."""
    loads = ",".join(map(str, users))
    lengths = ["--isl", f"uniform:{isl}:0.8", "--osl", f"uniform:{osl}:0.8"]
    load = ["--concurrency", loads, "--until", f"{seconds:g}s", "--warmup-per-user", "1", "--out", str(run)]
    paretoken("bench", url, *lengths, *load)
    return pl.read_parquet(run / "points.parquet")


def predicted(server: Server, isl: int, osl: int, users: Sequence[int], *more: str) -> list[dict[str, float]]:
    """The predictions for these loads."""
    loads = ",".join(map(str, users))
    lengths = ["--isl", str(isl), "--osl", str(osl), "--concurrency", loads]
    rows: list[dict[str, float]] = json.loads(paretoken("predict", *server.deployment, *lengths, *more, "--json"))
    return rows


def compare(server: Server, case: Case, ours: Path, folder: Path, seconds: float) -> list[Row]:
    """Unseen loads and lengths: measured, and predicted by the shipped and by the fitted calibration."""
    rows = []
    for isl, osl, users in case.unseen:
        points = measured(server.url, isl, osl, users, seconds, folder / f"unseen-{isl}-{osl}").sort("concurrency")
        before, after = (predicted(server, isl, osl, users, *c) for c in ((), ("--calibration", str(ours))))
        for point, old, new in zip(points.iter_rows(named=True), before, after, strict=True):
            steady = "no steady state" not in (point["notes"] or "")
            for figure, (column, key, scale) in FIGURES.items():
                if point[column] is None:
                    continue
                value = point[column] * scale
                inside = new[f"{key}_lo"] <= value <= new[f"{key}_hi"]
                load = f"{isl}/{osl} at {int(point['concurrency'])}"
                rows.append(Row(load, figure, value, old[key] / value - 1, new[key] / value - 1, inside, steady))
    return rows


@dataclass(frozen=True)
class Case:
    """The lengths and loads to calibrate for, and pairs of lengths with unseen loads to measure afterwards."""

    isl: int
    osl: int
    users: tuple[int, ...]
    unseen: tuple[tuple[int, int, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Row:
    """One figure of one load: measured, relative errors of both predictions, and whether it is inside the interval."""

    load: str
    figure: str
    measured: float
    before: float
    after: float
    inside: bool
    steady: bool


def show(rows: Sequence[Row]) -> None:
    """Print every load, then by figure the median and largest errors over loads in a steady state."""
    print(f"{'load':>16} {'figure':>6} {'measured':>10} {'shipped':>9} {'ours':>8}  in 90 %")
    for r in rows:
        doubt = "" if r.steady else "  (no steady state)"
        print(f"{r.load:>16} {r.figure:>6} {r.measured:>10.4g} {r.before:>+9.1%} {r.after:>+8.1%}  {r.inside}{doubt}")
    for figure in FIGURES:
        steady = [r for r in rows if r.figure == figure and r.steady]
        if not steady:
            continue
        shipped, ours = (np.abs([getattr(r, name) for r in steady]) for name in ("before", "after"))
        print(
            f"{figure}: {len(steady)} unseen loads, median error {np.median(shipped):.1%} shipped, "
            f"{np.median(ours):.1%} ours, worst {ours.max():.1%}, "
            f"{np.mean([r.inside for r in steady]):.0%} in the 90 % interval"
        )


def drift(server: Server, ladder: Path, seconds: float, run: Path) -> float:
    """Relative change in the throughput of a ladder level when it is measured again: the noise of the machine."""
    levels = pl.concat([pl.read_parquet(p) for p in sorted(ladder.glob("*/points.parquet")) if p.parent.name != "pace"])
    level = levels.sort("concurrency", "isl").row(len(levels) // 2, named=True)
    again = measured(server.url, level["isl"], level["osl"], [int(level["concurrency"])], seconds, run)
    return float(again["total_tput_per_gpu_tok_s"][0] / level["total_tput_per_gpu_tok_s"] - 1)


def run(server: Server, case: Case, minutes: float, seconds: float, folder: Path) -> None:
    """Calibrate, measure unseen loads, compare."""
    ours = folder / "ours.parquet"
    loads = ",".join(map(str, case.users))
    ladder = ["--isl", str(case.isl), "--osl", str(case.osl), "--concurrency", loads, "--minutes", f"{minutes:g}"]
    files = ["--runs", str(folder / "ladder"), "--out", str(ours)]
    print(f"load average before: {os.getloadavg()[0]:.1f}")
    print(paretoken("calibrate", "--url", server.url, *server.deployment, *ladder, *files))
    print(f"load average after the ladder: {os.getloadavg()[0]:.1f}")
    before = drift(server, folder / "ladder", seconds, folder / "again")
    rows = compare(server, case, ours, folder, seconds)
    after = drift(server, folder / "ladder", seconds, folder / "once-more")
    show(rows)
    print(f"a level of the ladder again, throughput before and after the unseen ones: {before:+.1%}, {after:+.1%}")
    print(f"load average at the end: {os.getloadavg()[0]:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--size", default="tiny", choices=("tiny", "small", "medium"))
    parser.add_argument("--minutes", type=float, default=3.0, help="duration of the ladder")
    parser.add_argument("--seconds", type=float, default=20.0, help="duration of each unseen load")
    parser.add_argument("--repeat", type=int, default=1, help="repeat everything N times, each with a new server")
    options = parser.parse_args()
    case = Case(256, 64, (1, 4, 16), ((256, 64, (2, 8, 12)), (128, 128, (1, 4, 8, 16)), (384, 64, (1, 2, 8))))
    for _ in range(options.repeat):
        with TemporaryDirectory() as place, llamacpp(options.size, Path(place) / "catalog") as server:
            run(server, case, options.minutes, options.seconds, Path(place))


if __name__ == "__main__":
    main()
