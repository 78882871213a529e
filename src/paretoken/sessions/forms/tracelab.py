"""TraceLab's agentic coding sessions (uw-syfi/TraceLab, its README, "Data format"): JSON lines of one LLM round each.

A round is sent at the time of the last event that it answers: a message of the user or the result of a tool. Its
answer ends with its last event. `prefix_tokens` of its input were in the cache of the recorded engine. The corpus links
no sub-agent to its parent; as in AIPerf 0.13 (`dataset/loader/_tracelab_convert.py`), one is a session of the same user
and project that lies within a tool call that spawns agents.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from paretoken.sessions.drafts import Faults, Gathered, SessionDraft
from paretoken.sessions.fields import list_of, moment_s, rows_of, seconds_of, text_of, tokens_of
from paretoken.sessions.graph import Call, Step
from paretoken.sessions.memory import STEP_BYTES
from paretoken.sessions.recorded import Recorded, steps_in_time
from paretoken.trace_rows import TraceRow

NAME = "TraceLab"
RULE = (
    "times and tools as recorded, tokens cached by the recorded engine as what prompts share, "
    "sessions of a project within a call of its spawning tool as sub-agents"
)
SPAWNING = ("Agent", "Task", "spawn_agent", "wait_agent")
"""Tools of Claude Code that run an agent, and those of Codex that begin one and wait for it."""
LEAST_SPAWN_S = 10.0
"""Shorter calls of such a tool hold no agent."""
SLACK_S = 2e-3
"""Times are in ms."""
_INPUTS, _OUTPUTS = ("user_message", "tool_result"), ("text", "reasoning", "tool_call")


def detects(row: TraceRow) -> bool:
    """Rounds of sessions, with their input in total."""
    return {"session_id", "input_tokens_total", "output_tokens"} <= row.values.keys()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRun:
    """A tool call, from its emission to its result."""

    name: str
    begin_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A model call with the tools that it calls. `people` are the user and the project."""

    number: int
    begin_s: float
    end_s: float
    input_tokens: int
    output_tokens: int
    prefix_tokens: int
    model: str
    provider: str
    people: tuple[str, str]
    tools: tuple[ToolRun, ...]


def drafts(rows: Iterator[TraceRow], faults: Faults, most_sessions: int | None) -> Iterator[SessionDraft]:
    """Sessions with their sub-agents, once all rounds are read; no limit, as a sub-agent is a session of the file."""
    gathered = Gathered[Round](faults, None, lambda r: STEP_BYTES * (1 + len(r.tools)))
    for row in rows:
        if name := faults.session_of(row, "session_id"):
            gathered.add(name, row, _round)
    sessions = {
        name: sorted(own, key=lambda r: (r.begin_s, r.number, r.end_s, r.input_tokens))
        for name, own in gathered.rows.items()
    }
    children = _children(sessions)
    nested = {child for own in children.values() for child in own}
    for name in (n for n in sessions if n not in nested):
        with faults.of(name, gathered.places[name]):
            items = _items(name, sessions, children, "")
            yield SessionDraft(
                name=name,
                place=gathered.places[name],
                steps=steps_in_time(items, slack_s=SLACK_S),
                begin_s=sessions[name][0].begin_s,
            )


def _sent_s(row: TraceRow) -> float:
    """Seconds since 1970 of the last input event before the first output event."""
    last_s: float | None = None
    for event in list_of(row, "timing_events"):
        kind = event.get("event_type") if isinstance(event, dict) else None
        if kind in _INPUTS and isinstance(event, dict):
            last_s = moment_s(row, "timestamp", event.get("timestamp"))
        elif kind != "usage_report":
            break
    if last_s is None:
        raise row.bad("timing_events must begin with a user_message or a tool_result that has a timestamp")
    return last_s


def _round(row: TraceRow) -> Round:
    begin_s, total = _sent_s(row), row.tokens("input_tokens_total")
    outputs = [e for e in list_of(row, "timing_events") if isinstance(e, dict) and e.get("event_type") in _OUTPUTS]
    return Round(
        number=tokens_of(row, "round_index") or 0,
        begin_s=begin_s,
        end_s=max([begin_s, *(moment_s(row, "timestamp", e.get("timestamp")) for e in outputs)]),
        input_tokens=total,
        output_tokens=row.tokens("output_tokens"),
        prefix_tokens=min(tokens_of(row, "prefix_tokens") or 0, total),
        model=text_of(row, "model"),
        provider=text_of(row, "provider"),
        people=(text_of(row, "user"), text_of(row, "project")),
        tools=tuple(tool for tool in map(_tool, rows_of(row, "tools", "tool")) if tool),
    )


def _tool(row: TraceRow) -> ToolRun | None:
    """A tool call; None if its time was not recorded."""
    if not row.values.get("emitted_at"):
        return None
    begin_s = moment_s(row, "emitted_at", row.values["emitted_at"])
    result = row.values.get("result_at")
    lasts_s = seconds_of(row, "tool_wall_latency_ms", 1e-3) or 0.0
    end_s = moment_s(row, "result_at", result) if result else begin_s + lasts_s
    return ToolRun(name=text_of(row, "tool_name"), begin_s=begin_s, end_s=max(begin_s, end_s))


Sessions = Mapping[str, Sequence[Round]]


def _span(rounds: Sequence[Round]) -> tuple[float, float]:
    ends = [end for r in rounds for end in (r.end_s, *(tool.end_s for tool in r.tools))]
    return rounds[0].begin_s, max(ends)


def _windows(rounds: Sequence[Round]) -> Iterator[tuple[float, float]]:
    """When a session may have run sub-agents; for Codex from the first spawn to the last wait."""
    tools = [tool for r in rounds for tool in r.tools if tool.name in SPAWNING]
    yield from ((t.begin_s, t.end_s) for t in tools if t.name in SPAWNING[:2] and t.end_s - t.begin_s >= LEAST_SPAWN_S)
    begins, ends = (
        [t.begin_s for t in tools if t.name == "spawn_agent"],
        [t.end_s for t in tools if t.name == "wait_agent"],
    )
    if begins and ends and min(begins) < max(ends):
        yield min(begins), max(ends)


def _children(sessions: Sessions) -> Mapping[str, Sequence[str]]:
    """The sessions that lie within a window of another one, the tightest, by the name of that one."""
    windows = defaultdict[tuple[str, str], list[tuple[float, float, str]]](list)
    for name, rounds in sessions.items():
        windows[rounds[0].people] += [(end - begin, begin, name) for begin, end in _windows(rounds)]
    children = defaultdict[str, list[str]](list)
    for name, rounds in sessions.items():
        begin_s, end_s = _span(rounds)
        around = [
            window
            for window in windows[rounds[0].people]
            if window[2] != name and sessions[window[2]][0].begin_s < begin_s
            if window[1] <= begin_s and end_s <= window[1] + window[0]
        ]
        if around and rounds[0].people[1]:
            children[min(around)[2]].append(name)
    return children


def _items(name: str, sessions: Sessions, children: Mapping[str, Sequence[str]], agent: str) -> list[Recorded]:
    """The rounds, tools and sub-agents of a session."""
    inner = [_agent(child, sessions, children) for child in children.get(name, ())]
    items: list[Recorded] = list(inner)
    earlier: list[tuple[float, str]] = []  # ends of the rounds so far, with their ids
    for number, own in enumerate(sessions[name]):
        id_ = f"{name}/{number}"
        continued = next((i for end_s, i in reversed(earlier) if end_s <= own.begin_s + SLACK_S), "")
        items.append(_call(own, id_, agent, continued))
        earlier.append((own.end_s, id_))
        for place, tool in enumerate(own.tools):
            if any(tool.begin_s <= item.begin_s and item.ended_s <= tool.end_s for item in inner):
                continue  # the sub-agent is what the tool did
            seconds = round(tool.end_s - tool.begin_s, 6)
            step = Step(name=tool.name, seconds=seconds, agent=agent)
            items.append(
                Recorded(id=f"{id_} tool {place}", begin_s=tool.begin_s, end_s=tool.end_s, step=step, follows=(id_,))
            )
    return items


def _call(own: Round, id_: str, agent: str, continued: str) -> Recorded:
    kept = own.prefix_tokens
    opening = "" if continued or not kept else f"{own.provider} {own.people[1]}{' sub-agent' if agent else ''}"
    call = Call(
        input_tokens=own.input_tokens,
        output_tokens=own.output_tokens,
        kept_tokens=kept if continued and kept else None,
        opening=opening,
        opening_tokens=kept if opening else 0,
        model=own.model,
    )
    step = Step(seconds=round(own.end_s - own.begin_s, 6), agent=agent, call=call)
    return Recorded(id=id_, begin_s=own.begin_s, end_s=own.end_s, step=step, continues=continued if kept else "")


def _agent(name: str, sessions: Sessions, children: Mapping[str, Sequence[str]]) -> Recorded:
    begin_s, end_s = _span(sessions[name])
    return Recorded(id=name, begin_s=begin_s, end_s=end_s, inner=tuple(_items(name, sessions, children, name)))
