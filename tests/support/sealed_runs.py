"""Runs of simulated levels as `bench` leaves them: settings, receipts and figures that fit together."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import polars as pl

from paretoken.bench.config import BenchConfig
from paretoken.bench.level_context import compared_settings
from paretoken.bench.metadata import RunMetadata
from paretoken.bench.plan import Closed, Load, Stop
from paretoken.bench.receipt import RECEIPT, FigureInputs, write_level_receipt, write_run_receipt
from paretoken.bench.run_folder import REQUESTS, SUMMARY, RunFolder
from paretoken.bench.stats.level_summary import LevelTimes
from paretoken.bench.stats.scrape import ServerMetrics
from paretoken.bench.stats.summary import LevelContext, summarise
from paretoken.receipts.verify import RunVerification
from paretoken.slo import MEASURED, parse_slos
from tests.support.runs import COLUMNS, METADATA, loaded, proof

CONFIG = BenchConfig(
    urls=("http://10.0.0.7:8000/v1",),
    isl="1024",
    osl="1024",
    concurrency="1:4:x2",
    gpus=8,
    slo="ttft_p90=250ms",
    seed=7,
)


def sealed_run(
    path: Path,
    users: tuple[int, ...] = (1, 2, 4),
    *,
    config: BenchConfig = CONFIG,
    server: ServerMetrics | None = None,
    inputs: FigureInputs = FigureInputs(),  # noqa: B008 - frozen
    seconds: float = 20.0,
) -> Path:
    """A run of closed levels."""
    folder = RunFolder(path)
    command = "paretoken bench http://10.0.0.7:8000 --isl 1024 --osl 1024 --concurrency 1:4:x2"
    metadata = replace(METADATA, config=config.without_secrets(), run=replace(METADATA.run, command=command))
    folder.create(metadata)
    for n in users:
        keep_level(folder, loaded(n, seconds), Closed(n), config=config, server=server, inputs=inputs)
    return path


def keep_level(
    folder: RunFolder,
    requests: pl.DataFrame,
    load: Load,
    *,
    config: BenchConfig = CONFIG,
    server: ServerMetrics | None = None,
    inputs: FigureInputs = FigureInputs(),  # noqa: B008 - frozen
) -> None:
    """Measure one more level."""
    number = len(folder.levels()) + 1
    context = LevelContext(
        columns=COLUMNS,
        config=compared_settings(config),
        times=LevelTimes(t0_unix_s=1.0, t0_monotonic_s=1000.0),
        seed=config.seed or 0,
        n_gpus=config.gpus,
        slos=parse_slos(config.slo, MEASURED),
        **asdict(inputs),
    )
    summary = summarise(requests, load, context, stop=Stop(drain_s=5.0), fidelity=proof(4), server=server)
    folder.clear(number)
    folder.keep_requests(number, requests)
    folder.keep(number, summary, inputs)


def edit(file: Path, change: Callable[[Any], None]) -> None:
    """Change a JSON file in place."""
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


def forge(run: Path) -> None:
    """Write all receipts anew, as somebody would who wants the hashes of a changed run to match."""
    levels = sorted(p.name for p in (run / "levels").iterdir())
    for level in levels:
        inputs = FigureInputs(**(json.loads((run / "levels" / level / RECEIPT).read_text())["inputs"] or {}))
        write_level_receipt(run / "levels" / level, inputs, {})
    write_run_receipt(run, RunMetadata.read(run / "run.json"), levels)


def change_latency(run: Path, level: str = "0002", factor: float = 0.5) -> None:
    """Make one answer of a level, in its window, begin sooner."""
    file = run / "levels" / level / REQUESTS
    table = pl.read_parquet(file).with_row_index("row")
    sooner = (pl.col("due_ns") + (pl.col("first_ns") - pl.col("due_ns")) * factor).cast(pl.Int64)
    first = pl.when(pl.col("row") == len(table) * 3 // 4).then(sooner).otherwise("first_ns")
    table.with_columns(first_ns=first).drop("row").write_parquet(file)


def without_receipts(run: Path) -> None:
    """The run as an earlier version leaves it."""
    for file in run.rglob(RECEIPT):
        file.unlink()


def summary_of(run: Path, level: str = "0001") -> Path:
    return run / "levels" / level / SUMMARY


def figures(result: RunVerification) -> set[str]:
    """The figures that differ."""
    return {d.figure for d in result.differences}
