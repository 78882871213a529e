"""The load of a deployment by sessions, climbed until more of them at once serve less."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from math import floor, log2

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.catalog.session_workload import SessionWorkload
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.session_points import SessionPrediction, more_sessions, predict_load, sessions_for
from paretoken.predict.simulation.sources import SessionLoad
from paretoken.predict.traces.load import load_of, mean_call
from paretoken.predict.traces.server import trace_server
from paretoken.sessions.generate import generated
from paretoken.sessions.graph import Session

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
SAMPLE_SESSIONS = 256
"""Sessions that give a workload its mean lengths and its tokens per session."""
SEED = 0


@dataclass(frozen=True, slots=True)
class SampledWorkload:
    """A workload within a context of tokens: mean lengths of its calls, its longest call, and tokens of a session."""

    workload: SessionWorkload
    context_tokens: int | None
    lengths: Lengths
    longest_tokens: int
    tokens_per_session: float

    def load(self, users: int, sessions: int) -> SessionLoad:
        """The first sessions, the same for every deployment, for this number of users."""
        return replace(_load(self.workload, self.context_tokens, sessions), users=users)


@lru_cache(maxsize=8)
def sampled(workload: SessionWorkload, context_tokens: int | None) -> SampledWorkload:
    """The workload with the figures of its first sessions."""
    sessions = _sessions(workload, context_tokens, SAMPLE_SESSIONS)
    calls = [call for session in sessions for call in session.calls.values()]
    tokens = sum((call.input_tokens or 1) + (call.output_tokens or 1) for call in calls)
    return SampledWorkload(
        workload,
        context_tokens,
        mean_call(sessions),
        max(session.longest_tokens for session in sessions),
        tokens / len(sessions),
    )


@lru_cache(maxsize=32)
def _load(workload: SessionWorkload, context_tokens: int | None, count: int) -> SessionLoad:
    return load_of(_sessions(workload, context_tokens, count), users=1, idle_cap_s=None)


def _sessions(workload: SessionWorkload, context_tokens: int | None, count: int) -> list[Session]:
    """The first sessions; those that an earlier call drew are kept."""
    drawn = _drawn(workload, context_tokens)
    drawn += generated(workload, count, SEED, context_tokens=context_tokens, first=len(drawn))
    return drawn[:count]


@lru_cache(maxsize=2)
def _drawn(workload: SessionWorkload, context_tokens: int | None) -> list[Session]:
    return []


def climb(
    deployment: Deployment,
    sample: SampledWorkload,
    *,
    users: tuple[int, ...] | None = None,
    calibration: Calibration | None = None,
    catalog: Catalog | None = None,
) -> Iterator[SessionPrediction]:
    """The predictions of a checked deployment by rising load, up to one at which more sessions do not help.

    Without `users`, the loads are those of `ladder`. The last one is between the last of these and the one before it
    where they are more than a factor of √2 apart.
    """
    catalog = catalog or load_catalog()
    server = trace_server(deployment, sample.lengths, calibration=calibration, catalog=catalog)
    contexts = server.room_tokens / sample.lengths.isl

    def at(count: int) -> SessionPrediction:
        sessions, point = 0, None
        while point is None or (more := more_sessions(point, sessions)) > sessions:
            sessions = sessions_for(count) if point is None else more
            point = predict_load(
                deployment,
                server,
                sample.load(count, sessions),
                sample.lengths,
                tokens_per_session=sample.tokens_per_session,
                calibration=calibration,
                catalog=catalog,
            )
        return point

    best, before = 0.0, 0
    for at_once in ladder(contexts) if users is None else users:
        yield (point := at(at_once))
        served = point.figures.total_tput_per_gpu
        if served < FALL * best or (before and _crowded(point, served / best - 1, at_once / before - 1)):
            between = round((at_once * before) ** 0.5)
            if at_once > 1.5 * before and between not in (before, at_once):
                yield at(between)
            return
        if users is None and at_once >= FEW and at_once * 2**0.5 > FULL * contexts and _costly(point):
            return
        best, before = max(best, served), at_once


def ladder(contexts: float) -> list[int]:
    """Sessions at once, rising, dense around those whose `contexts` fill the KV cache.

    Powers of √2, so that deployments share their loads.
    """
    top = floor(2 * log2(min(max(FULL * contexts, 1.0), MOST_USERS)) + 1e-9)
    loads = {round(2 ** ((top + step) / 2)) for step in AROUND_TOP if top + step >= 0}
    return sorted({1, *(n for n in loads if n <= MOST_USERS)})


def _crowded(point: SessionPrediction, more_served: float, more_users: float) -> bool:
    """Whether contexts are lost and more sessions hardly serve more."""
    f = point.figures
    return f.hit_share < LOST * f.possible_share and more_served < GROWTH * more_users


def _costly(point: SessionPrediction) -> bool:
    """Whether the engine would work much longer if no prompt found its context."""
    f = point.figures
    computed = f.computed_tput_per_gpu
    return 1 + f.prefill_share * f.hit_tput_per_gpu / max(computed, 1e-9) > COSTLY
