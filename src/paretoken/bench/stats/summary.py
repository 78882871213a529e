"""The summary of one load level and its operating point, recomputed from the request records.

Everything here is a function of the request records and the context of the run; no clock, no network.
The headline is that of the steady window; the whole run, the ramp and the tail are beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from paretoken import __version__
from paretoken.bench.client.fidelity import Fidelity, without_merges
from paretoken.bench.plan import Load, Stop, describe_load
from paretoken.bench.stats import warnings
from paretoken.bench.stats.arrays import Floats, Mask
from paretoken.bench.stats.chunks import NS
from paretoken.bench.stats.goodput import Goodput, goodput
from paretoken.bench.stats.intervals import intervals
from paretoken.bench.stats.latency import latency, whole_run_latency
from paretoken.bench.stats.level_summary import (
    ErrorSummary,
    LevelSummary,
    LevelTimes,
    MeanLengths,
    ThroughputSummary,
    ToolVersion,
    WholeRun,
    WindowSummary,
)
from paretoken.bench.stats.metrics import Samples, sample
from paretoken.bench.stats.point import operating_point
from paretoken.bench.stats.record_warnings import record_warnings
from paretoken.bench.stats.scrape import ServerMetrics
from paretoken.bench.stats.sessions.judged import JudgedSessions
from paretoken.bench.stats.sessions.measured import MeasuredSession, measured_sessions
from paretoken.bench.stats.sessions.span import SessionSpan, session_span
from paretoken.bench.stats.sessions.summary import LevelSessions, summarise_sessions
from paretoken.bench.stats.sessions.table import TracedSession
from paretoken.bench.stats.speculation import speculation
from paretoken.bench.stats.steady import Window, find_window, latency_mask
from paretoken.bench.stats.throughput import throughput, whole_run
from paretoken.points.statuses import OK, STATUSES
from paretoken.slo import Slo


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelContext:
    """What the records do not hold: the columns of the operating point, the settings, the SLOs, when it ran.

    `columns` are stored columns of an operating point (accelerator, model, engine, isl, osl, tp, …). `config` must
    be equal for two runs to be compared, apart from the load. `implied_hit_rate` is the share of prompt tokens that
    the workload itself repeats. `traced` are the sessions that the load plays; `beyond_context` more exceed the
    server's context of `context_tokens` and are left out.
    """

    columns: Mapping[str, object]
    config: Mapping[str, object] = field(default_factory=dict)
    times: LevelTimes = field(default_factory=LevelTimes)
    seed: int = 0
    n_gpus: int = 1
    slos: Sequence[Slo] = ()
    implied_hit_rate: float = 0.0
    traced: Sequence[TracedSession] = ()
    beyond_context: int = 0
    context_tokens: int | None = None
    thresholds: warnings.WarningThresholds = field(default_factory=warnings.WarningThresholds)


def summarise(
    requests: pl.DataFrame,
    load: Load,
    context: LevelContext,
    *,
    stop: Stop | None = None,
    fidelity: Fidelity | None = None,
    server: ServerMetrics | None = None,
) -> LevelSummary:
    """The summary of a request table; the rest as of `summarise_samples`."""
    return summarise_samples(sample(requests), requests, load, context, stop=stop, fidelity=fidelity, server=server)


def summarise_samples(
    samples: Samples,
    outcomes: pl.DataFrame,
    load: Load,
    context: LevelContext,
    *,
    stop: Stop | None = None,
    fidelity: Fidelity | None = None,
    server: ServerMetrics | None = None,
) -> LevelSummary:
    """The summary with its operating point.

    `outcomes` is how the requests ended (`status`, `detail`, `due_ns`), `fidelity` the client's own measurements,
    `server` the servers' metrics.
    """
    window = find_window(samples, load, stop)
    chosen = latency_mask(samples, window, load)
    played = measured_sessions(samples, context.traced) if context.traced else ()
    span = session_span(played, window)
    sessions = _sessions(samples, played, span, context, server)
    summary = LevelSummary(
        tool=ToolVersion(version=__version__),
        run=context.times,
        seed=context.seed,
        n_gpus=context.n_gpus,
        columns=dict(context.columns),
        config=dict(context.config),
        load=describe_load(load),
        stop=stop,
        window=_window(window, chosen, samples),
        throughput=_throughput(samples, window, context.n_gpus),
        latency=latency(samples, chosen, window.start_ns, window.end_ns),
        intervals=intervals(samples, window, chosen, context.seed),
        whole_run=WholeRun(whole_run_latency(samples)),
        goodput=_goodput(samples, chosen, window, context.slos, played, span),
        lengths=_lengths(samples, chosen),
        errors=_errors(samples, outcomes),
        server=server,
        speculation=speculation(server, _on_clock(window, context.times), _drafted_tokens(context.columns)),
        sessions=sessions,
        fidelity=fidelity,
        warnings=(),
    )
    level_warnings, fidelity = _judged(summary, samples, chosen, window, context)
    summary = replace(summary, warnings=level_warnings, fidelity=fidelity)
    return replace(summary, point=operating_point(summary))


def _judged(
    summary: LevelSummary, samples: Samples, chosen: Mask, window: Window, context: LevelContext
) -> tuple[tuple[warnings.LevelWarning, ...], Fidelity | None]:
    """The warnings of a level, and the client's measurements, whose verdict depends on them."""
    fidelity = summary.fidelity
    of_records = tuple(
        record_warnings(
            samples,
            chosen,
            window,
            summary.errors.by_status,
            context.thresholds,
            ignore_eos=context.config.get("ignore_eos", True) is not False,
            stream=context.config.get("stream", True) is not False,
        )
    )
    if fidelity and fidelity.client_limited and any(w.code == "buffered" for w in of_records):
        fidelity = without_merges(fidelity)
    level_warnings = (
        *of_records,
        *warnings.left_out_warnings(
            context.beyond_context, context.beyond_context + len(context.traced), context.context_tokens
        ),
        *warnings.client_warnings(fidelity),
        *warnings.server_warnings(summary.server, _implied_hit_rate(context, summary.sessions), context.thresholds),
        *warnings.speculation_warnings(summary.speculation, context.columns),
        *warnings.quantile_warnings(summary.latency.by_metric),
    )
    return level_warnings, fidelity


def _sessions(
    samples: Samples,
    played: Sequence[MeasuredSession],
    span: SessionSpan,
    context: LevelContext,
    server: ServerMetrics | None,
) -> LevelSessions | None:
    """The figures of the sessions, None where the load has none or none was begun."""
    if not played:
        return None
    return summarise_sessions(samples, played, span, context.n_gpus, server, context.seed)


def _goodput(
    samples: Samples,
    chosen: Mask,
    window: Window,
    slos: Sequence[Slo],
    played: Sequence[MeasuredSession],
    span: SessionSpan,
) -> Goodput | None:
    if not slos:
        return None
    judged = JudgedSessions.of(played, span, [slo.bound_s for slo in slos if slo.of_sessions])
    return goodput(samples, tuple(slos), chosen, window.seconds, judged)


def _implied_hit_rate(context: LevelContext, sessions: LevelSessions | None) -> float:
    """The share of prompt tokens that the workload repeats: of sessions, what an endless cache holds."""
    possible = sessions.reuse.possible_share if sessions else None
    return context.implied_hit_rate if possible is None else possible


def _window(window: Window, chosen: Mask, samples: Samples) -> WindowSummary:
    return WindowSummary(
        start_s=window.start_ns * NS,
        end_s=window.end_ns * NS,
        seconds=window.seconds,
        steady=window.steady,
        reason=window.reason,
        enough=window.enough,
        needs_s=window.needs_s,
        requests=int((chosen & samples.ok).sum()),
        mean_in_flight=window.mean_in_flight,
        mean_active_users=window.mean_active,
        trends=window.trends,
    )


def _drafted_tokens(columns: Mapping[str, object]) -> int | None:
    """K as the configuration states it."""
    tokens = columns.get("speculative_tokens")
    return tokens if isinstance(tokens, int) else None


def _on_clock(window: Window, times: LevelTimes) -> tuple[float, float] | None:
    """The window on the clock of this machine, s."""
    start_s = times.t0_monotonic_s
    return None if start_s is None else (start_s + window.start_ns * NS, start_s + window.end_ns * NS)


def _throughput(samples: Samples, window: Window, n_gpus: int) -> ThroughputSummary:
    first, last = (int(samples.due_ns.min()) - 1, int(samples.end_ns.max())) if len(samples) else (0, 0)
    return ThroughputSummary(
        n_gpus=n_gpus,
        input_tokens_counted_at="first token",
        window=throughput(samples, window.start_ns, window.end_ns, n_gpus),
        whole_run=whole_run(samples, n_gpus),
        ramp=throughput(samples, first, window.start_ns, n_gpus),
        tail=throughput(samples, window.end_ns, last, n_gpus),
    )


def _lengths(samples: Samples, chosen: Mask) -> MeanLengths:
    ok = chosen & samples.ok
    return MeanLengths(
        mean_isl=_mean(samples.isl[ok]),
        mean_osl=_mean(samples.osl[ok]),
        planned_isl=_mean(samples.planned_isl[ok]),
        planned_osl=_mean(samples.planned_osl[ok]),
        client_osl=_mean(samples.client_osl[ok]),
        server_osl=_mean(samples.server_osl[ok]),
        cached_tokens=_mean(samples.cached[ok]),
    )


def _mean(values: Floats) -> float | None:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else None


def error_counts(samples: Samples) -> dict[str, int]:
    """The number of requests by status for every status but ok, in the order of reports."""
    counts = Counter(samples.status.tolist())
    return {status: counts[status] for status in STATUSES if status != OK and counts[status]}


def _errors(samples: Samples, outcomes: pl.DataFrame) -> ErrorSummary:
    errors = error_counts(samples)
    failed = sum(n for status, n in errors.items() if status != "cancelled")
    ok = int(samples.ok.sum())
    bad = outcomes.filter(pl.col("status").is_in(list(errors))).sort("due_ns")
    details = bad.group_by("status", maintain_order=True).agg(pl.col("detail").drop_nulls().first())
    return ErrorSummary(
        requests=len(samples),
        ok=ok,
        failed=failed,
        rate=failed / (ok + failed) if ok + failed else 0.0,
        by_status=errors,
        detail=dict(details.rows()),
    )
