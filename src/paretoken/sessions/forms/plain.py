"""Our own form: JSON lines of one session each, with its `steps`, or of one step each, with its `session`.

Every field of Step and Call has its own name here; docs/sessions.md describes them.
"""

from __future__ import annotations

from collections.abc import Iterator

from paretoken.sessions.arrange import NamedStep
from paretoken.sessions.drafts import Faults, Gathered, SessionDraft
from paretoken.sessions.fields import (
    blocks_of,
    id_of,
    ids_of,
    message_of,
    messages_of,
    require_known,
    rows_of,
    seconds_of,
    text_of,
    tokens_of,
    tools_of,
)
from paretoken.sessions.graph import BLOCK_TOKENS, Call, Step
from paretoken.sessions.memory import STEP_BYTES, json_bytes
from paretoken.trace_rows import TraceRow

NAME = "plain sessions"
RULE = "times in s, steps as written"
SESSION_FIELDS = ("session", "begin_s", "block_tokens", "steps")
STEP_FIELDS = ("id", "name", "agent", "after", "wait_s", "seconds", "began_s", "call")
CALL_FIELDS = (
    "input_tokens",
    "output_tokens",
    "continues",
    "kept_tokens",
    "opening",
    "opening_tokens",
    "blocks",
    "messages",
    "answer",
    "tools",
    "model",
)
_REQUEST_FIELDS = {"prompt", "messages", "input_tokens"}
"""Of a plain request, which has a `session`, too."""


def detects(row: TraceRow) -> bool:
    """A session and something of a step."""
    fields = row.values.keys()
    return "session" in fields and bool({"steps", *STEP_FIELDS} & fields) and not _REQUEST_FIELDS & fields


def drafts(rows: Iterator[TraceRow], faults: Faults, most_sessions: int | None) -> Iterator[SessionDraft]:
    """Sessions of one line as they come, then those of several lines."""
    gathered = Gathered[TraceRow](faults, most_sessions, lambda row: STEP_BYTES + json_bytes(row.values))
    for row in rows:
        name = faults.session_of(row, "session")
        if not name:
            continue
        if "steps" not in row.values:
            gathered.add(name, row, _known_step_row)
            continue
        with faults.of(name, row.place):
            require_known(row, SESSION_FIELDS)
            yield _draft(name, [row], rows_of(row, "steps", "step"))
    for name in list(gathered.rows):
        with faults.of(name, gathered.places[name]):
            parts = gathered.take(name)
            yield _draft(name, parts, parts)


def _known_step_row(row: TraceRow) -> TraceRow:
    require_known(row, ("session", "begin_s", "block_tokens", *STEP_FIELDS))
    return row


def _draft(name: str, heads: list[TraceRow], parts: list[TraceRow]) -> SessionDraft:
    steps: list[NamedStep] = []
    for number, part in enumerate(parts):
        steps.append(_step(part, str(number), steps[-1].id if steps else ""))
    begin_s = next((s for head in heads if (s := seconds_of(head, "begin_s")) is not None), None)
    block_tokens = next((n for head in heads if (n := tokens_of(head, "block_tokens"))), BLOCK_TOKENS)
    return SessionDraft(name=name, place=heads[0].place, steps=steps, begin_s=begin_s, block_tokens=block_tokens)


def _step(row: TraceRow, number: str, previous: str) -> NamedStep:
    """A step. Without `after` it waits for the one before it in the file."""
    if "session" not in row.values:
        require_known(row, STEP_FIELDS)
    call, continues = _call(row) if row.values.get("call") is not None else (None, "")
    return NamedStep(
        id=id_of(row, "id", row.values["id"]) if row.values.get("id") is not None else number,
        step=Step(
            name=text_of(row, "name"),
            wait_s=seconds_of(row, "wait_s") or 0.0,
            seconds=seconds_of(row, "seconds"),
            began_s=seconds_of(row, "began_s"),
            agent=text_of(row, "agent"),
            call=call,
        ),
        after=ids_of(row, "after") if row.values.get("after") is not None else tuple(filter(None, [previous])),
        continues=continues,
    )


def _call(step: TraceRow) -> tuple[Call, str]:
    """The call and the id of the step that it continues."""
    value = step.get("call")
    if not isinstance(value, dict):
        raise step.bad("call must be an object; write {} for a call without data")
    row = TraceRow(value, step.file, f"{step.place}, call")
    require_known(row, CALL_FIELDS)
    continues, answer = row.values.get("continues"), row.values.get("answer")
    call = Call(
        input_tokens=tokens_of(row, "input_tokens"),
        output_tokens=tokens_of(row, "output_tokens"),
        kept_tokens=tokens_of(row, "kept_tokens"),
        opening=text_of(row, "opening"),
        opening_tokens=tokens_of(row, "opening_tokens") or 0,
        blocks=blocks_of(row, "blocks"),
        messages=messages_of(row, "messages"),
        answer=message_of(row, answer) if answer is not None else None,
        tools=tools_of(row, "tools"),
        model=text_of(row, "model"),
    )
    return call, id_of(row, "continues", continues) if continues is not None else ""
