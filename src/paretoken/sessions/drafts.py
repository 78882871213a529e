"""Sessions as a form reads them, before they are arranged, and what is left out on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from paretoken.errors import BadFile, quoted
from paretoken.sessions.arrange import MOST_STEPS, BadSession, NamedStep
from paretoken.sessions.fields import id_of
from paretoken.sessions.graph import BLOCK_TOKENS
from paretoken.sessions.memory import OBJECT_BYTES, SESSION_BYTES, json_bytes
from paretoken.trace_rows import UNREADABLE, BadRow, TraceRow

T = TypeVar("T")
MOST_KEPT = 6_000_000_000
"""Bytes of memory that the sessions of a file and the rows that wait for others take, by `paretoken.sessions.memory`.

A line and its session while they are read come on top.
"""


class TooLarge(BadFile):
    """A file whose sessions take more memory than is allowed; leaving a session out does not help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDraft:
    """A session whose steps name each other by the ids of the form. `place` is where the file holds it.

    `begin_s` is the recorded time of its start, from any zero. `distinct_ids` is how many objects its block
    ids are, None if each is one of its own.
    """

    name: str
    place: str
    steps: Sequence[NamedStep]
    begin_s: float | None = None
    block_tokens: int = BLOCK_TOKENS
    distinct_ids: int | None = None


@dataclass(slots=True, kw_only=True)
class Faults:
    """What is wrong with a file: raised, or with `keep_going` counted, and the session left out.

    `kept` are the bytes of memory that what was read takes.
    """

    file: str
    keep_going: bool = False
    left_out: Counter[str] = field(default_factory=Counter)
    spoiled: set[str] = field(default_factory=set)
    kept: int = 0

    @contextmanager
    def of(self, session: str, place: str = "") -> Iterator[None]:
        """The context in which a part of a session is read; its faults are raised or counted."""
        try:
            yield
        except TooLarge:
            raise
        except BadSession as e:
            where = f"{self.file}: {place}: " if place else f"{self.file}: "
            self._spoil(session, BadFile(f"{where}session {quoted(session)}: {e}"), e.reason)
        except BadFile as e:
            self._spoil(session, e, _reason(e))

    def keep(self, size: int, place: str) -> None:
        """Count bytes of memory that are kept; TooLarge once they are too many."""
        self.kept += size
        if self.kept > MOST_KEPT:
            raise TooLarge(
                f"{self.file}: {place}: the sessions up to here need more than {MOST_KEPT / 1e9:g} GB of memory, "
                "too many to keep; split the file, or read fewer sessions"
            )

    def give_back(self, size: int) -> None:
        """Count bytes of memory that are freed."""
        self.kept -= size

    def session_of(self, row: TraceRow, name: str) -> str:
        """The session that a row is of; "" if it cannot be read."""
        try:
            return id_of(row, name, row.get(name))
        except BadFile as e:
            self._spoil(row.place, e, _reason(e))
            return ""

    def broken(self, error: BadFile) -> None:
        """Raise or count a line that is not a JSON object; its session is unknown."""
        if not self.keep_going:
            raise error
        self.left_out["a line that is not whole JSON"] += 1

    def leave_out(self, session: str, reason: str) -> None:
        """Leave out a session; it counts once."""
        if session not in self.spoiled:
            self.spoiled.add(session)
            self.keep(json_bytes(session) + OBJECT_BYTES, quoted(session))
            self.left_out[reason] += 1

    def _spoil(self, session: str, error: BadFile, reason: str) -> None:
        if not self.keep_going:
            raise error
        self.leave_out(session, reason)


def _reason(error: BadFile) -> str:
    return error.reason if isinstance(error, BadRow) else UNREADABLE


@dataclass(slots=True)
class Gathered(Generic[T]):
    """The rows of each session, of the first `most_sessions` of the file; the others are counted.

    `size` are the bytes that a parsed row takes.
    """

    faults: Faults
    most_sessions: int | None
    size: Callable[[T], int]
    rows: dict[str, list[T]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    _sizes: Counter[str] = field(default_factory=Counter)

    def add(self, session: str, row: TraceRow, parse: Callable[[TraceRow], T]) -> None:
        """One more row of a session, kept as what `parse` makes of it."""
        most = self.most_sessions
        if session not in self.rows and most is not None and len(self.rows) >= most:
            self.faults.leave_out(session, f"beyond the first {most:,} sessions")
        if session in self.faults.spoiled:
            return
        with self.faults.of(session, row.place):
            if session not in self.rows:
                self.rows[session], self.places[session] = [], row.place
                self._keep(session, SESSION_BYTES, row)
            self.rows[session].append(parse(row))
            self._keep(session, self.size(self.rows[session][-1]), row)
            if len(self.rows[session]) > MOST_STEPS:
                raise BadSession(f"has more than {MOST_STEPS:,} steps", "too many steps")
        if session in self.faults.spoiled:
            self.take(session)

    def take(self, session: str) -> list[T]:
        """The rows of a session, which are kept here no longer."""
        self.faults.give_back(self._sizes.pop(session, 0))
        return self.rows.pop(session, [])

    def _keep(self, session: str, size: int, row: TraceRow) -> None:
        self._sizes[session] += size
        self.faults.keep(size, row.place)
