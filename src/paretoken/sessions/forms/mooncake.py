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
from dataclasses import dataclass, replace
from itertools import pairwise

from paretoken.errors import quoted
from paretoken.sessions.arrange import NamedStep
from paretoken.sessions.contexts import common_messages
from paretoken.sessions.drafts import Faults, Gathered, SessionDraft
from paretoken.sessions.fields import blocks_of, messages_of, seconds_of, text_of, tokens_of, tools_of
from paretoken.sessions.graph import UNTIMED_CALL_S, Call, Message, Step
from paretoken.sessions.memory import STEP_BYTES, call_bytes
from paretoken.sessions.recorded import DIGITS
from paretoken.trace_rows import TraceRow

NAME = "Mooncake sessions"
RULE = (
    "times in ms, blocks of 512 tokens, each turn after the answer before it, which took 1 s where no delay is stated"
)
BLOCK_TOKENS = 512
_PROMPTS = ("input_length", "text_input", "input_text")
TIMES, DELAYS = ("timestamp", "timestamp_ms"), ("delay", "delay_ms")
_MODES = ("history", "delta")


def detects(row: TraceRow) -> bool:
    """A session with what only Mooncake's rows have; rows without a session are requests."""
    fields = row.values.keys()
    prompts = bool(set(_PROMPTS) & fields) or {"messages", "output_length"} <= fields
    return bool(row.values.get("session_id")) and prompts and "chat_id" not in fields


@dataclass(frozen=True, slots=True, kw_only=True)
class MooncakeTurn:
    """A row. `messages` are all of the prompt if it has a `history`, else what the turn adds."""

    time_s: float | None
    delay_s: float | None
    history: bool
    call: Call


def drafts(rows: Iterator[TraceRow], faults: Faults, most_sessions: int | None) -> Iterator[SessionDraft]:
    """The sessions, once all rows are read."""
    gathered = Gathered[MooncakeTurn](faults, most_sessions, lambda turn: STEP_BYTES + call_bytes(turn.call))
    for number, row in enumerate(rows):
        own = row.values.get("session_id") in (None, "")
        if name := f"row {number}" if own else faults.session_of(row, "session_id"):
            gathered.add(name, row, _turn)
    for name in list(gathered.rows):
        turns = _in_time(gathered.take(name))
        yield SessionDraft(
            name=name,
            place=gathered.places[name],
            steps=_steps(turns),
            begin_s=turns[0].time_s,
            block_tokens=BLOCK_TOKENS,
        )


def _turn(row: TraceRow) -> MooncakeTurn:
    mode, text = text_of(row, "message_mode") or "history", text_of(row, "text_input") or text_of(row, "input_text")
    if mode not in _MODES:
        raise row.bad(f"message_mode {quoted(mode)} is unknown; it is history or delta")
    messages = ({"role": "user", "content": text},) if text else messages_of(row, "messages")
    return MooncakeTurn(
        time_s=first_s(row, TIMES),
        delay_s=first_s(row, DELAYS),
        history=mode == "history" and not text and bool(messages),
        call=Call(
            input_tokens=tokens_of(row, "input_length"),
            output_tokens=tokens_of(row, "output_length"),
            blocks=blocks_of(row, "hash_ids"),
            messages=messages,
            tools=tools_of(row, "tools"),
            model=text_of(row, "model"),
        ),
    )


def _in_time(turns: list[MooncakeTurn]) -> list[MooncakeTurn]:
    """The turns by their time where all have one, else as the file has them."""
    if any(turn.time_s is None for turn in turns):
        return turns
    return sorted(turns, key=lambda turn: turn.time_s or 0.0)


def _steps(turns: Sequence[MooncakeTurn]) -> list[NamedStep]:
    zero_s = turns[0].time_s
    steps = [NamedStep(id="0", step=Step(call=turns[0].call, began_s=None if zero_s is None else 0.0))]
    whole = _are_whole(turns)
    for number, (before, turn) in enumerate(pairwise(turns), start=1):
        call, continued = turn.call, True
        if turn.history:
            common = common_messages(before.call.messages, call.messages)
            continued = common is not None
            if common is not None:
                steps[-1] = _answered(steps[-1], call.messages[common - 1])
                call = replace(call, messages=call.messages[common:])
        elif whole:
            continued = False  # its block ids say what it shares
        else:
            call = _grown(steps[-1].step.call or before.call, call)
        last = steps[-1].id
        began_s = None if zero_s is None or turn.time_s is None else round(turn.time_s - zero_s, DIGITS)
        step = Step(wait_s=_wait_s(before, turn), began_s=began_s, call=call)
        steps.append(NamedStep(id=str(number), step=step, after=(last,), continues=last if continued else ""))
    return steps


def _answered(named: NamedStep, answer: Message) -> NamedStep:
    call = named.step.call
    return replace(named, step=replace(named.step, call=replace(call, answer=answer) if call else None))


def _are_whole(turns: Sequence[MooncakeTurn]) -> bool:
    """Whether lengths and block ids are of whole prompts, not of what a turn adds."""
    pairs = [(a.call.blocks, b.call.blocks) for a, b in pairwise(turns) if a.call.blocks and b.call.blocks]
    return bool(pairs) and all(a[0] == b[0] for a, b in pairs)


def _grown(earlier: Call, added: Call) -> Call:
    """The call with the whole prompt: that of the call before, the answer to it, and what is added."""
    parts = earlier.input_tokens, earlier.output_tokens, added.input_tokens
    stated = [part for part in parts if part is not None]
    # Answers have no block ids, so the ids of what is added are not those of the prompt.
    return replace(added, input_tokens=sum(stated) if len(stated) == len(parts) else None, blocks=())


def _wait_s(before: MooncakeTurn, turn: MooncakeTurn) -> float:
    """The delay; without one, what remains from begin to begin after `UNTIMED_CALL_S` for the answer before."""
    if turn.delay_s is not None or turn.time_s is None or before.time_s is None:
        return turn.delay_s or 0.0
    gap_s = turn.time_s - before.time_s
    return gap_s if gap_s < 0 else round(max(gap_s - UNTIMED_CALL_S, 0.0), DIGITS)


def first_s(row: TraceRow, names: tuple[str, ...]) -> float | None:
    """The time in the first of these fields that the row has, ms."""
    return next((s for name in names if (s := seconds_of(row, name, 1e-3)) is not None), None)
