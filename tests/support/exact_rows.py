"""Rows of an imported file against exact values: every latency that the file fills, and the columns that are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretoken.points.load import import_file
from paretoken.points.schema import LATENCIES

DATA = Path(__file__).parent.parent / "data" / "importers"
BARE = {"accelerator": "H100", "engine": "vllm", "n_gpus": 2}
"""What a client's file does not state."""


def imported(path: Path | str, catalog, values: dict) -> list[dict]:
    """The rows of a sample or a file, each with its columns that are not empty."""
    points, errors = import_file(DATA / path, catalog=catalog, values=values)
    assert errors == []
    return [{k: v for k, v in row.items() if v is not None} for row in points.to_dicts()]


def assert_row(row: dict, expected: dict) -> None:
    """The row has the expected columns, no other latency, and none of those that are expected to be None."""
    latencies = {k: v for k, v in expected.items() if is_latency(k)}
    assert {k: v for k, v in row.items() if is_latency(k)} == pytest.approx(latencies, rel=1e-9)
    for column, value in expected.items():
        close = pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
        assert row.get(column) == close, column


def is_latency(column: str) -> bool:
    return column.endswith(tuple(f"{key}_s" for key in LATENCIES))
