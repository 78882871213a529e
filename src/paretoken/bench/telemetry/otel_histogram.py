"""A histogram of OpenTelemetry's data model, filled with arrays of values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from opentelemetry.sdk.metrics.export import AggregationTemporality, Histogram, HistogramDataPoint


class OtelHistogram:
    """Counts by bucket; a bucket holds its upper bound."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = np.zeros(len(bounds) + 1, dtype=np.int64)
        self._sum, self._min, self._max = 0.0, float("inf"), float("-inf")

    def observe(self, values: np.ndarray[Any, Any]) -> None:
        """Take values, at least one."""
        places = np.searchsorted(self._bounds, values, side="left")
        self._counts += np.bincount(places, minlength=len(self._counts))
        self._sum += float(values.sum())
        self._min, self._max = min(self._min, float(values.min())), max(self._max, float(values.max()))

    def point(self, labels: dict[str, Any], begin_ns: int, at_ns: int) -> HistogramDataPoint:
        """The values since `begin_ns` as a data point."""
        return HistogramDataPoint(
            attributes=labels,
            start_time_unix_nano=begin_ns,
            time_unix_nano=at_ns,
            count=int(self._counts.sum()),
            sum=self._sum,
            bucket_counts=self._counts.tolist(),
            explicit_bounds=self._bounds,
            min=self._min,
            max=self._max,
        )

    @staticmethod
    def data(points: Sequence[HistogramDataPoint]) -> Histogram:
        """The data of a metric."""
        return Histogram(points, AggregationTemporality.CUMULATIVE)
