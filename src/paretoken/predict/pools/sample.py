"""Pooled operating points as cases with what was observed of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from paretoken.catalog.loader import Catalog
from paretoken.predict.arrays import Floats
from paretoken.predict.pools.layout import PooledCase
from paretoken.predict.pools.rows import AT_LENGTHS, e2e_s, pooled_cases, pooled_rows


@dataclass(frozen=True, slots=True, eq=False)
class PoolSample:
    """Cases, ln of TPOT, E2E and mean TTFT, shape (n, 3), NaN where it was not observed, and weights, shape (n,).

    E2E is that of Little's law where a throughput is stated, else TTFT + TPOT·(OSL − 1). Rows of one layout and load
    weigh together as the square root of their number.
    """

    cases: list[PooledCase]
    observed: Floats
    weight: Floats

    def __len__(self) -> int:
        return len(self.cases)


def pool_sample(points: pl.DataFrame, catalog: Catalog) -> PoolSample:
    """The sample of the disaggregated rows among prepared points."""
    rows = pooled_rows(points, catalog)
    figures = rows.select(
        pl.col("central_tpot_s").log(),
        e2e_s().log().alias("e2e"),
        pl.coalesce("mean_ttft_s", "ttft_s", "median_ttft_s").log().alias("ttft"),
    )
    weight = rows.select(pl.len().over(*AT_LENGTHS, "concurrency").cast(pl.Float64).pow(-0.5).alias("w"))["w"]
    observed = np.asarray(figures.fill_null(float("nan")).to_numpy(), dtype=float)
    return PoolSample(pooled_cases(rows, catalog), observed, weight.to_numpy())
