"""How well `paretoken calibrate --url` predicts a real engine: `python benchmarks/calibrate_url.py [--minutes 3]`.

llama.cpp (pip install 'paretoken[engine]') serves a random model on one core, the client has the other. A calibration
is fitted to a short ladder; then loads and lengths that it did not see are measured, and what the calibration and the
shipped one predict is compared with them. `--size` is that of the model (tiny, small, medium), `--repeat` starts anew.
The machine's load average is printed, and by how much a level differs when it is measured again: no prediction can be
nearer than that.
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
"""By figure: the column measured, the key predicted, and what multiplies the first."""


@dataclass(frozen=True)
class Server:
    """A server, and how the commands name what it runs."""

    url: str
    deployment: tuple[str, ...]


@contextmanager
def llamacpp(size: str, catalog: Path) -> Iterator[Server]:
    """llama.cpp on its core, and the entries of hardware and model in a catalog folder."""
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
    os.sched_setaffinity(0, {ENGINE_CPU})  # what is started now stays on this core
    with EmbeddedEngine(cached_model(size), slots=SLOTS, context=CONTEXT, threads=1) as engine:
        os.sched_setaffinity(0, {CLIENT_CPU})
        words = f"--accelerator this-cpu --model {shape.name} --precision fp32 --engine llamacpp --tp 1"
        yield Server(engine.base_url, (*words.split(), "--catalog", str(catalog)))


def paretoken(*words: str) -> str:
    """The output of a command."""
    done = subprocess.run([sys.executable, "-m", "paretoken", *words], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def measured(url: str, isl: int, osl: int, users: Sequence[int], seconds: float, run: Path) -> pl.DataFrame:
    """The points of loads at lengths uniform in [0.8, 1] of nominal."""
    loads = ",".join(map(str, users))
    lengths = ["--isl", f"uniform:{isl}:0.8", "--osl", f"uniform:{osl}:0.8"]
    how = ["--concurrency", loads, "--until", f"{seconds:g}s", "--warmup-per-user", "1", "--out", str(run)]
    paretoken("bench", url, *lengths, *how)
    return pl.read_parquet(run / "points.parquet")


def predicted(server: Server, isl: int, osl: int, users: Sequence[int], *more: str) -> list[dict[str, float]]:
    """The predictions of loads."""
    loads = ",".join(map(str, users))
    lengths = ["--isl", str(isl), "--osl", str(osl), "--concurrency", loads]
    rows: list[dict[str, float]] = json.loads(paretoken("predict", *server.deployment, *lengths, *more, "--json"))
    return rows


def compare(server: Server, case: Case, ours: Path, folder: Path, seconds: float) -> list[Row]:
    """Loads and lengths that the calibration did not see: measured, and predicted by the shipped one and by it."""
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
    """What is calibrated for, and pairs of lengths with loads that are measured afterwards."""

    isl: int
    osl: int
    users: tuple[int, ...]
    unseen: tuple[tuple[int, int, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Row:
    """One figure of one load: measured, errors of both predictions as shares, and whether the interval holds it."""

    load: str
    figure: str
    measured: float
    before: float
    after: float
    inside: bool
    steady: bool


def show(rows: Sequence[Row]) -> None:
    """Every load, then medians and the worst by figure over loads in a steady state."""
    print(f"{'load':>16} {'figure':>6} {'measured':>10} {'shipped':>9} {'ours':>8}  in 90 %")
    for r in rows:
        doubt = "" if r.steady else "  (no steady state)"
        print(f"{r.load:>16} {r.figure:>6} {r.measured:>10.4g} {r.before:>+9.1%} {r.after:>+8.1%}  {r.inside}{doubt}")
    for figure in FIGURES:
        of = [r for r in rows if r.figure == figure and r.steady]
        if not of:
            continue
        old, new = (np.abs([getattr(r, name) for r in of]) for name in ("before", "after"))
        print(
            f"{figure}: {len(of)} unseen loads, median error {np.median(old):.1%} shipped, {np.median(new):.1%} ours, "
            f"worst {new.max():.1%}, {np.mean([r.inside for r in of]):.0%} in the 90 % interval"
        )


def drift(server: Server, ladder: Path, seconds: float, run: Path) -> float:
    """By how much a level of the ladder has another throughput when it is measured again: what the machine changed."""
    old = pl.concat([pl.read_parquet(p) for p in sorted(ladder.glob("*/points.parquet")) if p.parent.name != "pace"])
    level = old.sort("concurrency", "isl").row(len(old) // 2, named=True)
    new = measured(server.url, level["isl"], level["osl"], [int(level["concurrency"])], seconds, run)
    return float(new["total_tput_per_gpu_tok_s"][0] / level["total_tput_per_gpu_tok_s"] - 1)


def run(server: Server, case: Case, minutes: float, seconds: float, folder: Path) -> None:
    """Calibrate, measure what was not used, compare."""
    ours = folder / "ours.parquet"
    loads = ",".join(map(str, case.users))
    what = ["--isl", str(case.isl), "--osl", str(case.osl), "--concurrency", loads, "--minutes", f"{minutes:g}"]
    where = ["--runs", str(folder / "ladder"), "--out", str(ours)]
    print(f"load average before: {os.getloadavg()[0]:.1f}")
    print(paretoken("calibrate", "--url", server.url, *server.deployment, *what, *where))
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
    parser.add_argument("--minutes", type=float, default=3.0, help="of the ladder")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each unseen load")
    parser.add_argument("--repeat", type=int, default=1)
    options = parser.parse_args()
    case = Case(256, 64, (1, 4, 16), ((256, 64, (2, 8, 12)), (128, 128, (1, 4, 8, 16)), (384, 64, (1, 2, 8))))
    for _ in range(options.repeat):
        with TemporaryDirectory() as place, llamacpp(options.size, Path(place) / "catalog") as server:
            run(server, case, options.minutes, options.seconds, Path(place))


if __name__ == "__main__":
    main()
