"""A histogram of OpenTelemetry's data model, filled with arrays of values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from opentelemetry.sdk.metrics.export import AggregationTemporality, HistogramDataPoint
from opentelemetry.sdk.metrics.export import Histogram as HistogramData

from paretoken.exposition import Histogram


class OtelHistogram:
    """Counts by bucket, whose upper bound is in it, and the least and the largest value."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._counts = Histogram(bounds)
        self._min, self._max = float("inf"), float("-inf")

    def observe(self, values: np.ndarray[Any, Any]) -> None:
        """Take values, at least one."""
        self._counts.observe_all(values)
        self._min, self._max = min(self._min, float(values.min())), max(self._max, float(values.max()))

    def point(self, labels: dict[str, Any], begin_ns: int, at_ns: int) -> HistogramDataPoint:
        """The values since `begin_ns` as a data point."""
        return HistogramDataPoint(
            attributes=labels,
            start_time_unix_nano=begin_ns,
            time_unix_nano=at_ns,
            count=self._counts.count,
            sum=self._counts.sum,
            bucket_counts=self._counts.buckets,
            explicit_bounds=self._counts.bounds,
            min=self._min,
            max=self._max,
        )

    @staticmethod
    def data(points: Sequence[HistogramDataPoint]) -> HistogramData:
        """The data of a metric."""
        return HistogramData(points, AggregationTemporality.CUMULATIVE)
