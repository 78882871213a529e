"""What sessions get from the candidates of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from paretoken.answers.points import Data
from paretoken.answers.priced import PricedCandidate
from paretoken.answers.session_set import CandidateSession
from paretoken.points.selection import Selection
from paretoken.prices.cost import usd_per_session

_SAME = ("accelerator", "engine", "origin")
"""Columns that identify the run of a candidate, with those of its recommended point below."""
_OF_RUN = ("tp", "n_gpus", "software", "concurrency", "tput_per_gpu", "e2e_s")


def with_sessions_priced(
    candidates: Sequence[PricedCandidate], chosen: Selection, data: Data
) -> tuple[PricedCandidate, ...]:
    """The candidates with the figures of a session; unchanged without a workload of sessions."""
    if data.sessions is None:
        return tuple(candidates)
    runs = data.rows(chosen).to_dicts()
    by_run = {tuple(run[name] for name in (*_SAME, *_OF_RUN)): run for run in runs}
    return tuple(replace(c, session=_outcome(c, by_run[_key(c)])) for c in candidates)


def _key(c: PricedCandidate) -> tuple[object, ...]:
    point: Mapping[str, object] = {**c.recommended}
    return (*(getattr(c, name) for name in _SAME), *(point[name] for name in _OF_RUN))


def _outcome(c: PricedCandidate, run: Mapping[str, float | None]) -> CandidateSession:
    """Every figure is that of the run, whose sessions may have other lengths than the mean of the workload."""
    per_hour = run["sessions_per_gpu_hour"]
    usd = None if c.usd_per_gpu_h is None or not per_hour else usd_per_session(c.usd_per_gpu_h, per_hour)
    return CandidateSession(
        users=run["sessions"],
        usd_per_session=usd,
        sessions_per_gpu_hour=per_hour,
        median_session_s=run["median_session_s"],
        p90_session_s=run["p90_session_s"],
        cached_share=run["cached_share"],
        possible_share=run["possible_share"],
    )
