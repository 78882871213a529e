"""The servers and the loads of a question about a replay, and what was left out for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from paretoken.answers.prediction import PredictionData
from paretoken.answers.trace_question import ReplayQuestion
from paretoken.errors import BadConfig
from paretoken.plural import counted
from paretoken.predict.cache_tiers import cache_tiers
from paretoken.predict.configure import checked
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.slo import MOST_USERS, last_that
from paretoken.predict.traces.figures import SessionFigures
from paretoken.predict.traces.load import FittingSessions, check_trace, fitting_sessions, load_of, mean_call
from paretoken.predict.traces.server import TraceServer, trace_server
from paretoken.sessions.graph import Session, SessionTrace
from paretoken.slo import Slo
from paretoken.traffic.requests_as_sessions import read_as_sessions

NOTED_ENDING = 0.1
"""Share of session time at the end of a replay that a note names."""
Progress = Callable[[str], None]
"""Takes what is simulated now, in words."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ReplaySetting:
    """One deployment of a question with the sessions that it serves, of calls with mean `lengths`."""

    question: ReplayQuestion
    deployment: Deployment
    server: TraceServer
    fitting: FittingSessions
    lengths: Lengths
    notes: tuple[str, ...]

    @property
    def sessions(self) -> Sequence[Session]:
        return self.fitting.sessions

    def figures(self, users: int | None) -> SessionFigures:
        """The sessions replayed, `users` at once or at their recorded times."""
        return self.server.figures(load_of(self.sessions, users=users, idle_cap_s=self.question.idle_cap_s))


@dataclass(frozen=True, slots=True, eq=False)
class ReplayOutcome:
    """The outcome of one load: its users, None at recorded times, and whether more might meet the limits."""

    users: int | None
    figures: SessionFigures
    or_more: bool = False


def read_replay(question: ReplayQuestion, trace: SessionTrace | None = None) -> SessionTrace:
    """The trace of a question, of which nothing lacks that the replay needs; BadConfig or BadFile otherwise."""
    question.check()
    question.limits()
    trace = trace or read_as_sessions(question.trace, keep_going=question.keep_going)
    check_trace(trace)
    if not question.concurrency and question.slo is None and not trace.timed:
        raise BadConfig(f"{trace.file} contains no times of sessions; state the concurrent sessions")
    return trace


def replay_settings(question: ReplayQuestion, trace: SessionTrace, data: PredictionData) -> Iterator[ReplaySetting]:
    """Every deployment of a question with its server; BadConfig where sessions do not fit and may not be left out."""
    lengths = mean_call(trace.sessions)
    for deployment, replicas in question.deployments_for(lengths, data.catalog):
        one = checked(deployment, data.catalog, replicas)
        server = _server(question, one, replicas, lengths, data)
        fitting = _fitting(server, trace, one, keep_going=question.keep_going)
        yield ReplaySetting(
            question=question,
            deployment=one,
            server=server,
            fitting=fitting,
            lengths=lengths,
            notes=tuple(_notes(question, server, one, fitting, trace, data)),
        )


def few_sessions(setting: ReplaySetting, outcomes: Sequence[ReplayOutcome | None]) -> Iterator[str]:
    """A note where users run out of sessions soon, so that the end of the replay weighs on its figures."""
    ends = [(o.figures.ending_share, o.users) for o in outcomes if o is not None and o.users]
    share, users = max(ends, default=(0.0, 0))
    if share > NOTED_ENDING:
        yield (
            f"{counted(len(setting.sessions), 'session')} for {counted(users, 'user')}: {share:.0%} of session time is "
            "at the end of the replay, when some users have no session left, so rates may be too high; use a longer "
            "trace, or fewer users"
        )


def replayed(setting: ReplaySetting, on_progress: Progress, cache: str = "") -> Iterator[ReplayOutcome | None]:
    """One for each concurrency of the question, the one within its SLO (None without one), or that recorded."""
    if setting.question.slo is not None:
        yield within_slo(setting, setting.question.limits(), on_progress, cache)
        return
    for users in setting.question.concurrency or (None,):
        on_progress(_at_work(setting, users, cache))
        yield ReplayOutcome(users, setting.figures(users))


def _at_work(setting: ReplaySetting, users: int | None, cache: str) -> str:
    load = "at recorded times" if users is None else f"{counted(users, 'session')} at once"
    return f"{setting.deployment.hardware}, {load}{cache and f', cache: {cache}'}"


def within_slo(
    setting: ReplaySetting, limits: Sequence[Slo], on_progress: Progress, cache: str = ""
) -> ReplayOutcome | None:
    """The most concurrent sessions that meet every limit; None where one alone does not."""
    at: dict[int, SessionFigures] = {}
    most = min(len(setting.sessions), MOST_USERS)

    def meets(users: int) -> bool:
        on_progress(_at_work(setting, users, cache))
        at[users] = setting.figures(users)
        return not any(limited_s(at[users], slo) > slo.bound_s for slo in limits)

    users = last_that(meets, most)
    return ReplayOutcome(users, at[users], or_more=users == most) if users else None


def limited_s(figures: SessionFigures, slo: Slo) -> float:
    """What a limit is on, s; NaN where nothing has the metric."""
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


def _fitting(server: TraceServer, trace: SessionTrace, deployment: Deployment, *, keep_going: bool) -> FittingSessions:
    """The sessions that fit the server; BadConfig where some do not and may not be left out."""
    fitting = fitting_sessions(trace, server.most_tokens)
    if fitting.too_long and not (keep_going and fitting.sessions):
        remedy = "use more GPUs" if keep_going else "use more GPUs, or leave them out with --keep-going"
        raise BadConfig(f"{_too_long(fitting, server, trace, deployment)}; {remedy}")
    return fitting


def _too_long(fitting: FittingSessions, server: TraceServer, trace: SessionTrace, deployment: Deployment) -> str:
    return (
        f"{fitting.too_long:,} of {counted(len(trace.sessions), 'session')} of {trace.file} have a call beyond the "
        f"{server.most_tokens:,} tokens that {deployment.hardware} hold; the longest has {fitting.longest:,}"
    )


def _notes(
    question: ReplayQuestion,
    server: TraceServer,
    deployment: Deployment,
    fitting: FittingSessions,
    trace: SessionTrace,
    data: PredictionData,
) -> Iterator[str]:
    if fitting.too_long:
        yield f"LEFT OUT: {_too_long(fitting, server, trace, deployment)}"
    if question.prefix_cache and deployment.dp_attention:
        yield "attention data parallelism: all ranks are simulated as one engine with one prefix cache"
