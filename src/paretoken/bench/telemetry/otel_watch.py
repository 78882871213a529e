"""`bench --otel`: passes finished levels to a process of low priority, which exports them while the run goes on.

Nothing here waits for a collector, or raises into the run. At the end, the rest gets some time; what it was not
enough for is counted and reported.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from types import TracebackType
from typing import IO, Self

import orjson

from paretoken.bench.client.counters import Progress
from paretoken.bench.plan import Load, Stop
from paretoken.bench.run_folder import LevelOnDisk
from paretoken.bench.telemetry.export_report import ExportReport
from paretoken.bench.telemetry.span_source import SpanSource
from paretoken.errors import BadConfig

FINISH_S = 60.0
"""For what is left to export after the last level."""
INTERRUPTED_S = 5.0
"""For the same where the run was interrupted or failed."""
REPORT_S = 2.0
"""For the report of an exporter that is ended."""


class OtelWatch:
    """Watches a sweep; `report` has what came of the export once it is over."""

    def __init__(self, source: SpanSource, finish_s: float = FINISH_S) -> None:
        self._source, self._finish_s = source, finish_s
        self._begun = False
        self._process: subprocess.Popen[bytes] | None = None
        self._requests = 0
        self.report: ExportReport | None = None

    def __enter__(self) -> Self:
        return self

    def begins(self, number: int, load: Load, of: int | None, stop: Stop) -> None:
        self._begun = True

    def goes_on(self, progress: Progress) -> None:
        pass

    def ends(self, level: LevelOnDisk) -> None:
        """Queue a level that was measured now; the queue is in a pipe, and the level on disk."""
        if not self._begun:
            return  # it was on disk when the run was continued
        self._begun = False
        self._requests += level.summary.errors.requests
        self._send([str(level.folder.resolve()), level.summary.errors.requests])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        process = self._process
        if process is None:
            return
        wait_s = self._finish_s if error is None else min(self._finish_s, INTERRUPTED_S)
        try:
            output, _ = process.communicate(timeout=wait_s)
            report = _report(output, "the exporter ended without a report")
        except (subprocess.TimeoutExpired, KeyboardInterrupt, OSError):
            why = f"the collector was too slow: not all was exported within {wait_s:g} s of the last level"
            report = replace(_report(_ended(process), why), problem=why)
        self.report = replace(report, requests=report.requests + self._requests - report.settled)

    def _send(self, message: object) -> None:
        try:
            if self._process is None:
                self._process = _start()
                self._send(self._source.to_json())
            pipe = self._process.stdin
            if pipe is not None:
                _write(pipe, message)
        except OSError:
            pass  # it ended; what it says at the end counts


def _report(output: bytes, otherwise: str) -> ExportReport:
    """The report of an exporting process; where it left none, one of nothing, with the reason."""
    try:
        return ExportReport.of_json(output)
    except (ValueError, TypeError, KeyError):
        return ExportReport(problem=otherwise)


def _ended(process: subprocess.Popen[bytes]) -> bytes:
    """End an exporter; the report of what it did until now, empty where it gives none."""
    process.terminate()
    try:
        return process.communicate(timeout=REPORT_S)[0]
    except (subprocess.TimeoutExpired, KeyboardInterrupt, OSError):
        process.kill()
        process.communicate()
        return b""


def _write(pipe: IO[bytes], message: object) -> None:
    pipe.write(orjson.dumps(message) + b"\n")
    pipe.flush()


def _start() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "paretoken.bench.telemetry.otel_export"]
    environment = {**os.environ, "POLARS_MAX_THREADS": "1"}  # it would take every core
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )


def check_installed() -> None:
    """BadConfig where the optional packages are missing."""
    try:
        installed = all(map(find_spec, ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")))
    except ModuleNotFoundError:
        installed = False
    if not installed:
        raise BadConfig("--otel needs OpenTelemetry's SDK and OTLP exporter: pip install 'paretoken[otel]'")
