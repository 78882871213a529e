"""What sessions get from the candidates of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from paretoken.answers.points import Data
from paretoken.answers.priced import PricedCandidate
from paretoken.answers.session_set import CandidateSession
from paretoken.points.selection import Selection

_SAME = ("accelerator", "engine", "origin")
"""Columns of a run by which a candidate has it, besides those of its recommended point."""
_OF_RUN = ("tp", "n_gpus", "software", "concurrency", "tput_per_gpu", "e2e_s")


def with_sessions_priced(
    candidates: Sequence[PricedCandidate], chosen: Selection, data: Data
) -> tuple[PricedCandidate, ...]:
    """The candidates, each with what a session of the data's workload gets; as they are without such a workload."""
    if data.sessions is None:
        return tuple(candidates)
    runs = data.rows(chosen).to_dicts()
    by_run = {tuple(run[name] for name in (*_SAME, *_OF_RUN)): run for run in runs}
    return tuple(replace(c, session=_outcome(c, by_run[_key(c)], data.sessions.tokens_per_session)) for c in candidates)


def _key(c: PricedCandidate) -> tuple[object, ...]:
    point: Mapping[str, object] = {**c.recommended}
    return (*(getattr(c, name) for name in _SAME), *(point[name] for name in _OF_RUN))


def _outcome(c: PricedCandidate, run: Mapping[str, float | None], tokens: float) -> CandidateSession:
    """Sessions per hour follow from the interpolated throughput, as the cost of tokens does."""
    usd = c.usd_per_mtok_total
    return CandidateSession(
        users=run["sessions"],
        usd_per_session=None if usd is None else usd * tokens / 1e6,
        sessions_per_gpu_hour=c.tput_per_gpu * 3600 / tokens,
        median_session_s=run["median_session_s"],
        p90_session_s=run["p90_session_s"],
        cached_share=run["cached_share"],
        possible_share=run["possible_share"],
    )
