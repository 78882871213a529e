"""Fields of a row of a session: ids, messages, definitions of tools, block ids. Each getter raises BadFile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import cast

from paretoken.errors import quoted
from paretoken.plain_files import DEEPEST
from paretoken.sessions.arrange import MOST_STEPS
from paretoken.sessions.graph import Message
from paretoken.trace_rows import TraceRow

ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def id_of(row: TraceRow, name: str, value: object) -> str:
    """An id as text; it may be a whole number."""
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        raise row.bad(f"{name} {quoted(value)} is not an id; give a text or a whole number")
    return str(value)


def ids_of(row: TraceRow, name: str) -> tuple[str, ...]:
    """The ids in a list, none where the row lacks it."""
    return tuple(id_of(row, name, value) for value in list_of(row, name))


def list_of(row: TraceRow, name: str) -> Sequence[object]:
    """A list, empty where the row lacks it."""
    value = row.values.get(name)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise row.bad(f"{name} {quoted(value)} is not a list")
    return value


def rows_of(row: TraceRow, name: str, what: str) -> list[TraceRow]:
    """The objects in a list, each with its place."""
    rows, values = [], list_of(row, name)
    if len(values) > MOST_STEPS:
        raise row.bad(f"{name} has {len(values):,} entries; at most {MOST_STEPS:,} are read")
    for number, value in enumerate(values, start=1):
        place = f"{row.place}, {what} {number}"
        if not isinstance(value, dict):
            raise row.bad(f"{what} {number} is {quoted(value)}, not an object")
        rows.append(TraceRow(value, row.file, place))
    return rows


def text_of(row: TraceRow, name: str) -> str:
    """A text, "" where the row lacks it."""
    value = row.values.get(name)
    if value is not None and not isinstance(value, str):
        raise row.bad(f"{name} {quoted(value)} is not text")
    return value or ""


def tokens_of(row: TraceRow, name: str) -> int | None:
    """Tokens, None where the row lacks them."""
    return row.tokens(name) if row.values.get(name) is not None else None


def seconds_of(row: TraceRow, name: str, unit_s: float = 1.0) -> float | None:
    """A time in s, None where the row lacks it."""
    return row.time_s(name, unit_s) if row.values.get(name) is not None else None


def moment_s(row: TraceRow, name: str, value: object) -> float:
    """Seconds since 1970 of a date with a time; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(str(value))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise row.bad(
            f"{name} {quoted(value)} is not a time like 2026-08-25T00:00:01Z", "a time that is no date"
        ) from None


def blocks_of(row: TraceRow, name: str) -> tuple[int, ...]:
    """Ids of blocks, none where the row lacks them."""
    value = list_of(row, name)
    if not {int}.issuperset(map(type, value)):
        raise row.bad(f"{name} must be a list of whole numbers")
    return tuple(cast("Sequence[int]", value))


def message_of(row: TraceRow, value: object) -> Message:
    """A message with a role of the chat forms."""
    if not isinstance(value, dict):
        raise row.bad(f"the message {quoted(value)} is not an object with role and content")
    role = value.get("role")
    if role not in ROLES:
        raise row.bad(
            f"the role {quoted(role)} of a message is unknown; known roles: {', '.join(ROLES)}", "an unknown role"
        )
    return _shallow(row, value)


def messages_of(row: TraceRow, name: str) -> tuple[Message, ...]:
    """The messages in a list, none where the row lacks it."""
    return tuple(message_of(row, value) for value in list_of(row, name))


def tools_of(row: TraceRow, name: str) -> tuple[Message, ...]:
    """Definitions of tools, none where the row lacks them."""
    return tuple(_shallow(row, tool.values) for tool in rows_of(row, name, "tool"))


def _shallow(row: TraceRow, value: Message) -> Message:
    """The value, if it is not nested too deep to be compared and written."""
    level: list[object] = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level if isinstance(outer, (dict, list)) for inner in _inside(outer)]
        if not level:
            return value
    raise row.bad(f"a message or a tool is nested more than {DEEPEST} levels deep")


def _inside(value: dict[str, object] | list[object]) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else value


def require_known(row: TraceRow, fields: Sequence[str]) -> None:
    """Refuse a field that is not one of these, so that a typing error does not go unnoticed."""
    for name in row.values:
        if name not in fields:
            near = get_close_matches(name[:80], fields, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known fields: {', '.join(fields)}"
            raise row.bad(f"the field {quoted(name)} is unknown; {hint}", "an unknown field")
