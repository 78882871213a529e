"""Sessions in Mooncake's form: JSON lines of a request each, with `session_id`.

Mooncake (kvcache-ai/Mooncake, FAST25-release) has `timestamp` (ms), `input_length`, `output_length` and `hash_ids` of
512-token blocks. AIPerf 0.13 adds sessions (`dataset/loader/mooncake_trace.py`, `dataset/agentic_code_gen/writer.py`,
docs/benchmark-modes/trace-replay.md): later turns have a `delay` (ms) after the answer before; `input_length`,
`text_input` and their `hash_ids` are only what a turn adds; `messages` are the whole history, or with
`"message_mode": "delta"` what a turn adds. Where the block ids of a later turn begin with those of the one before, they
and the length are of the whole prompt. Rows without a session stay sessions of one call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from paretoken.errors import quoted
from paretoken.sessions.arrange import NamedStep
from paretoken.sessions.contexts import common_messages
from paretoken.sessions.drafts import Faults, Gathered, SessionDraft, SessionLimits
from paretoken.sessions.fields import blocks_of, id_of, messages_of, seconds_of, text_of, tokens_of, tools_of
from paretoken.sessions.graph import Call, Message, Step
from paretoken.trace_rows import TraceRow

NAME = "Mooncake sessions"
RULE = "times in ms, blocks of 512 tokens, each turn after the answer before it"
BLOCK_TOKENS = 512
_PROMPTS = ("input_length", "text_input", "input_text", "hash_ids")
_TIMES, _DELAYS = ("timestamp", "timestamp_ms"), ("delay", "delay_ms")
_MODES = ("history", "delta")


def detects(row: TraceRow) -> bool:
    """A session with what only Mooncake's rows have; rows without a session are requests."""
    fields = row.values.keys()
    prompts = bool(set(_PROMPTS) & fields) or {"messages", "output_length"} <= fields
    return bool(row.values.get("session_id")) and prompts and "chat_id" not in fields


def drafts(rows: Iterator[TraceRow], faults: Faults, limits: SessionLimits) -> Iterator[SessionDraft]:
    """The sessions, once all rows are read."""
    gathered = Gathered[TraceRow](faults, limits)
    for number, row in enumerate(rows):
        session = row.values.get("session_id")
        name = f"row {number}" if session in (None, "") else id_of(row, "session_id", session)
        gathered.add(name, row, lambda row=row: _slim(row))  # type: ignore[misc]
    for name in list(gathered.rows):
        own = gathered.rows.pop(name)
        with faults.of(name, gathered.places[name]):
            yield _draft(name, _in_time(own))


def _slim(row: TraceRow) -> TraceRow:
    """The row with its blocks as one tuple, which takes less memory than a list."""
    blocks = blocks_of(row, "hash_ids")
    return TraceRow({**row.values, "hash_ids": blocks}, row.file, row.place) if blocks else row


def _in_time(rows: list[TraceRow]) -> list[TraceRow]:
    """The turns by their time where all have one, else as the file has them."""
    times = [_first_s(row, _TIMES) for row in rows]
    if None in times:
        return rows
    return [row for _, row in sorted(zip(times, rows, strict=True), key=lambda pair: pair[0] or 0.0)]


def _draft(name: str, rows: list[TraceRow]) -> SessionDraft:
    steps: list[NamedStep] = []
    whole = _are_whole(rows)
    for number, row in enumerate(rows):
        before = rows[number - 1] if number else None
        call = _call(row, before, steps[-1].step.call if steps else None, whole=whole)
        wait_s = _first_s(row, _DELAYS)
        if wait_s is None:
            # The duration of the answer before is not recorded.
            begin_s, earlier_s = _first_s(row, _TIMES), before and _first_s(before, _TIMES)
            wait_s = begin_s - earlier_s if begin_s is not None and earlier_s is not None else 0.0
        after = (steps[-1].id,) if steps else ()
        continues = "" if before is None or call.blocks or _restarts(row, before) else steps[-1].id
        step = Step(wait_s=wait_s if steps else 0.0, call=call)
        steps.append(NamedStep(id=str(number), step=step, after=after, continues=continues))
    return SessionDraft(
        name=name, place=rows[0].place, steps=steps, begin_s=_first_s(rows[0], _TIMES), block_tokens=BLOCK_TOKENS
    )


def _are_whole(rows: Sequence[TraceRow]) -> bool:
    """Whether lengths and block ids are of whole prompts, not of what a turn adds."""
    ids = [tuple(row.values.get("hash_ids") or ()) for row in rows]  # type: ignore[call-overload]
    pairs = [(a, b) for a, b in zip(ids, ids[1:], strict=False) if a and b]
    # The last block of a prompt may be filled in part, and another one in the next turn.
    return bool(pairs) and all(a[:1] == b[:1] for a, b in pairs)


def _call(row: TraceRow, before: TraceRow | None, earlier: Call | None, *, whole: bool) -> Call:
    new, output = tokens_of(row, "input_length"), tokens_of(row, "output_length")
    blocks = blocks_of(row, "hash_ids")
    if earlier is None or whole or (_mode(row) == "history" and row.values.get("messages") is not None):
        total = new
    elif None in (new, earlier.input_tokens, earlier.output_tokens):
        total, blocks = None, ()
    else:
        total, blocks = (new or 0) + (earlier.input_tokens or 0) + (earlier.output_tokens or 0), ()
    return Call(
        input_tokens=total,
        output_tokens=output,
        blocks=blocks,
        messages=_messages(row, before),
        tools=tools_of(row, "tools"),
        model=text_of(row, "model"),
    )


def _messages(row: TraceRow, before: TraceRow | None) -> tuple[Message, ...]:
    """The messages that a turn adds."""
    text = text_of(row, "text_input") or text_of(row, "input_text")
    if text:
        return ({"role": "user", "content": text},)
    messages = messages_of(row, "messages")
    if before is None or _mode(row) == "delta":
        return messages
    common = common_messages(messages_of(before, "messages"), messages)
    return messages if common is None else messages[common:]


def _restarts(row: TraceRow, before: TraceRow) -> bool:
    """Whether a whole history does not go on with the one before."""
    if row.values.get("messages") is None or _mode(row) == "delta":
        return False
    return common_messages(messages_of(before, "messages"), messages_of(row, "messages")) is None


def _mode(row: TraceRow) -> str:
    mode = text_of(row, "message_mode") or "history"
    if mode not in _MODES:
        raise row.bad(f"message_mode {quoted(mode)} is unknown; it is history or delta")
    return mode


def _first_s(row: TraceRow, names: tuple[str, ...]) -> float | None:
    """The time in the first of these fields that the row has, ms."""
    return next((s for name in names if (s := seconds_of(row, name, 1e-3)) is not None), None)
