"""A level summarised anew from its request records, with the functions that `bench` uses.

Taken as recorded, since no record holds them: the load and its end, the times on the client's clock, the labels of the
point, the client's own measurements, and the first and last readings of the server's counters.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import polars as pl

from paretoken.bench.config import BenchConfig
from paretoken.bench.level_context import compared_settings, why_failed
from paretoken.bench.plan import Closed, Load, LoadRecord, Open
from paretoken.bench.receipt import FigureInputs
from paretoken.bench.run_folder import LevelOnDisk
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.point import operating_point
from paretoken.bench.stats.scrape import Gauges, ServerMetrics, gauge_statistics
from paretoken.bench.stats.sessions.table import TracedSession
from paretoken.bench.stats.summary import LevelContext, summarise
from paretoken.bench.workload.ladder import parse_until
from paretoken.slo import MEASURED, parse_slos

OF_INPUTS = ("cache_hits", "left_out")
"""Warnings that follow from `FigureInputs`, which runs of earlier versions do not hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSettings:
    """What run.json says of every level."""

    config: BenchConfig
    seed: int
    traced: tuple[TracedSession, ...] = ()


def recomputed(level: LevelOnDisk, settings: RecordedSettings, inputs: FigureInputs | None) -> LevelSummary:
    """The summary that the records of a level give. Without `inputs` the warnings of OF_INPUTS are as recorded."""
    recorded, config = level.summary, settings.config
    requests = level.requests()
    context = _context(recorded, settings, inputs or FigureInputs())
    summary = summarise(
        requests,
        load_of(recorded.load),
        context,
        stop=recorded.stop,
        fidelity=recorded.fidelity,
        server=_server(recorded.server),
    )
    seconds = parse_until(config.until).seconds if config.until else None
    failed = why_failed(summary.errors, config.max_error_rate, seconds) or None
    summary = replace(
        summary,
        tool=recorded.tool,
        load=_load_sent(recorded.load, requests),
        fleet=recorded.fleet,
        failed=failed,
    )
    return summary if inputs else _with_warnings_of_inputs(summary, recorded)


def load_of(record: LoadRecord) -> Load:
    """The load as the functions of a level read it; they read no single arrival of an open loop."""
    if record.kind == "open":
        return Open(np.empty(0), record.rate or 0.0, sessions=bool(record.sessions))
    return Closed(record.users or 0, record.think_s or 0.0, record.from_users or 0, record.ramp_s or 0.0)


def _context(recorded: LevelSummary, settings: RecordedSettings, inputs: FigureInputs) -> LevelContext:
    config = settings.config
    ours = compared_settings(config)
    return LevelContext(
        columns=recorded.columns,
        # Earlier versions have fewer settings.
        config={name: ours.get(name) for name in recorded.config},
        times=recorded.run,
        seed=settings.seed,
        n_gpus=config.gpus,
        slos=parse_slos(config.slo, MEASURED),
        implied_hit_rate=inputs.implied_hit_rate,
        traced=settings.traced,
        beyond_context=inputs.beyond_context,
        context_tokens=inputs.context_tokens,
    )


def _server(recorded: ServerMetrics | None) -> ServerMetrics | None:
    """The server's metrics with its gauges computed from the readings, where these are kept."""
    if recorded is None or not recorded.series:
        return recorded
    names = [f.name for f in fields(Gauges)]
    gauges = Gauges(**{name: gauge_statistics(recorded.series.get(name, ())) for name in names})
    return replace(recorded, gauges=gauges)


def _load_sent(record: LoadRecord, requests: pl.DataFrame) -> LoadRecord:
    """The recorded load, with the users or arrivals that the records show where they are more than it has."""
    if record.kind == "open":
        more = record.arrivals is not None and not record.sessions and requests.height > record.arrivals
        return replace(record, arrivals=requests.height) if more else record
    users = requests.select("worker", "user").unique().height
    return replace(record, users=users) if users > (record.users or 0) else record


def _with_warnings_of_inputs(summary: LevelSummary, recorded: LevelSummary) -> LevelSummary:
    """The summary with those warnings of OF_INPUTS that are recorded, where they are recorded."""
    ours = iter([w for w in summary.warnings if w.code not in OF_INPUTS])
    kept = [w if w.code in OF_INPUTS else next(ours, None) for w in recorded.warnings]
    summary = replace(summary, warnings=(*(w for w in kept if w is not None), *ours))
    return replace(summary, point=operating_point(summary))
