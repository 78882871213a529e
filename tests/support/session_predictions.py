"""Predictions of sessions on a deployment, and comparisons of them that stay in the process of the test."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest

from paretoken.answers import session_points
from paretoken.catalog.loader import Catalog
from paretoken.plan.parallel import map_all
from paretoken.predict.calibration.file import shipped_calibration
from paretoken.predict.deployment import Deployment
from paretoken.predict.session_ladder import climb
from paretoken.predict.session_points import SessionPrediction, prediction_of, steady_figures
from paretoken.predict.traces.load import load_of, mean_call
from paretoken.predict.traces.server import trace_server
from paretoken.sessions.graph import Session


def predict_sessions(
    deployment: Deployment,
    sessions: Sequence[Session],
    users: int,
    catalog: Catalog,
    *,
    prefix_cache: bool = True,
    tokens_per_session: float | None = None,
) -> SessionPrediction:
    """Sessions of `users` at once on a checked deployment, at the pace of the mean lengths of their calls."""
    lengths = mean_call(sessions)
    server = trace_server(deployment, lengths, prefix_cache=prefix_cache, catalog=catalog)
    load = load_of(sessions, users=users, idle_cap_s=None)
    return prediction_of(
        deployment,
        server.replicas,
        users,
        lengths,
        steady_figures(deployment, server, load),
        tokens_per_session=tokens_per_session,
        calibration=shipped_calibration(),
        catalog=catalog,
    )


def simulate_here(patch: pytest.MonkeyPatch, users: tuple[int, ...]) -> None:
    """Let comparisons simulate these loads of each deployment, in this process."""
    patch.setattr(session_points, "map_all", lambda *jobs, **how: map_all(*jobs, **how | {"processes": 1}))
    patch.setattr(session_points, "climb", partial(climb, users=users))
