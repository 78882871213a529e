"""How long frontiers, comparison, the default study and --help take on this machine.

    python benchmarks/frontier.py

Prints one line a case: median of five runs, s.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

RUNS = 5
N = 100_000


def timed(run: Callable[[], object]) -> float:
    def once() -> float:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    once()
    return statistics.median(once() for _ in range(RUNS))


def many_points() -> pl.DataFrame:
    """The published points over and over until there are N, each copy a little faster than the last."""
    from paretoken.points.published import prepare, published_points
    from paretoken.points.schema import conform

    base = published_points()
    copies = [
        base.with_columns(
            pl.col("total_tput_per_gpu_tok_s") * (1 + k / 1000), source=pl.lit(f"copy-{k}"), tp=pl.col("tp") + 100 * k
        )
        for k in range(N // base.height + 1)
    ]
    return prepare(conform(pl.concat(copies).head(N)))


def main() -> None:
    from paretoken.answers.compare import CompareQuestion, compare
    from paretoken.answers.frontier import FrontierQuestion, frontiers
    from paretoken.answers.points import Data
    from paretoken.catalog.loader import load_catalog
    from paretoken.points.published import published_points

    paretoken = [sys.executable, "-m", "paretoken"]
    table = many_points()
    catalog = load_catalog()
    one_node = FrontierQuestion(model="deepseek-r1", precision="fp8", workload="chat")
    any_serving = CompareQuestion(model="deepseek-r1", precision="fp8", workload="chat", e2e_s=20.0, serving="any")
    with tempfile.TemporaryDirectory() as folder:
        cases = {
            "paretoken --help": lambda: subprocess.run([*paretoken, "--help"], check=True, capture_output=True),
            "paretoken study (default, to files)": lambda: subprocess.run(
                [*paretoken, "study", "--out", str(Path(folder) / "out")], check=True, capture_output=True
            ),
            f"frontier over {table.height:,} points": lambda: frontiers(one_node, Data(catalog, table)),
            f"compare over {table.height:,} points": lambda: compare(any_serving, Data(catalog, table)),
            "load and prepare the published points": lambda: (published_points.cache_clear(), published_points()),
        }
        for name, run in cases.items():
            print(f"{name:45s} {timed(run):7.3f} s")


if __name__ == "__main__":
    main()
