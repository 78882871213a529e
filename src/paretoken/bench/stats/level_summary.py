"""What `summary.json` holds of a load level, as classes: field names are the keys of the file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import ClassVar, Literal, Self

from paretoken.bench.client.fidelity import Fidelity
from paretoken.bench.documents import OMIT_NONE, RunFile
from paretoken.bench.plan import LoadRecord, Stop
from paretoken.bench.stats.bootstrap import ConfidenceInterval
from paretoken.bench.stats.goodput import Attainment, Goodput
from paretoken.bench.stats.latency import LatencySummary
from paretoken.bench.stats.scrape import ServerMetrics
from paretoken.bench.stats.sessions.summary import LevelSessions
from paretoken.bench.stats.speculation import LevelSpeculation
from paretoken.bench.stats.throughput import SpanThroughput
from paretoken.bench.stats.trend import IN_FLIGHT, MAX_DRIFT, SIGNIFICANT, Drift
from paretoken.bench.stats.warnings import LevelWarning
from paretoken.emulated import EMULATED
from paretoken.errors import BadFile, quoted
from paretoken.points.schema import BY_NAME

PointRow = Mapping[str, str | int | float | bool | None]
"""An operating point by its stored columns."""

SloVerdict = Literal["met", "missed", "unsure", "unseen"]
"""`unsure` where too few requests settle an SLO, `unseen` where no answer shows a pace that an SLO is on."""


@dataclass(frozen=True, slots=True)
class ToolVersion:
    """The program that wrote a file."""

    name: str = "paretoken"
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelTimes:
    """When a level began, by both clocks, how long it sent, and when the last answer came."""

    t0_unix_s: float | None = field(default=None, metadata=OMIT_NONE)
    t0_monotonic_s: float | None = field(default=None, metadata=OMIT_NONE)
    sending_s: float | None = field(default=None, metadata=OMIT_NONE)
    elapsed_s: float | None = field(default=None, metadata=OMIT_NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSummary:
    """The steady window: see `steady.Window`. Times count from the start of the level."""

    start_s: float
    end_s: float
    seconds: float
    steady: bool
    reason: str
    enough: bool
    needs_s: float | None
    requests: int
    mean_in_flight: float
    mean_active_users: float
    trends: tuple[Drift, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughputSummary:
    """The headline, of the window; beside it the whole run as other tools count it, the ramp and the tail."""

    n_gpus: int
    input_tokens_counted_at: str
    window: SpanThroughput
    whole_run: SpanThroughput
    ramp: SpanThroughput
    tail: SpanThroughput


@dataclass(frozen=True, slots=True)
class WholeRun:
    """Figures of every complete request, first to last."""

    latency: LatencySummary


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanLengths:
    """Mean tokens of the window's requests: counted, planned, and the client's count as a cross-check."""

    mean_isl: float | None
    mean_osl: float | None
    planned_isl: float | None
    planned_osl: float | None
    client_osl: float | None
    server_osl: float | None
    cached_tokens: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSummary:
    """Failures by status, with the text of the first of each.

    `rate` is the share of failures among the requests that ended; those that the client cancelled did not.
    """

    requests: int
    ok: int
    failed: int
    rate: float
    by_status: Mapping[str, int]
    detail: Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRecord:
    """The nodes that sent a level, how far apart they began and how far their clocks are off."""

    nodes: int
    sent: int
    lost: tuple[str, ...]
    asked_users: int | None
    start_spread_s: float
    clock_offset_s: tuple[float, ...]
    clock_bound_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelSummary(RunFile):
    """One load level: what was sent, what came back, how far to trust it, and its operating point.

    `failed` says why the level does not count, if it does not. `config` must be equal for two runs to be compared.
    """

    SCHEMA: ClassVar[str] = "paretoken.summary"
    CALLED: ClassVar[str] = "the summary of a load level"

    tool: ToolVersion = ToolVersion()
    run: LevelTimes
    seed: int
    n_gpus: int
    columns: Mapping[str, object]
    config: Mapping[str, object]
    load: LoadRecord
    stop: Stop | None
    window: WindowSummary
    throughput: ThroughputSummary
    latency: LatencySummary
    intervals: Mapping[str, ConfidenceInterval | None]
    whole_run: WholeRun
    goodput: Goodput | None
    lengths: MeanLengths
    errors: ErrorSummary
    server: ServerMetrics | None
    fidelity: Fidelity | None
    warnings: tuple[LevelWarning, ...]
    speculation: LevelSpeculation | None = field(default=None, metadata=OMIT_NONE)
    sessions: LevelSessions | None = field(default=None, metadata=OMIT_NONE)
    fleet: FleetRecord | None = field(default=None, metadata=OMIT_NONE)
    failed: str | None = field(default=None, metadata=OMIT_NONE)
    point: PointRow = field(default_factory=dict)

    @classmethod
    def from_json(cls, document: object, where: object) -> Self:
        """The document as this class; BadFile for a column of its point that the schema would refuse, too."""
        summary = super(LevelSummary, cls).from_json(document, where)
        if odd := next(_misfits(summary), None):
            raise BadFile(f"{where}: {odd}; was it edited by hand?")
        return summary

    @classmethod
    def upgraded(cls, document: Mapping[str, object]) -> Mapping[str, object]:
        """Figures of the client that a file does not hold are NaN, or 0 where they are counts."""
        proof = document.get("fidelity")
        if not isinstance(proof, Mapping):
            return document
        missing = {f.name: _UNKNOWN.get(str(f.type), ()) for f in fields(Fidelity) if f.default is MISSING}
        values = {name: missing[name] if proof.get(name) is None else proof[name] for name in missing}
        return {**document, "fidelity": {**proof, **values}}

    @property
    def origin(self) -> str:
        """Where the figures come from; earlier versions name the emulator by its engine alone."""
        return EMULATED if EMULATED in (self.columns.get("origin"), self.columns.get("engine")) else "measured"

    @property
    def client_limited(self) -> bool:
        """Whether the client, by its own measurements, was the limit."""
        return self.fidelity is not None and self.fidelity.client_limited

    @property
    def verdict(self) -> SloVerdict | None:
        """The judgement on the level by its SLOs, None without any; `doubts` are what else to know.

        A single SLO that is missed for certain makes a level missed, whatever the others are; so does failing.
        """
        if self.failed or self.settled_misses:
            return "missed"
        if self.goodput is None:
            return None
        if self.unseen_slos:
            return "unseen"
        return "met" if self.goodput.met and not self.unsettled else "unsure"

    @property
    def settled_misses(self) -> tuple[Attainment, ...]:
        """The SLOs that were missed for certain: seen, and by enough requests."""
        if self.goodput is None:
            return ()
        missed = (o for o in self.goodput.objectives if not o.met and o.slo.text not in self.unseen_slos)
        return tuple(o for o in missed if not o.too_few(self.goodput.tried))

    @property
    def meets_slos(self) -> bool:
        """Whether every SLO was met as far as the requests show; `verdict` says whether that settles it."""
        return not self.failed and self.goodput is not None and self.goodput.met

    @property
    def unseen_slos(self) -> tuple[str, ...]:
        """The SLOs on a pace that no answer shows: of streams in one piece, or of single tokens; and those on sessions
        of which none ended."""
        if self.goodput is None or not self.errors.ok:
            return ()
        held_back, by_metric = self.in_one_piece, self.latency.by_metric
        objectives = [o for o in self.goodput.objectives if o.slo.metric != "e2e"]
        return tuple(
            o.slo.text
            for o in objectives
            if (not o.sessions if o.slo.of_sessions else held_back or not by_metric[o.slo.metric].n)
        )

    @property
    def why_unseen(self) -> str:
        """Why a pace is unknown, empty where every SLO can be judged."""
        if self.in_one_piece:
            return "answers arrive in one piece"
        unseen, objectives = self.unseen_slos, self.goodput.objectives if self.goodput else ()
        if of_sessions := [o.slo.text for o in objectives if o.slo.of_sessions and o.slo.text in unseen]:
            remedy = "run it longer" if self.sessions else "it needs a --trace of sessions"
            return f"no session ended to judge {', '.join(of_sessions)}; {remedy}"
        return f"no answer has the tokens to judge {', '.join(unseen)}; use a longer --osl" if unseen else ""

    @property
    def in_one_piece(self) -> bool:
        """Whether streams were requested and most answers came whole, so that their pace is hidden."""
        return any(w.code == "buffered" for w in self.warnings)

    @property
    def unsettled(self) -> tuple[str, ...]:
        """Each SLO that too few requests settle, met or not, and how many it needs."""
        if self.goodput is None:
            return ()
        return tuple(filter(None, (o.too_few(self.goodput.tried) for o in self.goodput.objectives)))

    @property
    def counts_in_search(self) -> bool:
        """Whether a search may rely on the level: the client was not the limit, and nothing drifted.

        A level too short to tell counts; the answer then carries the warning. A level whose SLOs no answer shows does
        not.
        """
        settled = self.window.steady or not self.window.enough
        return settled and not self.client_limited and self.verdict != "unseen"

    @property
    def queue_grows(self) -> bool:
        """Whether an open loop's requests in flight kept growing: a rate that the server cannot sustain."""
        drifts = [d for d in self.window.trends if d.name == IN_FLIGHT]
        return any(d.change > MAX_DRIFT and d.p_value < SIGNIFICANT for d in drifts)

    @property
    def doubts(self) -> tuple[str, ...]:
        """What speaks against comparing or judging the level: errors, the client as the limit, too few requests, no
        steady state."""
        texts = [f"FAILED: {self.failed}"] if self.failed else []
        texts += ["client-limited"] if self.client_limited else []
        texts += [self.why_unseen] if self.why_unseen else []
        texts += [] if self.settled_misses else self.unsettled
        texts += [] if self.window.steady else [self.window.reason or "no steady state"]
        return tuple(texts)


def _misfits(summary: LevelSummary) -> Iterator[str]:
    """What no level has: columns of another type than the schema's, negative counts, series without their times."""
    for table, values in (("columns", summary.columns), ("point", summary.point)):
        for name, value in values.items():
            if not _fits(name, value):
                yield f"{table}.{quoted(name)} is {quoted(value)}"
    errors = summary.errors
    counts = {
        "n_gpus": summary.n_gpus - 1,
        "throughput.n_gpus": summary.throughput.n_gpus - 1,
        "seed": summary.seed,
        "window.requests": summary.window.requests,
        "errors": min(errors.requests, errors.ok, errors.failed, *errors.by_status.values()),
    }
    yield from (f"{name} is too low" for name, count in counts.items() if count < 0)
    if server := summary.server:
        lengths = {len(values) for values in server.series.values()} | {len(server.at_s)}
        if len(lengths) > 1:
            yield "server.series and server.at_s differ in length"


def _fits(name: str, value: object) -> bool:
    """Whether a value has the type of a column; what is no column is not looked at."""
    if value is None or name not in BY_NAME:
        return True
    kind = BY_NAME[name].kind
    if kind in ("str", "bool"):
        return isinstance(value, str if kind == "str" else bool)
    return isinstance(value, int if kind == "int" else (int, float)) and not isinstance(value, bool)


_UNKNOWN: dict[str, object] = {"float": math.nan, "int": 0, "bool": False, "str": ""}
