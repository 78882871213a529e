"""The spans of a load level, made from its records after it: names of OpenTelemetry's GenAI conventions 0.1.0.

    level              the span of the level, a trace of its own
    chat MODEL         one request, by itself a trace, linked to the level
    invoke_workflow    one session, a trace: its requests and tools are children of it

A span of a request begins when the request was sent, or was due if it never was, and ends with the answer: the times of
`requests.parquet`. Texts are never in a span: neither prompts nor answers, and not the server's words on a failure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from paretoken.bench.run_folder import REQUESTS, LevelOnDisk
from paretoken.bench.stats.metrics import sample
from paretoken.bench.stats.sessions.measured import NEVER, MeasuredSession, measured_sessions
from paretoken.bench.telemetry.request_attributes import RequestAttributes, is_failure
from paretoken.bench.telemetry.span_source import SpanSource
from paretoken.foreign_text import visible
from paretoken.points.requests import conform_requests

if TYPE_CHECKING:
    from opentelemetry.trace import Span

Row = Mapping[str, Any]
LONGEST_NAME = 200
"""Characters of the name of a tool; names come from the files of others."""
_LISTS = ("chunk_ns", "chunk_tokens")


class LevelSpans:
    """Makes the spans of level after level of a run."""

    MOST: ClassVar[int] = 200_000
    """Requests of a level that get spans: the earliest ones. They are in memory without their chunks."""

    def __init__(self, tracer: Tracer, source: SpanSource) -> None:
        self._tracer, self._source = tracer, source
        self._attributes = RequestAttributes(source)

    def make(self, level: LevelOnDisk) -> int:
        """Make the spans of a level; how many requests got none, because there are too many."""
        rows, beyond = _requests(level, self.MOST)
        begin_ns = round((level.summary.run.t0_unix_s or 0.0) * 1e9)
        at = _LevelClock(begin_ns)
        link = Link(self._level(level, at).get_span_context())
        number = int(level.folder.name) if level.folder.name.isdigit() else 0
        common = {"paretoken.level": number, "paretoken.load": level.summary.load.name}
        tools = _tools(level, rows)
        for session, group in groupby(_by_session(rows), key=lambda row: int(row["session"])):
            if session < 0:
                for row in group:
                    self._request(row, at, common, links=(link,))
            else:
                self._session(session, list(group), tools.get(session), at, common, link)
        return beyond

    def _level(self, level: LevelOnDisk, at: _LevelClock) -> Span:
        s = level.summary
        span = self._tracer.start_span(
            "level",
            context=Context(),
            start_time=at.unix_ns(0),
            attributes={
                "paretoken.load": s.load.name,
                "paretoken.requests": s.errors.requests,
                "paretoken.failed_requests": s.errors.failed,
                "paretoken.client_limited": s.client_limited,
            },
        )
        if (output_tok_s := s.throughput.window.output_tok_s) is not None:
            span.set_attribute("paretoken.output_tokens_per_second", output_tok_s)
        if s.failed:
            span.set_status(Status(StatusCode.ERROR, s.failed))
        span.end(at.unix_ns(round((s.run.elapsed_s or 0.0) * 1e9)))
        return span

    def _session(
        self,
        number: int,
        rows: Sequence[Row],
        played: MeasuredSession | None,
        at: _LevelClock,
        common: Mapping[str, Any],
        link: Link,
    ) -> None:
        tools = list(_tool_times(played)) if played else []
        begin = min([_begin(row) for row in rows] + [begin for _, _, begin, _ in tools])
        end = max([_end(row) for row in rows] + [end for *_, end in tools])
        conversation = f"{self._source.run}/{common['paretoken.level']}/{number}"
        more = {**common, "gen_ai.conversation.id": conversation}
        root = self._tracer.start_span(
            "invoke_workflow",
            context=Context(),
            links=(link,),
            start_time=at.unix_ns(begin),
            attributes={**more, "gen_ai.operation.name": "invoke_workflow", "paretoken.session": number},
        )
        inside = set_span_in_context(root)
        failed = next((row["status"] for row in rows if is_failure(row["status"])), "")
        if failed:
            root.set_attribute("error.type", failed)
            root.set_status(Status(StatusCode.ERROR))
        for row in rows:
            self._request(row, at, more, context=inside)
        for name, agent, start, stop in tools:
            self._tool(name, {**more, **agent}, at.unix_ns(start), at.unix_ns(stop), inside)
        root.end(at.unix_ns(end))

    def _request(
        self,
        row: Row,
        at: _LevelClock,
        more: Mapping[str, Any],
        context: Context | None = None,
        links: Sequence[Link] = (),
    ) -> None:
        begin = _begin(row)
        span = self._tracer.start_span(
            self._attributes.name(row),
            context=Context() if context is None else context,
            kind=SpanKind.CLIENT,
            links=links,
            start_time=at.unix_ns(begin),
            attributes={**self._attributes.of(row, begin), **more},
        )
        if is_failure(row["status"]):
            span.set_status(Status(StatusCode.ERROR))
        span.end(at.unix_ns(_end(row)))

    def _tool(self, name: str, more: Mapping[str, Any], start_ns: int, end_ns: int, inside: Context) -> None:
        shown = visible(name)[:LONGEST_NAME] or "unnamed"
        attributes = {**more, "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": shown}
        span = self._tracer.start_span(
            f"execute_tool {shown}", context=inside, start_time=start_ns, attributes=attributes
        )
        span.end(end_ns)


class _LevelClock:
    """Times of a level as Unix times; all in ns."""

    def __init__(self, begin_ns: int) -> None:
        self._begin_ns = begin_ns

    def unix_ns(self, since_begin_ns: int) -> int:
        return self._begin_ns + since_begin_ns


def _begin(row: Row) -> int:
    return int(row["sent_ns"] if row["sent_ns"] >= 0 else row["due_ns"])


def _end(row: Row) -> int:
    return max(_begin(row), int(row["end_ns"]), int(row["last_ns"]))


def _requests(level: LevelOnDisk, most: int) -> tuple[pl.DataFrame, int]:
    """The first requests of a level without the arrivals of their chunks, and how many more there are."""
    rows = pl.scan_parquet(level.folder / REQUESTS, glob=False)
    total = rows.select(pl.len()).collect().item()
    names = [name for name in rows.collect_schema() if name not in _LISTS]
    return conform_requests(rows.select(names).head(most).collect()), max(total - most, 0)


def _by_session(rows: pl.DataFrame) -> Iterator[Row]:
    """The requests of each session together, those of none first."""
    filled = rows.with_columns(pl.col(pl.Int32, pl.Int64).fill_null(NEVER))
    return filled.drop(_LISTS).sort("session", maintain_order=True).iter_rows(named=True)


def _tools(level: LevelOnDisk, rows: pl.DataFrame) -> dict[int, MeasuredSession]:
    """The sessions of a trace as they were played, which says when their tools ran."""
    traced = level.traced()
    return {played.number: played for played in measured_sessions(sample(rows), traced)} if traced else {}


def _tool_times(played: MeasuredSession) -> Iterator[tuple[str, dict[str, str], int, int]]:
    """Name, agent, begin and end of each tool call that ran."""
    for step, begin, end in zip(played.traced.session.steps, played.begin_ns, played.end_ns, strict=True):
        if step.call is None and begin != NEVER:
            agent = {"gen_ai.agent.name": visible(step.agent)[:LONGEST_NAME]} if step.agent else {}
            yield step.name, agent, begin, end
