"""Spans of generative AI by OpenTelemetry's semantic conventions, in the JSON of OTLP.

From open-telemetry/semantic-conventions 1.41 (`docs/gen-ai/gen-ai-spans.md`, `gen-ai-agent-spans.md`), since 2026 in
semantic-conventions-genai: `gen_ai.operation.name` is chat, text_completion or generate_content for model calls,
execute_tool for tools, invoke_agent or invoke_workflow for agents; `gen_ai.usage.input_tokens` counts cached tokens,
too. A session is a `gen_ai.conversation.id`, else a trace. Other spans only link their children to their parents.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from paretoken.errors import quoted
from paretoken.sessions.arrange import BadSession
from paretoken.sessions.contexts import common_messages
from paretoken.sessions.drafts import Faults, Gathered, SessionDraft
from paretoken.sessions.fields import tokens_of
from paretoken.sessions.forms.otel_messages import answer_of, definitions_of, prompt_of
from paretoken.sessions.forms.otlp import NS, Span, span_of, span_rows
from paretoken.sessions.graph import Call, Message, Step
from paretoken.sessions.memory import STEP_BYTES, json_bytes
from paretoken.sessions.recorded import DEEPEST, Recorded, begin_of, steps_in_time, too_deep
from paretoken.trace_rows import TraceRow

NAME = "OpenTelemetry GenAI"
RULE = (
    "times as recorded, parents of spans as agents, order by time; what a call keeps by its messages, "
    "without those by the tokens that the provider's cache held"
)
_CALLS = ("chat", "text_completion", "generate_content")
_OPERATION, _CONVERSATION = "gen_ai.operation.name", "gen_ai.conversation.id"


def detects(row: TraceRow) -> bool:
    """An object of OTLP with spans."""
    return "resourceSpans" in row.values


def drafts(rows: Iterator[TraceRow], faults: Faults, most_sessions: int | None) -> Iterator[SessionDraft]:
    """A session for each conversation, once all spans are read; no limit, as a conversation may have many traces."""
    gathered = Gathered[Span](faults, None, lambda span: STEP_BYTES + json_bytes(span.attributes))
    for row in rows:
        for span in _spans(row, faults):
            if trace := faults.session_of(span, "traceId"):
                gathered.add(trace, span, span_of)
    traces = defaultdict[str, list[str]](list)
    for trace, spans in gathered.rows.items():
        traces[_conversation(trace, spans)].append(trace)
    for name, own in traces.items():
        place = gathered.places[own[0]]
        with faults.of(name, place):
            zero_ns = min(span.begin_ns for trace in own for span in gathered.rows[trace])
            reader = _Spans(faults, zero_ns)
            items = [item for trace in sorted(own) for item in reader.items(gathered.take(trace))]
            faults.give_back(reader.kept)
            if items:
                begin_s = zero_ns / NS + begin_of(items)
                yield SessionDraft(name=name, place=place, steps=steps_in_time(items), begin_s=begin_s)


def _spans(row: TraceRow, faults: Faults) -> Iterator[TraceRow]:
    with faults.of(row.place, row.place):
        yield from span_rows(row)


def _conversation(trace: str, spans: Sequence[Span]) -> str:
    """The id of the conversation that the first span with one has."""
    with_id = [s for s in spans if isinstance(s.attributes.get(_CONVERSATION), str) and s.attributes[_CONVERSATION]]
    first = min(with_id, key=lambda s: (s.begin_ns, s.id), default=None)
    return trace if first is None else str(first.attributes[_CONVERSATION])


@dataclass(slots=True)
class _Spans:
    """The spans of a session's traces as items, in s from `zero_ns`.

    `prompts` are the messages of its calls so far, of `kept` bytes.
    """

    faults: Faults
    zero_ns: int
    kept: int = 0
    prompts: dict[str, tuple[Message, ...]] = field(default_factory=dict)

    def items(self, spans: Sequence[Span]) -> list[Recorded]:
        """The calls, tools and agents of a trace. An agent around all of them is the main one."""
        by_id: dict[str, Span] = {}
        for span in spans:
            # Exporters send a span again if its receipt was lost.
            if span.attributes.get(_OPERATION) and replace(by_id.setdefault(span.id, span), place=span.place) != span:
                raise BadSession(f"has two spans with the id {quoted(span.id)}", "two steps with one id")
        children = _children(spans, by_id)
        top = [by_id[id_] for id_ in children.get("", ())]
        if len(top) == 1 and _is_agent(top[0], children):
            top = [by_id[id_] for id_ in children[top[0].id]]
        return self._scope(top, by_id, children, "", 0)

    def _scope(
        self,
        spans: Sequence[Span],
        by_id: Mapping[str, Span],
        children: Mapping[str, Sequence[str]],
        agent: str,
        depth: int,
    ) -> list[Recorded]:
        if depth > DEEPEST:
            raise too_deep("agent", agent)
        items: list[Recorded] = []
        calls: list[Span] = []
        for span in sorted(spans, key=lambda s: (s.begin_ns, s.end_ns, s.id)):
            inner = [by_id[id_] for id_ in children.get(span.id, ())]
            if span.attributes[_OPERATION] in _CALLS:
                items.append(self._call(span, agent, calls))
                calls.append(span)
                items += self._scope(inner, by_id, children, agent, depth + 1)
            elif inner:
                name = str(span.attributes.get("gen_ai.agent.name") or span.name)
                own = self._scope(inner, by_id, children, name, depth + 1)
                items.append(self._recorded(span, inner=tuple(own)))
            else:
                items.append(self._recorded(span, _tool(span, agent)))
        return items

    def _call(self, span: Span, agent: str, earlier: Sequence[Span]) -> Recorded:
        row = TraceRow(span.attributes, self.faults.file, span.place)
        prompt, before = prompt_of(row), _last(earlier, span.begin_ns)
        size = json_bytes(prompt)
        self.kept += size
        self.faults.keep(size, span.place)
        self.prompts[span.id] = prompt
        cached = tokens_of(row, "gen_ai.usage.cache_read.input_tokens")
        common = common_messages(self.prompts[before.id], prompt) if before and prompt else None
        continues = before.id if before and (common is not None or (cached and not prompt)) else ""
        call = Call(
            input_tokens=_first(row, "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
            output_tokens=_first(row, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
            kept_tokens=cached if continues and common is None else None,
            messages=prompt[common or 0 :],
            answer=answer_of(row),
            tools=definitions_of(row),
            model=str(span.attributes.get("gen_ai.request.model") or ""),
        )
        step = Step(seconds=(span.end_ns - span.begin_ns) / NS, agent=agent, call=call)
        return self._recorded(span, step, continues)

    def _recorded(
        self, span: Span, step: Step | None = None, continues: str = "", inner: tuple[Recorded, ...] = ()
    ) -> Recorded:
        begin_s, end_s = ((time_ns - self.zero_ns) / NS for time_ns in (span.begin_ns, span.end_ns))
        return Recorded(id=span.id, begin_s=begin_s, end_s=end_s, step=step, continues=continues, inner=inner)


def _children(spans: Sequence[Span], by_id: Mapping[str, Span]) -> Mapping[str, Sequence[str]]:
    """The spans of an operation below each of them, "" for the uppermost; other spans in between are skipped."""
    parents = {span.id: span.parent for span in spans}
    above: dict[str, str] = {}  # by span: the next one up that has an operation, or is its own parent
    children = defaultdict[str, list[str]](list)
    for id_ in by_id:
        path, at = [], parents[id_]
        while at in parents and at not in by_id and at not in above:
            path.append(at)
            above[at] = ""  # a cycle of spans ends here
            at = parents[at]
        top = at if at in by_id else above.get(at, "")
        above.update(dict.fromkeys(path, top))
        children[top].append(id_)
    reached, open_ = set[str](), list(children[""])
    while open_:
        reached.add(id_ := open_.pop())
        open_ += children.get(id_, ())
    if len(reached) < len(by_id):
        stuck = min(set(by_id) - reached)
        raise BadSession(f"span {quoted(stuck)} is its own parent, directly or through others", "a cycle of steps")
    return children


def _is_agent(span: Span, children: Mapping[str, Sequence[str]]) -> bool:
    return span.attributes[_OPERATION] not in _CALLS and bool(children.get(span.id))


def _last(calls: Sequence[Span], begin_ns: int) -> Span | None:
    """The last of an agent's calls that had ended."""
    return next((call for call in reversed(calls) if call.end_ns <= begin_ns), None)


def _tool(span: Span, agent: str) -> Step:
    """A tool call, or other work, such as that of an agent whose calls were not recorded."""
    name = str(span.attributes.get("gen_ai.tool.name") or span.attributes.get("gen_ai.agent.name") or span.name)
    return Step(name=name, seconds=(span.end_ns - span.begin_ns) / NS, agent=agent)


def _first(row: TraceRow, *names: str) -> int | None:
    return next((n for name in names if (n := tokens_of(row, name)) is not None), None)
