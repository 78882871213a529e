"""The database of InferenceX: tables `configs` and `benchmark_results`, or the joined rows its site serves.

A dump is a folder with one JSON list for each table; one object that holds both tables is read too.
Each row is named for its run: the address that the site serves, or the one in the table `workflow_runs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from paretoken.errors import BadFile
from paretoken.points.importers.inferencex import reading
from paretoken.points.importers.reading import LevelReading, Parsed, dig, entries, first

NAME = "InferenceX database"
ORIGIN = "published"
LICENCE = "measured facts; upstream InferenceX (Apache-2.0, attribution)"
TABLES = ("configs", "benchmark_results")
RUNS = "workflow_runs"
"""A third table, which names the runs of the results; read where the dump has it."""
_NEEDED = {
    "configs": ("id", "hardware", "framework", "model", "precision"),
    "benchmark_results": ("config_id", "isl", "osl", "conc", "metrics"),
}
_RENAMED = {"hardware": "hw", "spec_method": "spec_decoding"}
# Without disaggregation the database mirrors one pool into both columns; only `disagg` tells.
_MISLEADING = ("decode_num_workers", "prefill_num_workers")


def detects(parsed: Parsed) -> bool:
    """Both tables, one of them, or joined rows."""
    row = first(parsed)
    return _both(parsed) or ("metrics" in row and ("config_id" in row or "hardware" in row))


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading for each benchmark result, in the order of its table."""
    if isinstance(parsed, dict) and _both(parsed):
        configs, results = (parsed[table] for table in TABLES)
        if isinstance(configs, list) and isinstance(results, list):
            _refuse_other_schema(parsed, file)
            return _joined(configs, results, dig(parsed, RUNS))
    if "hardware" not in first(parsed):
        raise BadFile(f"{file} holds benchmark_results without configs; give the folder with both tables")
    return [_reading(at, _row(row, row), row.get("run_url")) for at, row in enumerate(entries(parsed), start=1)]


def table_paths(folder: Path) -> dict[str, Path]:
    """The two tables' files in a dump's folder, which the dump itself names after them."""
    paths = {table: folder / f"{table}.json" for table in TABLES}
    missing = [path.name for path in paths.values() if not path.is_file()]
    if missing:
        raise BadFile(f"{folder} is a folder without {' and '.join(missing)}; give a file or a database dump")
    runs = folder / f"{RUNS}.json"
    return paths | ({RUNS: runs} if runs.is_file() else {})


def _both(parsed: Parsed) -> bool:
    return isinstance(parsed, dict) and all(isinstance(parsed.get(table), list) for table in TABLES)


def _refuse_other_schema(parsed: Mapping[str, object], file: str) -> None:
    """BadFile if no row of a table has a column that this reader needs, as in a dump of a later schema."""
    for table, needed in _NEEDED.items():
        rows = parsed[table]
        columns = {key for row in rows if isinstance(row, dict) for key in row} if isinstance(rows, list) else set()
        missing = [name for name in needed if name not in columns]
        if columns and missing:
            raise BadFile(
                f"{file}: the table {table} has no column {missing[0]!r}, so the dump has another schema than this "
                "program reads; update paretoken"
            )


def _joined(configs: list[object], results: list[object], runs: object) -> list[LevelReading]:
    # The database driver writes 64-bit ids as text and 32-bit ones as numbers.
    by_id = {str(dig(config, "id")): config for config in configs if isinstance(config, dict)}
    urls = {str(dig(run, "id")): _address(run) for run in runs} if isinstance(runs, list) else {}
    return [_result(at, result, by_id, urls) for at, result in enumerate(results, start=1)]


def _address(run: object) -> str | None:
    """A run's address as the site serves it."""
    url, attempt = dig(run, "html_url"), dig(run, "run_attempt")
    return f"{url}/attempts/{attempt}" if url and attempt is not None else None


def _result(
    at: int, result: object, configs: dict[str, dict[str, object]], urls: Mapping[str, str | None]
) -> LevelReading:
    if not isinstance(result, dict):
        return LevelReading(at, refused="is not a row of the table")
    config = configs.get(str(result.get("config_id")))
    if config is None:
        return LevelReading(at, refused=f"has config_id {result.get('config_id')}, which is not in the table configs")
    run = result.get("workflow_run_id")
    name = f"config {result.get('config_id')}" if run is None else f"workflow run {run}"
    return _reading(at, _row(config, result), urls.get(str(run)) or name)


def _reading(at: int, row: dict[str, object], run: object) -> LevelReading:
    """The reading of a row, named for its run."""
    named = {"licence": LICENCE} | ({"source_ref": run} if run else {})
    read = reading(at, row)
    return replace(read, otherwise={**read.otherwise, **named})


def _row(config: dict[str, object], result: dict[str, object]) -> dict[str, object]:
    """The row as `agg_*.json` would have it."""
    both = config | result
    left_out = ("id",) if both.get("disagg") else ("id", *_MISLEADING)
    return {_RENAMED.get(key, key): value for key, value in both.items() if key not in left_out}
