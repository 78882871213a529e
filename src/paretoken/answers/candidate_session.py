"""What sessions get from the candidates of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from paretoken.answers.points import Data
from paretoken.answers.predict_command import predict_command, stated_settings
from paretoken.answers.priced import PricedCandidate
from paretoken.answers.session_set import CandidateSession
from paretoken.points.selection import Selection
from paretoken.prices.cost import usd_per_session
from paretoken.prices.tariff import tariff

_SAME = ("accelerator", "engine", "origin")
"""Columns that identify the run of a candidate, with those of its recommended point below."""
_OF_RUN = ("tp", "n_gpus", "software", "concurrency", "tput_per_gpu", "e2e_s")


def with_sessions_priced(
    candidates: Sequence[PricedCandidate], chosen: Selection, data: Data, catalog: Sequence[Path] = ()
) -> tuple[PricedCandidate, ...]:
    """The candidates with the figures of a session; unchanged without a workload of sessions.

    `catalog` are the folders of the question, which a command that repeats a run needs.
    """
    if (sessions := data.sessions) is None:
        return tuple(candidates)
    listed = tariff(data.catalog).usd_per_gpu_h
    runs = data.rows(chosen).to_dicts()
    by_run = {tuple(run[name] for name in (*_SAME, *_OF_RUN)): run for run in runs}
    of_size = {(d.accelerator, d.engine, d.gpus, d.tp): d for d in sessions.deployments}

    def outcome(c: PricedCandidate) -> CandidateSession:
        run = by_run[_key(c)]
        predicted = c.origin == "predicted" and run["sessions"]
        d = of_size.get((c.accelerator, c.engine, run["n_gpus"], run["tp"])) if predicted else None
        own_usd = None if c.usd_per_gpu_h == listed.get(c.accelerator) else c.usd_per_gpu_h
        if d is None:
            return _outcome(c, run, {}, None)
        command = predict_command(d, sessions.workload, run["sessions"], catalog=catalog, usd_per_gpu_h=own_usd)
        return _outcome(c, run, stated_settings(d), command)

    return tuple(replace(c, session=outcome(c)) for c in candidates)


def _key(c: PricedCandidate) -> tuple[object, ...]:
    point: Mapping[str, object] = {**c.recommended}
    return (*(getattr(c, name) for name in _SAME), *(point[name] for name in _OF_RUN))


def _outcome(
    c: PricedCandidate, run: Mapping[str, Any], settings: dict[str, str], command: str | None
) -> CandidateSession:
    """Every figure is that of the run, whose sessions may have other lengths than the mean of the workload."""
    per_hour = run["sessions_per_gpu_hour"]
    usd = None if c.usd_per_gpu_h is None or not per_hour else usd_per_session(c.usd_per_gpu_h, per_hour)
    return CandidateSession(
        users=run["sessions"],
        gpus=run["n_gpus"],
        tp=run["tp"],
        settings=settings,
        predict_command=command,
        usd_per_session=usd,
        sessions_per_gpu_hour=per_hour,
        median_session_s=run["median_session_s"],
        p90_session_s=run["p90_session_s"],
        cached_share=run["cached_share"],
        possible_share=run["possible_share"],
    )
