"""The result of one load level: `summary.json` and its operating point, recomputed from the request records.

Everything here is a function of the records and of what the caller says about the run; no clock, no network.
The headline is that of the steady window; the whole run, the ramp and the tail stand beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import polars as pl

from paretoken import __version__
from paretoken.bench.plan import Load, Stop, describe_load
from paretoken.bench.stats import caveats
from paretoken.bench.stats.goodput import Slo, goodput
from paretoken.bench.stats.intervals import intervals
from paretoken.bench.stats.latency import Latency, latency
from paretoken.bench.stats.metrics import NS, Samples, sample
from paretoken.bench.stats.point import operating_point
from paretoken.bench.stats.steady import Window, find_window, latency_mask
from paretoken.bench.stats.throughput import Throughput, throughput, whole_run
from paretoken.points.statuses import OK, STATUSES

SUMMARY_VERSION = 1


@dataclass(frozen=True, slots=True)
class About:
    """What the records cannot tell: the columns of the operating point, the run's words, and what it promised.

    `columns` are stored columns of an operating point (accelerator, model, engine, isl, osl, tp, …);
    `config` must be equal for two runs to be compared, apart from the load; `run` is told as it is
    (command, host, clock, versions, server). `implied_hit_rate` is the share of prompt tokens that the
    workload itself repeats.
    """

    columns: Mapping[str, Any]
    config: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    n_gpus: int = 1
    slos: Sequence[Slo] = ()
    implied_hit_rate: float = 0.0
    bounds: caveats.Bounds = field(default_factory=caveats.Bounds)


def summarise(requests: pl.DataFrame, load: Load, about: About, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The summary of a request table, and its operating point; `more` as of `summarise_samples`."""
    return summarise_samples(sample(requests), requests, load, about, **more)


def summarise_samples(
    samples: Samples,
    told: pl.DataFrame,
    load: Load,
    about: About,
    *,
    stop: Stop | None = None,
    fidelity: Mapping[str, Any] | None = None,
    scrape: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The summary, ready for JSON, and one row of the schema of operating points.

    `told` are the requests' own words (`status`, `detail`, `due_ns`). `fidelity` is the client's own proof
    (`client_limited`, `reasons`, …), `scrape` what the server's counters said (`Scraped.as_dict()`).
    """
    window = find_window(samples, load, stop)
    chosen = latency_mask(samples, window, load)
    steady = throughput(samples, window.start_ns, window.end_ns)
    found = latency(samples, chosen, window.start_ns, window.end_ns)
    errors = error_counts(samples)
    warned = [
        *caveats.about_records(
            samples, chosen, window, errors, about.bounds, about.config.get("ignore_eos", True) is not False
        ),
        *caveats.about_client(fidelity),
        *caveats.about_server(scrape, about.implied_hit_rate, about.bounds),
        *caveats.about_quantiles(found.headline),
    ]
    lengths = _lengths(samples, chosen)
    summary = {
        **_preamble(about, load, stop),
        "window": _window(window, chosen, samples),
        "throughput": _throughput(samples, window, steady, about.n_gpus),
        "latency": found.as_dict(),
        "intervals": intervals(samples, window, chosen, about.seed),
        "whole_run": _whole(samples),
        "goodput": asdict(goodput(samples, tuple(about.slos), chosen, window.seconds)) if about.slos else None,
        "lengths": lengths,
        "errors": _errors(samples, errors, told),
        "server": scrape,
        "fidelity": fidelity,
        "warnings": [w.as_dict() for w in warned],
    }
    return summary, operating_point(about.columns, load, steady, found, lengths, about.n_gpus, warned)


def _preamble(about: About, load: Load, stop: Stop | None) -> dict[str, Any]:
    return {
        "schema": "paretoken.summary",
        "schema_version": SUMMARY_VERSION,
        "tool": {"name": "paretoken", "version": __version__},
        "run": dict(about.run),
        "seed": about.seed,
        "n_gpus": about.n_gpus,
        "columns": dict(about.columns),
        "config": dict(about.config),
        "load": describe_load(load),
        "stop": asdict(stop) if stop else None,
    }


def _window(window: Window, chosen: np.ndarray, samples: Samples) -> dict[str, Any]:
    return {
        "start_s": window.start_ns * NS,
        "end_s": window.end_ns * NS,
        "seconds": window.seconds,
        "steady": window.steady,
        "reason": window.reason,
        "enough": window.enough,
        "needs_s": window.needs_s,
        "requests": int((chosen & samples.ok).sum()),
        "mean_in_flight": window.mean_in_flight,
        "mean_active_users": window.mean_active,
        "trends": [asdict(t) for t in window.trends],
    }


def _throughput(samples: Samples, window: Window, steady: Throughput, n_gpus: int) -> dict[str, Any]:
    """The headline, and beside it the whole run as other tools count it, the ramp before and the tail after."""
    first, last = (int(samples.due_ns.min()) - 1, int(samples.end_ns.max())) if len(samples) else (0, 0)
    return {
        "n_gpus": n_gpus,
        "input_tokens_counted_at": "first token",
        "window": rates(steady, n_gpus),
        "whole_run": rates(whole_run(samples), n_gpus),
        "ramp": rates(throughput(samples, first, window.start_ns), n_gpus),
        "tail": rates(throughput(samples, window.end_ns, last), n_gpus),
    }


def rates(amounts: Throughput, n_gpus: int) -> dict[str, Any]:
    """Amounts and rates by name; each `…_per_gpu` is over `n_gpus`."""
    per_s = {k: getattr(amounts, k) for k in ("input_tok_s", "output_tok_s", "total_tok_s", "requests_s")}
    per_gpu = {f"{k}_per_gpu": None if v is None else v / n_gpus for k, v in per_s.items() if k != "requests_s"}
    return asdict(amounts) | per_s | per_gpu


def _whole(samples: Samples) -> dict[str, Any]:
    """Latency over every complete request, first to last."""
    last = int(samples.end_ns.max()) if len(samples) else 0
    found: Latency = latency(samples, np.ones(len(samples), dtype=bool), -1, last)
    return {"latency": found.as_dict()}


def _lengths(samples: Samples, chosen: np.ndarray) -> dict[str, Any]:
    """Mean lengths of the window, planned and real; the client's count of output tokens as a cross-check."""
    ok = chosen & samples.ok
    named = {
        "mean_isl": samples.isl,
        "mean_osl": samples.osl,
        "planned_isl": samples.planned_isl,
        "planned_osl": samples.planned_osl,
        "client_osl": samples.client_osl,
        "server_osl": samples.server_osl,
        "cached_tokens": samples.cached,
    }
    return {name: _mean(values[ok]) for name, values in named.items()}


def _mean(values: np.ndarray) -> float | None:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else None


def error_counts(samples: Samples) -> dict[str, int]:
    """How many requests ended in each way but well, in the order of reports."""
    counts = Counter(samples.status.tolist())
    return {status: counts[status] for status in STATUSES if status != OK and counts[status]}


def _errors(samples: Samples, errors: Mapping[str, int], told: pl.DataFrame) -> dict[str, Any]:
    """Failures by status, with the words of the first of each; `cancelled` are ours and no failures."""
    failed = sum(n for status, n in errors.items() if status != "cancelled")
    bad = told.filter(pl.col("status").is_in(list(errors))).sort("due_ns")
    words = bad.group_by("status", maintain_order=True).agg(pl.col("detail").drop_nulls().first())
    return {
        "requests": len(samples),
        "ok": int(samples.ok.sum()),
        "failed": failed,
        "rate": failed / len(samples) if len(samples) else 0.0,
        "by_status": dict(errors),
        "detail": dict(words.rows()),
    }
