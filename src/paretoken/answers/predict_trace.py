"""Recorded sessions on a predicted server: session time, latency by turn, throughput, and what the cache finds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from paretoken.answers.deployment_row import DeploymentRow, deployment_fields
from paretoken.answers.predict import write_operating_points
from paretoken.answers.prediction import PredictionData
from paretoken.answers.rows import Row
from paretoken.answers.takes import takes
from paretoken.answers.trace_figures import INTERVALS, TraceFigures, trace_figures
from paretoken.answers.trace_prices import SessionPrices, session_prices
from paretoken.answers.trace_question import ReplayQuestion
from paretoken.answers.trace_replays import (
    Progress,
    ReplayOutcome,
    ReplaySetting,
    few_sessions,
    read_replay,
    replay_settings,
    replayed,
)
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.answers.workload_sample import workload_sample
from paretoken.errors import BadConfig
from paretoken.predict.rows import SOURCE
from paretoken.predict.session_points import SessionPrediction, prediction_of, session_points
from paretoken.sessions.graph import SessionTrace
from paretoken.sessions.label import trace_label


@dataclass(frozen=True, kw_only=True)
class PredictTraceQuestion(ReplayQuestion):
    """How does a deployment serve recorded sessions, or those of a workload?"""

    out: Annotated[
        Path | None, Field(description="Write the operating points at each concurrency: .parquet or .csv")
    ] = None

    def check(self) -> None:
        """BadConfig also for operating points without a concurrency."""
        super().check()
        if self.out and not self.concurrency:
            raise BadConfig("--out takes operating points at a --concurrency; state the concurrent sessions")


@dataclass(frozen=True, kw_only=True)
class ReplayRow(SessionPrices, TraceFigures, DeploymentRow):
    """One deployment under one load. `concurrency` counts sessions, None at recorded times.

    `or_more` says that a search within an SLO ended at all sessions at once, or at the most that it tries. `too_long`
    sessions were left out, since a call of theirs exceeds `most_tokens`, input and output. `routing` is "" on one
    replica. Cache sizes are those of one replica.
    """

    concurrency: int | None
    or_more: bool
    routing: str
    prefix_cache: bool
    host_cache_gb: float
    ssd_cache_gb: float
    most_tokens: int
    too_long: int


@dataclass(frozen=True, kw_only=True)
class UnmetReplayRow(DeploymentRow):
    """A deployment on which one session alone misses the SLO."""

    concurrency: int = 0


@dataclass(frozen=True, kw_only=True)
class PredictTraceAnswer(TypedAnswer):
    """One row for each deployment and load. `notes` say how the trace was read, and what was left out or assumed."""

    TABLE: ClassVar[str] = "rows"
    STATED: ClassVar[Row] = {"origin": "predicted", "source": SOURCE}
    rows: tuple[ReplayRow | UnmetReplayRow, ...]
    notes: tuple[str, ...]


@takes(PredictTraceQuestion)
def predict_trace(
    question: PredictTraceQuestion,
    data: PredictionData | None = None,
    trace: SessionTrace | None = None,
    on_progress: Progress = lambda text: None,
) -> PredictTraceAnswer:
    """Replay the trace on the deployments of a question; `trace` is read from its file without one."""
    question, data, trace = read_replay(question, data, trace)
    rows: list[ReplayRow | UnmetReplayRow] = []
    points: list[SessionPrediction] = []
    notes = list(trace.notes())
    for setting in replay_settings(question, trace, data):
        notes += setting.notes
        outcomes = list(replayed(setting, on_progress))
        notes += few_sessions(setting, outcomes)
        rows += [replay_row(setting, outcome, data) for outcome in outcomes]
        if question.out:
            points += [_point(setting, outcome, data) for outcome in outcomes if outcome and outcome.users]
    if question.out:
        sample = workload_sample(question, data)
        label = sample.label(question.load_name, question.sessions) if sample else trace_label(trace)
        write_operating_points(session_points(points, label, data.catalog), question.out)
    if any(isinstance(row, ReplayRow) for row in rows):
        notes.append(INTERVALS)
    return PredictTraceAnswer(rows=tuple(rows), notes=tuple(dict.fromkeys(notes)))


def _point(setting: ReplaySetting, outcome: ReplayOutcome, data: PredictionData) -> SessionPrediction:
    """The prediction that an operating point is made of."""
    return prediction_of(
        setting.deployment,
        setting.server.replicas,
        outcome.users or 1,
        setting.lengths,
        outcome.figures,
        calibration=data.calibration,
        tokens_per_session=setting.sample.tokens_per_session if setting.sample else None,
        catalog=data.catalog,
    )


def replay_row(
    setting: ReplaySetting, outcome: ReplayOutcome | None, data: PredictionData
) -> ReplayRow | UnmetReplayRow:
    """The row of an outcome; of none, that of an SLO that no load meets."""
    question, server = setting.question, setting.server
    of_deployment = deployment_fields(setting.deployment, server.replicas, question.settings, data)
    if outcome is None:
        return UnmetReplayRow(**of_deployment)
    calls = outcome.figures.calls_in_service / server.replicas
    figures = trace_figures(outcome.figures, setting.deployment, setting.lengths, calls, data)
    prices = session_prices(question, setting.deployment.accelerator, outcome.figures, data)
    return ReplayRow(
        **of_deployment,
        **{f.name: getattr(figures, f.name) for f in fields(figures)},
        **{f.name: getattr(prices, f.name) for f in fields(prices)},
        concurrency=outcome.users,
        or_more=outcome.or_more,
        routing=server.routing if server.replicas > 1 else "",
        prefix_cache=question.prefix_cache,
        host_cache_gb=question.host_cache_gb,
        ssd_cache_gb=question.ssd_cache_gb,
        most_tokens=server.most_tokens,
        too_long=setting.too_long,
    )
