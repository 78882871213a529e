"""`bench --otel` and `--metrics-port`: what other programs see of a run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from paretoken.cli import options
from paretoken.cli.output import echo
from paretoken.errors import BadConfig
from paretoken.version import __version__

if TYPE_CHECKING:
    from paretoken.bench.begin import Run
    from paretoken.bench.telemetry.otel_watch import OtelWatch
    from paretoken.bench.watch import Watch

telemetry_options = options.stack(
    click.option(
        "--otel",
        is_flag=False,
        flag_value="",
        metavar="[URL]",
        help="Export spans and metrics of each finished level to an OpenTelemetry collector (OTLP over HTTP).  "
        "[default URL: OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4318]",
    ),
    click.option(
        "--metrics-port",
        metavar="[HOST:]PORT",
        help="Serve the figures of the running benchmark to Prometheus, at /metrics on this machine.",
    ),
)


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Where the figures of a run go: a collector, "" for that of the environment; a port."""

    otel: str | None = None
    metrics_port: str | None = None

    def check(self, urls: Sequence[str], resume: Path | None, *, measures: bool) -> None:
        """BadConfig, before a run begins, for a place that cannot be had, or where nothing is measured.

        --otel may also have taken the URL of the server for its own.
        """
        if (self.otel is not None or self.metrics_port is not None) and not measures:
            raise BadConfig("--otel and --metrics-port need a benchmark; leave them out of --compare and selftest")
        if self.otel and not urls and not resume:
            raise BadConfig(
                f"--otel takes {self.otel} as the collector, so there is no URL to measure; write that URL first: "
                "paretoken bench URL --otel"
            )
        if self.otel is not None:
            from paretoken.bench.telemetry.otel_watch import check_installed
            from paretoken.bench.telemetry.span_source import checked_collector

            check_installed()
            checked_collector(self.otel)
        if self.metrics_port is not None:
            from paretoken.bench.telemetry.endpoint import TOKEN, check_place

            check_place(self.metrics_port, os.environ.get(TOKEN, ""))

    @contextmanager
    def watching(self, run: Run, view: Watch) -> Iterator[Watch]:
        """The view, and beside it what is asked for."""
        if self.otel is None and self.metrics_port is None:
            yield view
            return
        from paretoken.bench.telemetry.watches import Watches

        with ExitStack() as stack:
            watches: list[Watch] = [view]
            if self.otel is not None:
                exporter = _exporter(run, self.otel)
                stack.callback(_say, exporter)
                watches.append(stack.enter_context(exporter))
            if self.metrics_port is not None:
                watches.append(stack.enter_context(_scraped(run, self.metrics_port)))
            yield Watches(watches)


def _say(exporter: OtelWatch) -> None:
    if exporter.report is not None:
        echo(exporter.report.sentence, err=True)


def _exporter(run: Run, collector: str) -> OtelWatch:
    from paretoken.bench.telemetry.otel_watch import OtelWatch
    from paretoken.bench.telemetry.span_source import span_source

    return OtelWatch(span_source(run.setup, run.folder.folder.resolve().name, collector))


@contextmanager
def _scraped(run: Run, place: str) -> Iterator[Watch]:
    from paretoken.bench.telemetry.endpoint import TOKEN, metrics_endpoint
    from paretoken.bench.telemetry.live_figures import LiveFigures

    about = {
        "version": __version__,
        "run": run.folder.folder.resolve().name,
        "model": run.setup.endpoints[0].model,
        "origin": run.setup.origin,
    }
    figures = LiveFigures(run.folder, about)
    with metrics_endpoint(figures.text, place, os.environ.get(TOKEN, "")) as url:
        echo(f"note: metrics for Prometheus at {url}", err=True)
        yield figures
