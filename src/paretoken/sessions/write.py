"""Sessions as JSON lines of the plain form, one session a line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import orjson

from paretoken.errors import CannotWrite
from paretoken.sessions.graph import NO_STEP, Call, Session, Step


def write_sessions(path: Path | str, sessions: Iterable[Session]) -> None:
    """Write the file that `read_sessions` reads as the same sessions."""
    try:
        with Path(path).open("wb") as file:
            for session in sessions:
                file.write(orjson.dumps(plain_session(session)) + b"\n")
    except OSError as e:
        raise CannotWrite(f"{path} cannot be written: {e.strerror}") from e


def plain_session(session: Session) -> dict[str, object]:
    """The object of a session in the plain form; ids of steps are their numbers."""
    head: dict[str, object] = {"session": session.name, "block_tokens": session.block_tokens}
    if session.begin_s is not None:
        head["begin_s"] = session.begin_s
    return {**head, "steps": [_step(number, step) for number, step in enumerate(session.steps)]}


def _step(number: int, step: Step) -> dict[str, object]:
    """A step, without the fields that say nothing."""
    row: dict[str, object] = {"id": number, "after": list(step.after)}
    row |= {name: value for name in ("name", "agent", "wait_s") if (value := getattr(step, name))}
    row |= {name: value for name in ("seconds", "began_s") if (value := getattr(step, name)) is not None}
    return row if step.call is None else {**row, "call": _call(step.call)}


def _call(call: Call) -> dict[str, object]:
    values = {f.name: getattr(call, f.name) for f in fields(call)}
    if call.continues == NO_STEP:
        del values["continues"]
    return {name: value for name, value in values.items() if value is not None and value not in ("", ())}
