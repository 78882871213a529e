"""Upper bounds of the memory that parts of sessions take: objects of CPython by their documented sizes, in bytes."""

from __future__ import annotations

from collections.abc import Sized
from sys import getsizeof

from paretoken.sessions.graph import Call, Session, Step

ID_BYTES = 40
"""A whole number of up to 60 bits and its place in a list."""
PLACE_BYTES = 8
"""The place alone, where the number is in many lists."""
OBJECT_BYTES = 48
"""A number, a short text or a small container that a field holds, and its place."""
CALL_BYTES = 400
"""A call with its lengths."""
STEP_BYTES = 700
"""A step with its times, its ids in the file, and what arranges it."""
SESSION_BYTES = 800
"""A session with its name and what gathers its rows."""


def json_bytes(value: object) -> int:
    """Bytes of a value of JSON with all that is in it."""
    total, open_ = 0, [value]
    while open_:
        inner = open_.pop()
        total += getsizeof(inner) + 16
        if isinstance(inner, dict):
            # Keys of JSON are short and shared; a long one counts.
            total += sum(8 + (0 if len(key) <= 64 else getsizeof(key)) for key in inner)
            open_ += inner.values()
        elif isinstance(inner, (list, tuple)):
            if {int}.issuperset(map(type, inner)):
                total += ids_bytes(inner)
            else:
                open_ += inner
    return total


def ids_bytes(ids: Sized) -> int:
    """Bytes of a list of ids."""
    return OBJECT_BYTES + ID_BYTES * len(ids)


def call_bytes(call: Call) -> int:
    """Bytes of a call with its blocks and its messages."""
    texts = sum(map(json_bytes, (call.messages, call.answer, call.tools, call.model, call.opening)))
    return CALL_BYTES + ids_bytes(call.blocks) + texts


def step_bytes(step: Step) -> int:
    """Bytes of a step and its call."""
    own = STEP_BYTES + ids_bytes(step.after) + getsizeof(step.name) + getsizeof(step.agent)
    return own if step.call is None else own + call_bytes(step.call)


def session_bytes(session: Session, distinct_ids: int | None = None) -> int:
    """Bytes of a session, whose block ids are `distinct_ids` objects, None if each is one of its own."""
    total = SESSION_BYTES + sum(map(step_bytes, session.steps))
    if distinct_ids is None:
        return total
    ids = sum(len(call.blocks) for call in session.calls.values())
    return total - ids * ID_BYTES + ids * PLACE_BYTES + distinct_ids * ID_BYTES
