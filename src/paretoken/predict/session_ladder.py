"""The load of a deployment by sessions, climbed until more of them at once serve less."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from paretoken.catalog.loader import Catalog
from paretoken.catalog.session_workload import SessionWorkload
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.session_points import SessionPrediction, more_sessions, predict_sessions, sessions_for
from paretoken.predict.traces.load import mean_call
from paretoken.sessions.generate import generated
from paretoken.sessions.graph import Session

USERS = tuple(2**n for n in range(11))
"""Sessions at once of the loads, unless the throughput falls before."""
FALL = 0.97
"""A load that serves less than this share of the most is the last."""
LOST, GROWTH = 0.985, 0.5
"""So is one that finds less than `LOST` of the possible hits and serves less than `GROWTH` of what further sessions
should add: contexts push each other out of the cache, and every further session costs the others more."""
SAMPLE_SESSIONS = 256
"""Sessions whose calls have the lengths and the tokens of a workload."""
SEED = 0


@dataclass(frozen=True, slots=True)
class SampledWorkload:
    """A workload within a context of tokens: mean lengths of its calls, its longest call, and tokens of a session."""

    workload: SessionWorkload
    context_tokens: int | None
    lengths: Lengths
    longest_tokens: int
    tokens_per_session: float

    def sessions(self, count: int) -> tuple[Session, ...]:
        """The first sessions, the same for every deployment."""
        return _sessions(self.workload, self.context_tokens, count)


@lru_cache(maxsize=8)
def sampled(workload: SessionWorkload, context_tokens: int | None) -> SampledWorkload:
    """The workload as its first sessions show it."""
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
def _sessions(workload: SessionWorkload, context_tokens: int | None, count: int) -> tuple[Session, ...]:
    return tuple(generated(workload, count, SEED, context_tokens=context_tokens))


def climb(
    deployment: Deployment,
    sample: SampledWorkload,
    *,
    users: tuple[int, ...] = USERS,
    calibration: Calibration | None = None,
    catalog: Catalog | None = None,
) -> Iterator[SessionPrediction]:
    """The predictions of a checked deployment by rising load, up to one at which more sessions do not help.

    The last one is between that load and the one before it.
    """
    best, before = 0.0, 0
    for at_once in users:
        yield (point := _at(deployment, sample, at_once, calibration, catalog))
        served = point.figures.total_tput_per_gpu
        if served < FALL * best or (before and _crowded(point, served / best - 1, at_once / before - 1)):
            between = round((at_once * before) ** 0.5)
            if between not in (before, at_once):
                yield _at(deployment, sample, between, calibration, catalog)
            return
        best, before = max(best, served), at_once


def _at(
    deployment: Deployment,
    sample: SampledWorkload,
    users: int,
    calibration: Calibration | None,
    catalog: Catalog | None,
) -> SessionPrediction:
    sessions, point = 0, None
    while point is None or (more := more_sessions(point, sessions)) > sessions:
        sessions = sessions_for(users) if point is None else more
        point = predict_sessions(
            deployment,
            sample.sessions(sessions),
            users,
            lengths=sample.lengths,
            tokens_per_session=sample.tokens_per_session,
            calibration=calibration,
            catalog=catalog,
        )
    return point


def _crowded(point: SessionPrediction, more_served: float, more_users: float) -> bool:
    """Whether contexts are lost and more sessions hardly serve more."""
    return point.found_share < LOST * point.possible_share and more_served < GROWTH * more_users
