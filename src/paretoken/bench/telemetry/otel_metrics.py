"""The metrics of a run for OpenTelemetry: the GenAI conventions 0.1.0, and two names of the older 1.41 beside them.

    gen_ai.client.inference.duration                     from sending to the end of the answer
    gen_ai.client.inference.time_to_first_chunk          of streams
    gen_ai.client.inference.time_per_output_chunk        gaps between chunks of streams
    gen_ai.client.inference.operation.input_tokens       and output_tokens: by request
    gen_ai.client.inference.usage.input_tokens           and output_tokens, cache_read.…, reasoning.…: counters
    gen_ai.client.operation.duration                     the older name of the duration; alone for embeddings
    gen_ai.client.token.usage                            the older name of the tokens by request

Values accumulate over the levels of the run. They are made from the records of a level at once, because a record of
each chunk through the SDK would take longer than the load.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from paretoken.bench.run_folder import REQUESTS, LevelOnDisk
from paretoken.bench.stats.arrays import Ints
from paretoken.bench.telemetry.otel_histogram import OtelHistogram
from paretoken.bench.telemetry.request_attributes import common_attributes, error_type, is_failure
from paretoken.bench.telemetry.span_source import SpanSource, SpanTarget
from paretoken.version import __version__

DURATION_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = tuple(4.0**k for k in range(14))
MOST_AT_ONCE = 20_000
"""Requests in memory, with their chunks."""
_CLIENT = "gen_ai.client"
_COUNTERS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cached_tokens": "cache_read.input_tokens",
    "reasoning_tokens": "reasoning.output_tokens",
}
_Series = tuple[tuple[str, str | int], ...]


class RunMetrics:
    """The metrics of the levels of a run so far."""

    def __init__(self, source: SpanSource, resource: Resource, scope: str) -> None:
        self._source, self._resource, self._scope = source, resource, scope
        self._histograms: dict[tuple[str, str, _Series], OtelHistogram] = {}
        self._counters: dict[tuple[str, _Series], int] = {}
        self._begin_ns = 0

    def with_level(self, level: LevelOnDisk) -> MetricsData:
        """Add a level; all metrics as of its end."""
        run = level.summary.run
        begin_ns = round((run.t0_unix_s or 0.0) * 1e9)
        self._begin_ns = self._begin_ns or begin_ns
        rows = pl.scan_parquet(level.folder / REQUESTS, glob=False)
        for start in range(0, rows.select(pl.len()).collect().item(), MOST_AT_ONCE):
            self._add(rows.slice(start, MOST_AT_ONCE).collect())
        return self._data(begin_ns + round((run.elapsed_s or 0.0) * 1e9))

    def _add(self, rows: pl.DataFrame) -> None:
        keys = ["endpoint", "status", "http_status"]
        for (endpoint, status, http_status), group in rows.group_by(keys, maintain_order=True):
            place = int(str(endpoint)) if endpoint is not None and endpoint in range(len(self._source.targets)) else 0
            error = error_type(str(status), http_status if isinstance(http_status, int) else None)
            self._add_group(group, self._source.targets[place], error if is_failure(str(status)) else "")

    def _add_group(self, rows: pl.DataFrame, target: SpanTarget, error: str) -> None:
        common = common_attributes(self._source, target)
        with_error = {**common, "error.type": error} if error else common
        begin = np.where(_ints(rows, "sent_ns") >= 0, _ints(rows, "sent_ns"), _ints(rows, "due_ns"))
        end = np.maximum.reduce([begin, _ints(rows, "end_ns"), _ints(rows, "last_ns")])
        seconds = (end - begin) / 1e9
        inference = self._source.operation != "embeddings"
        self._observe(f"{_CLIENT}.operation.duration", "s", with_error, seconds)
        if inference:
            self._observe(f"{_CLIENT}.inference.duration", "s", with_error, seconds)
            self._add_chunks(rows, begin, common)
        for column in ("input_tokens", "output_tokens"):
            kind = {**common, "gen_ai.token.type": column.removesuffix("_tokens")}
            counts = _ints(rows, column)
            self._observe(f"{_CLIENT}.token.usage", "{token}", kind, counts[counts >= 0])
            if inference:
                # The conventions want 0 where the server stated nothing.
                self._observe(f"{_CLIENT}.inference.operation.{column}", "{token}", with_error, np.maximum(counts, 0))
        if inference:
            self._count(rows, common)

    def _add_chunks(self, rows: pl.DataFrame, begin: Ints, common: Mapping[str, Any]) -> None:
        """The times of the chunks of streams."""
        first = _ints(rows, "first_ns")
        streamed = first >= 0
        name = f"{_CLIENT}.inference.time_to_first_chunk"
        self._observe(name, "s", common, (first[streamed] - begin[streamed]) / 1e9)
        gaps = rows.filter(streamed).select(pl.col("chunk_ns").list.diff(null_behavior="drop").explode()).drop_nulls()
        name = f"{_CLIENT}.inference.time_per_output_chunk"
        self._observe(name, "s", common, gaps["chunk_ns"].to_numpy() / 1e9)

    def _observe(self, name: str, unit: str, labels: Mapping[str, Any], values: np.ndarray[Any, Any]) -> None:
        if len(values):
            key = name, unit, tuple(sorted(labels.items()))
            bounds = TOKENS if unit == "{token}" else DURATION_S
            self._histograms.setdefault(key, OtelHistogram(bounds)).observe(values)

    def _count(self, rows: pl.DataFrame, common: Mapping[str, Any]) -> None:
        for column, name in _COUNTERS.items():
            counts = _ints(rows, column)
            modality = self._source.modality if (counts >= 0).any() else "unknown"
            key = (
                f"{_CLIENT}.inference.usage.{name}",
                tuple(sorted({**common, "gen_ai.token.modality": modality}.items())),
            )
            self._counters[key] = self._counters.get(key, 0) + int(np.maximum(counts, 0).sum())

    def _data(self, at_ns: int) -> MetricsData:
        scope = InstrumentationScope(self._scope, __version__)
        metrics = [*self._histogram_metrics(at_ns), *self._counter_metrics(at_ns)]
        return MetricsData([ResourceMetrics(self._resource, [ScopeMetrics(scope, metrics, "")], "")])

    def _histogram_metrics(self, at_ns: int) -> Iterator[Metric]:
        for name, unit in dict.fromkeys((name, unit) for name, unit, _ in self._histograms):
            series = {labels: h for (n, _, labels), h in self._histograms.items() if n == name}
            points = [h.point(dict(labels), self._begin_ns, at_ns) for labels, h in series.items()]
            yield Metric(name, "", unit, OtelHistogram.data(points))

    def _counter_metrics(self, at_ns: int) -> Iterator[Metric]:
        for name in dict.fromkeys(name for name, _ in self._counters):
            points = [
                NumberDataPoint(dict(labels), self._begin_ns, at_ns, value)
                for (n, labels), value in self._counters.items()
                if n == name
            ]
            yield Metric(name, "", "{token}", Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True))


def _ints(rows: pl.DataFrame, name: str) -> Ints:
    return rows[name].cast(pl.Int64).fill_null(-1).to_numpy()
