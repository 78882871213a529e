"""The process that exports finished levels: the source as the first line of its stdin, then a level a line.

It runs at the lowest priority. A collector that fails once is given up, so that nothing piles up: what follows is
counted, not sent. Its stdout is one `ExportReport`, after SIGTERM too.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

import orjson
import polars as pl
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import MetricExportResult
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider

from paretoken.bench.run_folder import SUMMARY, LevelOnDisk
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.telemetry.export_report import ExportReport
from paretoken.bench.telemetry.level_spans import LevelSpans
from paretoken.bench.telemetry.otel_metrics import RunMetrics
from paretoken.bench.telemetry.span_batches import SpanBatches
from paretoken.bench.telemetry.span_source import SpanSource
from paretoken.errors import ParetokenError
from paretoken.plain_files import as_type
from paretoken.version import __version__

LOWEST = 19
DEFAULT = "http://localhost:4318"
CONNECT_S = 5.0
SCOPE = "paretoken.bench"


class LevelExport:
    """Exports level after level of one run."""

    def __init__(self, source: SpanSource) -> None:
        base = source.collector
        resource = Resource.create(_about(source))
        exporter = OTLPSpanExporter(endpoint=f"{base}/v1/traces" if base else None)
        self._batches = SpanBatches(exporter, why_dead(base))
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(self._batches)
        self._spans = LevelSpans(provider.get_tracer(SCOPE, __version__), source)
        self._metrics = RunMetrics(source, resource, SCOPE)
        self._sink = OTLPMetricExporter(endpoint=f"{base}/v1/metrics" if base else None)
        self._problem = self._unreadable = ""
        self._requests = self._settled = 0

    def export(self, folder: Path, requests: int) -> None:
        """The spans of a level, then the metrics of the run so far; a level that cannot be read is counted."""
        try:
            self._export(LevelOnDisk(folder, LevelSummary.read(folder / SUMMARY)))
        except (ParetokenError, OSError, pl.exceptions.PolarsError) as e:
            self._unreadable = self._unreadable or str(e)
            self._requests += requests
        self._settled += requests

    def _export(self, level: LevelOnDisk) -> None:
        self._requests += self._spans.make(level)
        self._batches.flush()
        if self._batches.problem or self._problem or os.environ.get("OTEL_METRICS_EXPORTER") == "none":
            return
        if self._sink.export(self._metrics.with_level(level)) is not MetricExportResult.SUCCESS:
            self._problem = "the collector did not confirm the metrics"

    def report(self, seconds: float) -> ExportReport:
        """What came of it."""
        beyond = f"a level exports {self._spans.MOST:,} requests at most" if self._requests else ""
        return ExportReport(
            spans=self._batches.exported,
            lost=self._batches.lost,
            requests=self._requests,
            settled=self._settled,
            seconds=seconds,
            cpu_s=time.process_time(),
            problem=self._batches.problem or self._unreadable or self._problem or beyond,
        )


class Ended(BaseException):
    """SIGTERM came: what is not exported by now is not exported."""


def run(lines: Iterable[bytes]) -> ExportReport:
    """Export the levels that come line by line, as a folder and its number of requests, after the source."""
    began = time.monotonic()
    feed = iter(lines)
    export = LevelExport(as_type(SpanSource, orjson.loads(next(feed)), "the source of spans"))
    with suppress(Ended):
        for line in feed:
            folder, requests = orjson.loads(line)
            export.export(Path(folder), requests)
    return export.report(time.monotonic() - began)


def why_dead(collector: str | None) -> str:
    """Why nothing can reach the collector, "" where something answers; the SDK would try for 10 s."""
    of_spans = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    url = collector or of_spans or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or DEFAULT
    parts = urlsplit(url)
    if getproxies():
        return ""  # another program reaches it
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), CONNECT_S).close()
    except (OSError, ValueError) as e:
        return f"no collector answers at {parts.hostname}:{parts.port or ''} ({getattr(e, 'strerror', None) or e})"
    return ""


def _about(source: SpanSource) -> dict[str, str]:
    """Attributes of the resource, unless the environment names the service in another way."""
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: "paretoken"}
    return {**named, SERVICE_VERSION: __version__, "paretoken.run": source.run, "paretoken.origin": source.origin}


def _end(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the report is still to be written
    raise Ended


def main() -> None:
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the benchmark hears Ctrl-C and closes stdin
    with suppress(OSError):
        os.nice(LOWEST)
    logging.disable()  # the report says what failed, once
    try:
        report = run(sys.stdin.buffer)
    except Exception as e:  # whatever the SDK or the environment's settings for it raise is the user's to know
        report = ExportReport(problem=f"{type(e).__name__}: {e}")
    sys.stdout.buffer.write(report.to_json())


if __name__ == "__main__":
    main()
