"""The servers and the loads of a question about a replay, and what was left out for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from paretoken.answers.prediction import PredictionData, prepared
from paretoken.answers.trace_question import ReplayQuestion
from paretoken.answers.workload_sample import trace_of, workload_sample
from paretoken.errors import BadConfig
from paretoken.plural import counted
from paretoken.predict.cache_tiers import cache_tiers
from paretoken.predict.configure import checked
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.session_ladder import MOST_USERS as MOST_SESSIONS
from paretoken.predict.session_ladder import SampledWorkload, rising, sample_figures
from paretoken.predict.slo import MOST_USERS, last_that
from paretoken.predict.traces.figures import SessionFigures
from paretoken.predict.traces.load import check_trace, load_of, mean_call
from paretoken.predict.traces.server import TraceServer, trace_server
from paretoken.sessions.graph import Session, SessionTrace
from paretoken.slo import Slo
from paretoken.traffic.estimated_lengths import with_lengths
from paretoken.traffic.requests_as_sessions import read_as_sessions

NOTED_ENDING = 0.1
"""A note names a larger share of session time at the end of a replay."""
Progress = Callable[[str], None]
"""Takes what is simulated now, in words."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ReplaySetting:
    """One deployment of a question with the sessions that it serves, without those `too_long` for it.

    `lengths` are the mean ones of the calls of the trace. With a `sample`, each load plays sessions of its workload.
    """

    question: ReplayQuestion
    deployment: Deployment
    server: TraceServer
    sessions: Sequence[Session]
    too_long: int
    lengths: Lengths
    notes: tuple[str, ...]
    sample: SampledWorkload | None = None

    def figures(self, users: int | None) -> SessionFigures:
        """The sessions replayed, `users` at once or at their recorded times."""
        q = self.question
        if self.sample and users:
            return sample_figures(
                self.deployment, self.server, self.sample, users, sessions=q.sessions, idle_cap_s=q.idle_cap_s
            )
        return self.server.figures(load_of(self.sessions, users=users, idle_cap_s=self.question.idle_cap_s))

    @property
    def most_users(self) -> int:
        """The most sessions at once that a search tries."""
        if self.sample:
            return min(self.question.sessions or MOST_SESSIONS, MOST_SESSIONS)
        return min(len(self.sessions), MOST_USERS)

    @property
    def contexts(self) -> float:
        """Contexts of calls that fill the KV caches of all replicas."""
        return self.server.room_tokens * self.server.replicas / self.lengths.isl


@dataclass(frozen=True, slots=True, eq=False)
class ReplayOutcome:
    """The outcome of one load: its users, None at recorded times, and whether more might meet the limits."""

    users: int | None
    figures: SessionFigures
    or_more: bool = False


Q = TypeVar("Q", bound=ReplayQuestion)


def read_replay(
    question: Q, data: PredictionData | None, trace: SessionTrace | None
) -> tuple[Q, PredictionData, SessionTrace]:
    """A question with catalog ids, its data, and its trace with all that a replay needs; BadConfig or BadFile."""
    question, data = prepared(question, data)
    question.check()
    question.limits()
    sample = workload_sample(question, data)
    if sample is not None:
        question = replace(question, workload=data.catalog.session_workloads.id_of(question.workload or ""))
        return question, data, trace_of(sample, question)
    trace = trace or read_as_sessions(question.trace or Path(), keep_going=question.keep_going)
    trace = with_lengths(trace, keep_going=question.keep_going)
    check_trace(trace)
    if not question.concurrency and question.slo is None and not trace.timed:
        raise BadConfig(f"{trace.file} contains no times of sessions; state the concurrent sessions")
    return question, data, trace


def replay_settings(question: ReplayQuestion, trace: SessionTrace, data: PredictionData) -> Iterator[ReplaySetting]:
    """Every deployment of a question with its server; BadConfig where sessions do not fit and may not be left out."""
    lengths, sample = mean_call(trace.sessions), workload_sample(question, data)
    must_fit = Lengths(max(trace.longest_tokens - 1, 1), 1) if sample else lengths
    for deployment, replicas in question.deployments_for(must_fit, data.catalog):
        one = checked(deployment, data.catalog, replicas)
        server = _server(question, one, replicas, lengths, data)
        served = _served(server, trace, one, keep_going=question.keep_going)
        yield ReplaySetting(
            question=question,
            deployment=one,
            server=server,
            sessions=served.sessions,
            too_long=len(trace.sessions) - len(served.sessions),
            lengths=lengths,
            notes=tuple(_notes(question, server, one, served, trace, data)),
            sample=sample,
        )


def few_sessions(setting: ReplaySetting, outcomes: Sequence[ReplayOutcome | None]) -> Iterator[str]:
    """A note where users run out of sessions soon, so that the end of the replay weighs on its figures."""
    ends = [(o.figures.ending_share, o.users) for o in outcomes if o is not None and o.users]
    share, users = max(ends, default=(0.0, 0))
    if share > NOTED_ENDING:
        count = (setting.question.sessions or 0) if setting.sample else len(setting.sessions)
        sessions = counted(count, "session") if count else "the sessions that a load plays"
        more = "more --sessions" if setting.sample else "a longer trace"
        yield (
            f"{sessions} for {counted(users, 'user')}: {share:.0%} of session time is at the end of the replay, when "
            f"some users have no session left, so rates may be too high; use {more}, or fewer users"
        )


def replayed(setting: ReplaySetting, on_progress: Progress, cache: str = "") -> Iterator[ReplayOutcome | None]:
    """The outcome at each concurrency, at the highest load within the SLO (None if none is), or at recorded times."""
    if setting.question.slo is not None:
        yield within_slo(setting, setting.question.limits(), on_progress, cache)
        return
    if setting.sample and not setting.question.concurrency:
        for at_once, figures in rising(partial(_replay, setting, on_progress, cache), setting.contexts):
            yield ReplayOutcome(at_once, figures)
        return
    for users in setting.question.concurrency or (None,):
        yield ReplayOutcome(users, _replay(setting, on_progress, cache, users))


def _replay(setting: ReplaySetting, on_progress: Progress, cache: str, users: int | None) -> SessionFigures:
    on_progress(_progress_text(setting, users, cache))
    return setting.figures(users)


def _progress_text(setting: ReplaySetting, users: int | None, cache: str) -> str:
    load = "at recorded times" if users is None else f"{counted(users, 'session')} at once"
    return f"{setting.deployment.hardware}, {load}{cache and f', cache: {cache}'}"


def within_slo(
    setting: ReplaySetting, limits: Sequence[Slo], on_progress: Progress, cache: str = ""
) -> ReplayOutcome | None:
    """The most concurrent sessions that meet every limit; None where one alone does not."""
    at: dict[int, SessionFigures] = {}
    most = setting.most_users

    def meets(users: int) -> bool:
        at[users] = _replay(setting, on_progress, cache, users)
        return not any(limited_s(at[users], slo) > slo.bound_s for slo in limits)

    users = last_that(meets, most)
    return ReplayOutcome(users, at[users], or_more=users == most) if users else None


def limited_s(figures: SessionFigures, slo: Slo) -> float:
    """The figure that a limit bounds, s; NaN where nothing has the metric."""
    by_metric = {"ttft": figures.ttft_s, "tpot": figures.tpot_s, "e2e": figures.e2e_s, "session": figures.session_s}
    return by_metric[slo.metric][slo.statistic]


def _server(
    question: ReplayQuestion, deployment: Deployment, replicas: int, lengths: Lengths, data: PredictionData
) -> TraceServer:
    host_gb, ssd_gb = question.host_cache_gb, question.ssd_cache_gb
    tiers = cache_tiers(deployment, data.catalog, host_gb=host_gb, ssd_gb=ssd_gb) if host_gb or ssd_gb else ()
    return trace_server(
        deployment,
        lengths,
        replicas=replicas * question.replicas,
        routing=question.routing,
        prefix_cache=question.prefix_cache,
        tiers=tiers,
        calibration=data.calibration,
        catalog=data.catalog,
    )


def _served(server: TraceServer, trace: SessionTrace, deployment: Deployment, *, keep_going: bool) -> SessionTrace:
    """The trace with the sessions that fit the server; BadConfig where some do not and may not be left out."""
    served = trace.within(server.most_tokens)
    if len(served.sessions) < len(trace.sessions) and not (keep_going and served.sessions):
        remedy = _room_for(server, deployment) + ("" if keep_going else ", or leave them out with --keep-going")
        raise BadConfig(f"{_too_long(served, server, trace, deployment)}; {remedy}")
    return served


def _too_long(served: SessionTrace, server: TraceServer, trace: SessionTrace, deployment: Deployment) -> str:
    n = len(trace.sessions) - len(served.sessions)
    if server.by_context and deployment.settings.max_model_len == server.most_tokens:
        limit = "of the stated context"
    elif server.by_context:
        limit = f"of the context of {deployment.model}"
    else:
        limit = f"that {deployment.hardware} {'holds' if deployment.gpus == 1 else 'hold'}"
    return (
        f"{n:,} of {counted(len(trace.sessions), 'session')} of {trace.file} {'has' if n == 1 else 'have'} a call "
        f"beyond the {server.most_tokens:,} tokens {limit}; the longest has {trace.longest_tokens:,}"
    )


def _room_for(server: TraceServer, deployment: Deployment) -> str:
    """What makes room for longer calls."""
    if not server.by_context:
        return "use more GPUs"
    stated = deployment.settings.max_model_len == server.most_tokens
    return "state a longer one with max_model_len" if stated else "use a model of a longer context, or a shorter trace"


def _notes(
    question: ReplayQuestion,
    server: TraceServer,
    deployment: Deployment,
    served: SessionTrace,
    trace: SessionTrace,
    data: PredictionData,
) -> Iterator[str]:
    if len(served.sessions) < len(trace.sessions):
        yield f"LEFT OUT: {_too_long(served, server, trace, deployment)}"
    if question.prefix_cache and deployment.dp_attention:
        yield "attention data parallelism: all ranks are simulated as one engine with one prefix cache"
