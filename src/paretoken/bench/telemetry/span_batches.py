"""Finished spans, exported at once a batch at a time; after the first failure they are only counted."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

BATCH = 512


class SpanBatches(SpanProcessor):
    """Sends spans in the thread that ends them, so no more than one batch is in memory.

    A `problem` from the start means that nothing is sent.
    """

    def __init__(self, exporter: SpanExporter, problem: str = "") -> None:
        self._exporter = exporter
        self._batch: list[ReadableSpan] = []
        self.exported = self.lost = 0
        self.problem = problem

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        pass

    def on_end(self, span: ReadableSpan) -> None:
        if self.problem:
            self.lost += 1
            return
        self._batch.append(span)
        if len(self._batch) == BATCH:
            self.flush()

    def flush(self) -> None:
        """Send what is left."""
        batch, self._batch = self._batch, []
        if not batch:
            return
        if self._exporter.export(batch) is SpanExportResult.SUCCESS:
            self.exported += len(batch)
        else:
            self.lost += len(batch)
            self.problem = "the collector did not confirm them; check its address, its log and its speed"

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        self.flush()
        return not self.problem
