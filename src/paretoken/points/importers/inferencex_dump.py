"""The database of InferenceX: tables `configs` and `benchmark_results`, or the joined rows its site serves.

A dump is a folder with one JSON list for each table; one object that holds both tables is read too.
"""

from __future__ import annotations

from pathlib import Path

from paretoken.errors import BadFile
from paretoken.points.importers.inferencex import reading
from paretoken.points.importers.reading import LevelReading, Parsed, dig, entries, first

NAME = "InferenceX database"
ORIGIN = "published"
TABLES = ("configs", "benchmark_results")
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
            return _joined(configs, results)
    if "hardware" not in first(parsed):
        raise BadFile(f"{file} holds benchmark_results without configs; give the folder with both tables")
    return [reading(at, _row(row, row)) for at, row in enumerate(entries(parsed), start=1)]


def table_paths(folder: Path) -> dict[str, Path]:
    """The two tables' files in a dump's folder, which the dump itself names after them."""
    paths = {table: folder / f"{table}.json" for table in TABLES}
    missing = [path.name for path in paths.values() if not path.is_file()]
    if missing:
        raise BadFile(f"{folder} is a folder without {' and '.join(missing)}; give a file or a database dump")
    return paths


def _both(parsed: Parsed) -> bool:
    return isinstance(parsed, dict) and all(isinstance(parsed.get(table), list) for table in TABLES)


def _joined(configs: list[object], results: list[object]) -> list[LevelReading]:
    # The database driver writes 64-bit ids as text and 32-bit ones as numbers.
    by_id = {str(dig(config, "id")): config for config in configs if isinstance(config, dict)}
    return [_result(at, result, by_id) for at, result in enumerate(results, start=1)]


def _result(at: int, result: object, configs: dict[str, dict[str, object]]) -> LevelReading:
    if not isinstance(result, dict):
        return LevelReading(at, refused="is not a row of the table")
    config = configs.get(str(result.get("config_id")))
    if config is None:
        return LevelReading(at, refused=f"has config_id {result.get('config_id')}, which is not in the table configs")
    return reading(at, _row(config, result))


def _row(config: dict[str, object], result: dict[str, object]) -> dict[str, object]:
    """The row as `agg_*.json` would have it."""
    both = config | result
    left_out = ("id",) if both.get("disagg") else ("id", *_MISLEADING)
    return {_RENAMED.get(key, key): value for key, value in both.items() if key not in left_out}
