"""The load of a deployment by sessions, climbed until more of them at once serve less."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import floor, log2

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.catalog.session_workload import SessionWorkload
from paretoken.predict.calibration.file import Calibration, shipped_calibration
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.session_points import (
    SessionPrediction,
    more_sessions,
    prediction_of,
    sessions_for,
    steady_figures,
)
from paretoken.predict.simulation.sources import SessionLoad
from paretoken.predict.traces.figures import SECONDS_PER_HOUR, SessionFigures
from paretoken.predict.traces.load import load_of, mean_call
from paretoken.predict.traces.server import TraceServer, trace_server
from paretoken.sessions.generate import generated
from paretoken.sessions.graph import Session
from paretoken.sessions.label import SAMPLE_SESSIONS, workload_label

MOST_USERS = 1024
"""Most sessions at once of a load."""
AROUND_TOP = (-19, -15, -11, -7, -3, -1, 0, 1, *range(2, 21, 2))
"""Loads, in factors of √2 of the one that fills the KV cache: close together where the throughput bends."""
FULL = 1.2
"""The highest load of the ladder, in sessions whose contexts fill the KV cache."""
FALL = 0.97
"""The ladder ends at a load that serves less than this share of the most."""
LOST, GROWTH = 0.985, 0.5
"""It ends at a load that finds less than `LOST` of the possible hits and serves less than `GROWTH` of what further
sessions should add: contexts push each other out of the cache, and every further session costs the others more."""
COSTLY = 3.0
"""It ends at a load that fills the cache, where the engine would work this many times as long without hits."""
FEW = 16
"""Not by `COSTLY` with fewer sessions: they fill the cache very unequally, and take little time to simulate."""
SEED = 0


@dataclass(frozen=True, slots=True)
class SampledWorkload:
    """A workload within a context of tokens: mean lengths of its calls, its longest call, and tokens of a session."""

    workload: SessionWorkload
    context_tokens: int | None
    seed: int
    lengths: Lengths
    longest_tokens: int
    tokens_per_session: float

    def label(self, key: str, sessions: int | None = None) -> str:
        """Its name in operating points; `sessions` where a number of them is played, and no more."""
        longest = self.longest_tokens if sessions is None else max(s.longest_tokens for s in self.sessions(sessions))
        return workload_label(key, self.workload, self.context_tokens, longest, sessions=sessions, seed=self.seed)

    def sessions(self, count: int) -> list[Session]:
        """The first sessions, the same for every deployment."""
        return _sessions(self.workload, self.context_tokens, self.seed, count)

    def load(self, users: int, sessions: int, idle_cap_s: float | None = None) -> SessionLoad:
        """The first sessions for this number of users."""
        return replace(_load(self.workload, self.context_tokens, self.seed, sessions, idle_cap_s), users=users)


@lru_cache(maxsize=8)
def sampled(workload: SessionWorkload, context_tokens: int | None, seed: int = SEED) -> SampledWorkload:
    """The workload with the figures of its first sessions."""
    sessions = _sessions(workload, context_tokens, seed, SAMPLE_SESSIONS)
    calls = [call for session in sessions for call in session.calls.values()]
    tokens = sum((call.input_tokens or 1) + (call.output_tokens or 1) for call in calls)
    return SampledWorkload(
        workload,
        context_tokens,
        seed,
        mean_call(sessions),
        max(session.longest_tokens for session in sessions),
        tokens / len(sessions),
    )


@lru_cache(maxsize=32)
def _load(
    workload: SessionWorkload, context_tokens: int | None, seed: int, count: int, idle_cap_s: float | None
) -> SessionLoad:
    return load_of(_sessions(workload, context_tokens, seed, count), users=1, idle_cap_s=idle_cap_s)


def _sessions(workload: SessionWorkload, context_tokens: int | None, seed: int, count: int) -> list[Session]:
    """The first sessions; those that an earlier call drew are kept."""
    drawn = _drawn(workload, context_tokens, seed)
    drawn += generated(workload, count, seed, context_tokens=context_tokens, first=len(drawn))
    return drawn[:count]


@lru_cache(maxsize=2)
def _drawn(workload: SessionWorkload, context_tokens: int | None, seed: int) -> list[Session]:
    return []


def sample_figures(
    deployment: Deployment,
    server: TraceServer,
    sample: SampledWorkload,
    users: int,
    *,
    sessions: int | None = None,
    idle_cap_s: float | None = None,
) -> SessionFigures:
    """The figures of `users` at once: of the first `sessions`, or else of as many as precise figures need.

    The rate of sessions is that of sessions with the workload's tokens, whatever those of the sample.
    """
    count, figures = 0, None
    while figures is None or (more := more_sessions(figures, count)) > count:
        count = sessions or (sessions_for(users) if figures is None else more)
        figures = steady_figures(deployment, server, sample.load(users, count, idle_cap_s))
        if sessions:
            break
    per_h = figures.total_tput_per_gpu * SECONDS_PER_HOUR / sample.tokens_per_session
    return replace(figures, sessions_per_gpu_h=per_h)


def climb(
    deployment: Deployment,
    sample: SampledWorkload,
    *,
    users: tuple[int, ...] | None = None,
    calibration: Calibration | None = None,
    catalog: Catalog | None = None,
) -> Iterator[SessionPrediction]:
    """The predictions of a checked deployment by rising load: those of `rising`."""
    catalog, calibration = catalog or load_catalog(), calibration or shipped_calibration()
    server = trace_server(deployment, sample.lengths, calibration=calibration, catalog=catalog)
    at = partial(sample_figures, deployment, server, sample)
    for at_once, figures in rising(at, server.room_tokens / sample.lengths.isl, users):
        yield prediction_of(
            deployment,
            server.replicas,
            at_once,
            sample.lengths,
            figures,
            tokens_per_session=sample.tokens_per_session,
            calibration=calibration,
            catalog=catalog,
        )


def rising(
    at: Callable[[int], SessionFigures], contexts: float, users: Sequence[int] | None = None
) -> Iterator[tuple[int, SessionFigures]]:
    """Sessions at once with the figures `at` them, up to a load at which more sessions do not help.

    `contexts` fill the KV cache. Without `users`, the loads are those of `ladder`. The last one is between the last of
    these and the one before it where they are more than a factor of √2 apart.
    """
    best, before = 0.0, 0
    for at_once in ladder(contexts) if users is None else users:
        figures = at(at_once)
        yield at_once, figures
        served = figures.total_tput_per_gpu
        if served < FALL * best or (before and _crowded(figures, served / best - 1, at_once / before - 1)):
            between = round((at_once * before) ** 0.5)
            if at_once > 1.5 * before and between not in (before, at_once):
                yield between, at(between)
            return
        if users is None and at_once >= FEW and at_once * 2**0.5 > FULL * contexts and _costly(figures):
            return
        best, before = max(best, served), at_once


def ladder(contexts: float) -> list[int]:
    """Sessions at once, rising, dense around those whose `contexts` fill the KV cache.

    Powers of √2, so that deployments share their loads.
    """
    top = floor(2 * log2(min(max(FULL * contexts, 1.0), MOST_USERS)) + 1e-9)
    loads = {round(2 ** ((top + step) / 2)) for step in AROUND_TOP if top + step >= 0}
    return sorted({1, *(n for n in loads if n <= MOST_USERS)})


def _crowded(f: SessionFigures, more_served: float, more_users: float) -> bool:
    """Whether contexts are lost and more sessions hardly serve more."""
    return f.hit_share < LOST * f.possible_share and more_served < GROWTH * more_users


def _costly(f: SessionFigures) -> bool:
    """Whether the engine would work much longer if no prompt found its context."""
    computed = f.computed_tput_per_gpu
    return 1 + f.prefill_share * f.hit_tput_per_gpu / max(computed, 1e-9) > COSTLY
