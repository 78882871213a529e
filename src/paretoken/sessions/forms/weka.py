"""Agentic coding traces of WEKA, the corpus of InferenceX AgentX: a JSON object for each session.

The form is that of callanjfox/kv-cache-tester (`docs/trace_replay_tester.md`, 739 traces) and of the data sets
`semianalysisai/cc-traces-weka-*`, as AIPerf 0.13 reads them (`dataset/loader/weka_trace_models.py`). A session has
`requests` in the order of their time `t` (s): calls of the type `n` or `s` (streamed) with `in` and `out` tokens (or
`input_length` and `output_length`), `hash_ids` of the ⌊in / block_size⌋ whole blocks of the prompt, `api_time` (s) and
`think_time` (s before the call); and the type `subagent` with requests of its own, whose times count from its start in
older files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, pairwise

from paretoken.errors import quoted
from paretoken.sessions.drafts import Faults, SessionDraft
from paretoken.sessions.fields import blocks_of, id_of, list_of, rows_of, seconds_of, text_of
from paretoken.sessions.graph import UNTIMED_CALL_S, Call, Step
from paretoken.sessions.recorded import SLACK_S, Recorded, steps_in_time, tools_for_waits
from paretoken.trace_rows import TraceRow

NAME = "Weka (AgentX)"
RULE = (
    "times in s, order by time, pauses before tool results as tools, block ids of a session mean nothing in another one"
)
_CALLS = ("n", "s")
_WHOLE_SECONDS_S = 1.0
"""How far calls overlap whose times are cut to seconds."""


def detects(row: TraceRow) -> bool:
    """Requests with a size of their blocks."""
    return {"requests", "block_size"} <= row.values.keys()


def drafts(rows: Iterator[TraceRow], faults: Faults, most_sessions: int | None) -> Iterator[SessionDraft]:
    """A session for each object."""
    numbers = count()
    for number, row in enumerate(rows):
        name = id_of(row, "id", row.values["id"]) if row.values.get("id") is not None else str(number)
        with faults.of(name, row.place):
            yield _draft(name, row, numbers)


def _draft(name: str, row: TraceRow, numbers: Iterator[int]) -> SessionDraft:
    block_tokens = row.tokens("block_size")
    if not block_tokens:
        raise row.bad("block_size is 0; a block has 1 token or more")
    scope = text_of(row, "hash_id_scope") or "local"
    if scope not in ("local", "global"):
        raise row.bad(f"hash_id_scope {quoted(scope)} is unknown; it is local or global")
    requests = _Requests(numbers if scope == "local" else None)
    items = requests.items(rows_of(row, "requests", "request"), "", 0.0, "")
    if not items:
        raise row.bad("requests holds no call")
    slack_s = _WHOLE_SECONDS_S if requests.whole_seconds else SLACK_S
    steps = tools_for_waits(steps_in_time(items, slack_s=slack_s), requests.with_results)
    return SessionDraft(
        name=name, place=row.place, steps=steps, block_tokens=block_tokens, distinct_ids=requests.distinct_ids
    )


class _Requests:
    """Requests of one session as items, and what holds of all of them. `numbers` are unused ids of blocks."""

    def __init__(self, numbers: Iterator[int] | None) -> None:
        # Equal ids become one object, as a trace holds millions of them.
        self._number = None if numbers is None else defaultdict[int, int](numbers.__next__)
        self.whole_seconds = True
        self.with_results: set[str] = set()
        """The calls that bring results of tools."""

    @property
    def distinct_ids(self) -> int | None:
        """How many objects the block ids are, None if each is one of its own."""
        return None if self._number is None else len(self._number)

    def items(self, rows: list[TraceRow], agent: str, zero_s: float, above: str) -> list[Recorded]:
        """The requests of one agent, whose times count from `zero_s`."""
        calls = [(number, row) for number, row in enumerate(rows) if row.values.get("type") in _CALLS]
        ends = _ends(calls)
        items = []
        for number, row in enumerate(rows):
            id_ = f"{above}{number}"
            if row.values.get("type") == "subagent" and not above:
                items.append(self._agent(row, id_))
            elif number in ends:
                items.append(self._call(row, id_, agent, zero_s, ends[number]))
            else:
                raise row.bad(f"type {quoted(row.values.get('type'))} is unknown here; it is n, s or subagent")
        return items

    def _call(self, row: TraceRow, id_: str, agent: str, zero_s: float, end_s: float) -> Recorded:
        begin_s = row.time_s("t")
        self.whole_seconds &= begin_s == int(begin_s)
        if "tool_result" in list_of(row, "input_types"):
            self.with_results.add(id_)
        blocks = blocks_of(row, "hash_ids")
        call = Call(
            input_tokens=row.tokens("in" if "in" in row.values else "input_length"),
            output_tokens=row.tokens("out" if "out" in row.values else "output_length"),
            blocks=blocks if self._number is None else tuple(map(self._number.__getitem__, blocks)),
            model=text_of(row, "model"),
        )
        step = Step(seconds=seconds_of(row, "api_time"), agent=agent, call=call)
        return Recorded(id=id_, begin_s=zero_s + begin_s, end_s=zero_s + max(end_s, begin_s), step=step)

    def _agent(self, row: TraceRow, id_: str) -> Recorded:
        begin_s, rows = row.time_s("t"), rows_of(row, "requests", "request")
        times = [inner.time_s("t") for inner in rows]
        relative = bool(times) and min(times) < begin_s - SLACK_S
        name = text_of(row, "agent_id") or f"agent {id_}"
        items = self.items(rows, name, begin_s if relative else 0.0, f"{id_}.")
        end_s = begin_s + (seconds_of(row, "duration_ms", 1e-3) or 0.0)
        step = None if items else Step(name=text_of(row, "subagent_type") or name, seconds=end_s - begin_s, agent=name)
        return Recorded(id=id_, begin_s=begin_s, end_s=end_s, step=step, inner=tuple(items))


def _ends(calls: Sequence[tuple[int, TraceRow]]) -> Mapping[int, float]:
    """When each call ended; without an `api_time`, when the client began to think before the next call.

    Without either it lasts `UNTIMED_CALL_S`, or until the next call began.
    """
    ends = {number: row.time_s("t") + (seconds_of(row, "api_time") or 0.0) for number, row in calls}
    for (number, row), (_, after) in pairwise(calls):
        think_s, next_s = seconds_of(after, "think_time"), after.time_s("t")
        if row.values.get("api_time") is None:
            own_s = min(ends[number] + UNTIMED_CALL_S, next_s) if think_s is None else next_s - think_s
            ends[number] = max(ends[number], own_s)
    return ends
