"""The predicted points of a workload of sessions, and what an answer says of a session."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from paretoken.predict.deployment import Deployment


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SessionSet:
    """The points of a workload of sessions for one model and precision.

    `label` is its name in operating points. `isl` and `osl` are the mean lengths of its calls. `deployments` are those
    of the points; `why_not` says by accelerator why it has none. `tokens_per_session` counts the whole prompt and the
    output of each call.
    """

    workload: str
    label: str
    model: str
    precision: str
    isl: int
    osl: int
    tokens_per_session: float
    points: pl.DataFrame
    deployments: tuple[Deployment, ...] = ()
    why_not: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateSession:
    """What sessions get from a candidate: all from its recommended run, `usd_per_session` at full load.

    `users` are sessions at once on `gpus`. `settings` are those of the engine that differ from its defaults, and
    `predict_command` repeats the run; it is None for a measured one. `cached_share` and `possible_share` are shares of
    all prompt tokens: found in the cache, and what an endless one would hold. None where a run does not state it.
    """

    users: float | None
    gpus: int | None
    tp: int | None
    settings: dict[str, str]
    predict_command: str | None
    usd_per_session: float | None
    sessions_per_gpu_hour: float | None
    median_session_s: float | None
    p90_session_s: float | None
    cached_share: float | None
    possible_share: float | None
