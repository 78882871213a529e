"""Pareto sets: the points that no other point of the same group beats in both axes."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

CURVE_KEY = ("accelerator", "engine", "origin", "software")
"""What one frontier belongs to, within one model, precision and workload."""


def pareto(points: pl.DataFrame, latency: str, throughput: str, by: Sequence[str] = CURVE_KEY) -> pl.DataFrame:
    """The rows not dominated in (latency down, throughput up) within each group, by rising latency.

    Rows that lack either figure cannot be placed and are left out. Of equal rows one is kept.
    """
    ordered = points.filter(pl.col(latency).is_not_null() & pl.col(throughput).is_not_null()).sort(
        *by, latency, throughput, descending=[False] * (len(by) + 1) + [True], maintain_order=True
    )
    best_before = pl.col(throughput).cum_max().shift(1).over(*by)
    return ordered.filter((pl.col(throughput) > best_before) | best_before.is_null())
