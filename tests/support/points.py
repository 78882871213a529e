"""Operating points made for a test: one row with every needed value, and changes to it."""

from __future__ import annotations

import polars as pl

from paretoken.points.published import prepare
from paretoken.points.schema import conform

BASE = {
    "origin": "published",
    "source": "test",
    "date": "2026-01-01",
    "accelerator": "H200",
    "n_gpus": 8,
    "model": "llama-3-70b",
    "precision": "fp8",
    "engine": "vllm",
    "tp": 8,
    "speculative": "none",
    "disaggregated": False,
    "isl": 1024,
    "osl": 1024,
    "load_kind": "closed",
    "concurrency": 8.0,
}


def row(**changes) -> dict:
    return {**BASE, **changes}


def table(*rows: dict) -> pl.DataFrame:
    """Stored points of the given rows."""
    return conform(pl.DataFrame(list(rows), infer_schema_length=None))


def prepared(*rows: dict) -> pl.DataFrame:
    """The rows as points with their derived columns."""
    return prepare(table(*rows))
