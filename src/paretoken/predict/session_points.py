"""Predicted operating points of sessions: a deployment that many sessions use at once, with its prefix cache simulated.

The interval of throughput is that of a closed loop of independent requests with the mean lengths of the calls, as many
as are in service, widened by the error of the sample of sessions: no measured point of sessions was held out to find
its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, log2

import numpy as np
import polars as pl

from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig
from paretoken.points.schema import conform
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.deployment import Case, Deployment, Lengths
from paretoken.predict.predictor import band_of, novelty
from paretoken.predict.request import LENGTH_RANGE_RATIO
from paretoken.predict.rows import SOURCE, configuration_columns, new_kinds
from paretoken.predict.simulation.sources import SessionLoad
from paretoken.predict.traces.figures import ALL, SECONDS_PER_HOUR, Quantiles, SessionFigures
from paretoken.predict.traces.server import TraceServer
from paretoken.significant import significant

SESSIONS_EACH, FEWEST_SESSIONS = 4, 32
"""Sessions that a point simulates: of each user, and at least."""
PRECISE = 0.05
"""Relative standard error of throughput, and share of session time with idle users, that need no more sessions."""
MOST_CALLS = 30_000
"""No sessions are added beyond this number of calls of a simulation: some seconds of one core."""
MOST_AT_ONCE = 8
"""Largest factor of sessions from one simulation to the next."""
LICENCE = "Apache-2.0; calibrated on published points, see ATTRIBUTION"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPrediction:
    """`replicas` of a deployment that `users` sessions use at once.

    `lengths` are the mean ones of the calls. `tokens_per_session` are those of the workload; throughput over them is
    the rate of sessions. `bands` are the ends of the 90 % intervals of a call's latencies as ln of factors, by
    `tpot`, `ttft`, `e2e`; `new` are the kinds of the case that the calibration has no data for.
    """

    deployment: Deployment
    replicas: int
    users: int
    lengths: Lengths
    figures: SessionFigures
    tokens_per_session: float
    bands: Mapping[str, tuple[float, float]]
    new: tuple[str, ...]

    @property
    def tput_90(self) -> tuple[float, float]:
        """The 90 % interval of the total throughput, tok/s/GPU, the error of the sample included."""
        return self.figures.tput_90(self.bands["e2e"])

    @property
    def sessions_per_gpu_h(self) -> float:
        """Sessions per hour and GPU at the total throughput."""
        return self.figures.total_tput_per_gpu * SECONDS_PER_HOUR / self.tokens_per_session


def sessions_for(users: int) -> int:
    """Sessions that a point with this number of users should simulate at first."""
    return max(SESSIONS_EACH * users, FEWEST_SESSIONS)


def steady(users: int, sessions: int) -> slice:
    """The sessions that count: neither the first of each user, whose contexts are all young at once, nor the last
    quarter, which keeps users busy until those before have ended. All where there are fewer than `sessions_for` users.
    """
    return slice(users, sessions - sessions // 4) if sessions >= sessions_for(users) else ALL


def more_sessions(f: SessionFigures, sessions: int) -> int:
    """How many sessions figures of `sessions` need for `PRECISE`, within `MOST_CALLS`; as many where these do."""
    factor = max((f.tput_error / PRECISE) ** 2, f.ending_share / PRECISE)
    affordable = MOST_CALLS * f.sessions / f.calls / sessions
    if not factor > 1 or affordable < 2:
        return sessions
    return sessions << floor(log2(min(max(factor, 2), affordable, MOST_AT_ONCE)))


def steady_figures(deployment: Deployment, server: TraceServer, load: SessionLoad) -> SessionFigures:
    """The figures of the steady sessions of a load of users on the server of a checked deployment.

    BadConfig where a call does not fit.
    """
    longest = int((load.input_tokens + load.output_tokens).max())
    if longest > server.most_tokens:
        raise BadConfig(_no_room(deployment, server, longest))
    return server.figures(load, steady(load.users or 0, len(load.first) - 1))


def _no_room(deployment: Deployment, server: TraceServer, longest: int) -> str:
    """What a call exceeds, and what makes room for it."""
    call = f"one call has {longest:,} tokens, but"
    if server.by_context:
        return (
            f"{call} the context of {deployment.model} is {server.most_tokens:,}; choose a workload of shorter "
            "contexts, or a model of a longer one"
        )
    return (
        f"{call} the KV cache of {deployment.hardware} with {deployment.model} has room for {server.most_tokens:,}; "
        "serve it on more GPUs, by a larger --tp, or lower --max-model-len"
    )


def prediction_of(
    deployment: Deployment,
    replicas: int,
    users: int,
    lengths: Lengths,
    figures: SessionFigures,
    *,
    tokens_per_session: float | None = None,
    calibration: Calibration,
    catalog: Catalog,
) -> SessionPrediction:
    """The prediction with the figures of a simulation; `tokens_per_session` are by default those of its sessions."""
    calls = figures.calls_in_service / replicas
    new, bands = doubts_of_calls(deployment, lengths, calls, calibration, catalog)
    return SessionPrediction(
        deployment=deployment,
        replicas=replicas,
        users=users,
        lengths=lengths,
        figures=figures,
        tokens_per_session=tokens_per_session or (figures.prompt_tokens + figures.output_tokens) / figures.sessions,
        bands=bands,
        new=tuple(new),
    )


def doubts_of_calls(
    deployment: Deployment, lengths: Lengths, calls: float, calibration: Calibration, catalog: Catalog
) -> tuple[list[str], Mapping[str, tuple[float, float]]]:
    """The kinds new to the calibration and the bands of a closed loop of `calls` independent requests."""
    alike = Lengths(lengths.isl, lengths.osl, LENGTH_RANGE_RATIO)
    case = Case(deployment=deployment, lengths=alike, concurrency=max(calls, 1.0))
    return new_kinds(novelty(case, calibration)), band_of(case, calibration, catalog=catalog)


def session_points(predictions: Sequence[SessionPrediction], workload: str, catalog: Catalog) -> pl.DataFrame:
    """An operating point of the workload for each prediction. Total throughput counts prompt tokens found in caches."""
    return conform(pl.DataFrame([_row(p, workload, catalog) for p in predictions], infer_schema_length=None))


def _row(p: SessionPrediction, workload: str, catalog: Catalog) -> dict[str, object]:
    f, (low, high) = p.figures, p.tput_90
    case = Case(deployment=p.deployment, lengths=p.lengths, concurrency=f.calls_in_service, replicas=p.replicas)
    return {
        **configuration_columns(case, catalog),
        "origin": "predicted",
        "source": SOURCE,
        "licence": LICENCE,
        "notes": f"{f.sessions} sessions; 90 % interval of throughput, as of independent requests and of this sample, "
        f"{significant(low)} to {significant(high)} tok/s/GPU; "
        f"new to the calibration: {', '.join(('sessions', *p.new))}",
        "workload": workload,
        "mean_isl": f.prompt_tokens / f.calls,
        "mean_osl": f.output_tokens / f.calls,
        "load_kind": "closed",
        "sessions": float(p.users),
        "total_tput_per_gpu_tok_s": f.total_tput_per_gpu,
        "total_tput_per_gpu_tok_s_lo": low,
        "total_tput_per_gpu_tok_s_hi": high,
        "input_tput_per_gpu_tok_s": f.computed_tput_per_gpu + f.hit_tput_per_gpu,
        "output_tput_per_gpu_tok_s": f.output_tput_per_gpu,
        **_latency("ttft", f.ttft_s),
        **_latency("tpot", f.tpot_s),
        **_latency("e2e", f.e2e_s),
        **_latency("session", f.session_s),
        "sessions_per_gpu_hour": p.sessions_per_gpu_h,
        "cached_share": f.hit_share,
        "possible_share": f.possible_share,
    }


def _latency(name: str, quantiles: Quantiles) -> dict[str, float | None]:
    """Columns of a latency; None where nothing has it."""
    names = {"median": "p50", "mean": "mean", "p90": "p90", "p95": "p95", "p99": "p99"}
    return {f"{column}_{name}_s": None if np.isnan(quantiles[key]) else quantiles[key] for column, key in names.items()}
