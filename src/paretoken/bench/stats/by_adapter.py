"""The requests of a load level by their adapter: how many, how many failed, and their median latencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from paretoken.bench.stats.arrays import Floats
from paretoken.bench.stats.metrics import sample
from paretoken.points.statuses import OK

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterFigures:
    """One adapter over all requests of a level; latencies are medians of complete answers, None without any."""

    name: str
    requests: int
    failed: int
    output_tokens: int
    ttft_p50_s: float | None
    tpot_p50_s: float | None
    e2e_p50_s: float | None


def figures_by_adapter(requests: pl.DataFrame, names: Sequence[str]) -> list[AdapterFigures]:
    """Figures of each adapter, by its number among the endpoints: endpoint e is adapter e mod A."""
    numbers = requests["endpoint"].to_numpy() % len(names)
    return [_figures(requests.filter(numbers == i), name) for i, name in enumerate(names)]


def _figures(requests: pl.DataFrame, name: str) -> AdapterFigures:
    samples = sample(requests)
    return AdapterFigures(
        name=name,
        requests=len(samples),
        failed=int((~np.isin(samples.status, (OK, "cancelled"))).sum()),
        output_tokens=int(np.nansum(samples.osl[samples.ok])),
        ttft_p50_s=_median(samples.ttft_s),
        tpot_p50_s=_median(samples.tpot_s),
        e2e_p50_s=_median(samples.e2e_s),
    )


def _median(values: Floats) -> float | None:
    finite = values[~np.isnan(values)]
    return float(np.median(finite)) if finite.size else None
