"""Sessions as a form reads them, before they are arranged, and what is left out on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from paretoken.errors import BadConfig, BadFile, quoted
from paretoken.sessions.arrange import BadSession, NamedStep
from paretoken.sessions.fields import id_of
from paretoken.sessions.graph import BLOCK_TOKENS
from paretoken.trace_rows import TraceRow

T = TypeVar("T")
MOST_STEPS = 100_000
"""Steps of a session. More are taken for a mistake."""
MOST_KEPT = 3_000_000_000
"""Characters of the rows of sessions that are kept, which take up to twice as many bytes of memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """The part of a trace that is kept: its first `most_sessions`, without those with a call beyond `max_tokens`."""

    most_sessions: int | None = None
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        if any(limit is not None and limit < 1 for limit in (self.most_sessions, self.max_tokens)):
            raise BadConfig("limits of a trace of sessions must be 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDraft:
    """A session whose steps name each other by the ids of the form. `place` is where the file holds it.

    `begin_s` is the recorded time of its begin, whatever that counts from.
    """

    name: str
    place: str
    steps: Sequence[NamedStep]
    begin_s: float | None = None
    block_tokens: int = BLOCK_TOKENS


@dataclass(slots=True, kw_only=True)
class Faults:
    """What is wrong with a file: raised, or with `keep_going` counted, and the session left out.

    `kept` counts the characters of the rows that sessions are made of.
    """

    file: str
    keep_going: bool = False
    left_out: Counter[str] = field(default_factory=Counter)
    spoiled: set[str] = field(default_factory=set)
    kept: int = 0

    @contextmanager
    def of(self, session: str, place: str = "") -> Iterator[None]:
        """A part of a session is read in here."""
        try:
            yield
        except BadSession as e:
            where = f"{self.file}: {place}: " if place else f"{self.file}: "
            self._spoil(session, BadFile(f"{where}session {quoted(session)}: {e}"), e.reason)
        except BadFile as e:
            self._spoil(session, e, "a row that cannot be read")

    def keep(self, row: TraceRow) -> None:
        """A row is kept; BadFile once they are too many for the memory of a machine."""
        self.kept += row.size
        if self.kept > MOST_KEPT:
            raise BadFile(
                f"{self.file}: {row.place}: the sessions up to here have more than {MOST_KEPT / 1e9:g} GB, "
                "too many to keep in memory; split the file, or read fewer sessions"
            )

    def session_of(self, row: TraceRow, name: str) -> str:
        """The session that a row is of; "" if it cannot be read."""
        try:
            return id_of(row, name, row.get(name))
        except BadFile as e:
            self._spoil(row.place, e, "a row that cannot be read")
            return ""

    def broken(self, error: BadFile) -> None:
        """A line is no JSON object, so its session is unknown."""
        if not self.keep_going:
            raise error
        self.left_out["a line that is not whole JSON"] += 1

    def leave_out(self, session: str, reason: str) -> None:
        """A session is left out; it counts once."""
        if session not in self.spoiled:
            self.spoiled.add(session)
            self.left_out[reason] += 1

    def _spoil(self, session: str, error: BadFile, reason: str) -> None:
        if not self.keep_going:
            raise error
        self.leave_out(session, reason)


@dataclass(slots=True)
class Gathered(Generic[T]):
    """The rows of each session, of the first `limits.most_sessions` of the file; the others are counted."""

    faults: Faults
    limits: SessionLimits
    rows: dict[str, list[T]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def add(self, session: str, row: TraceRow, parse: Callable[[TraceRow], T]) -> None:
        """One more row of a session, kept as what `parse` makes of it."""
        most = self.limits.most_sessions
        if session not in self.rows and most is not None and len(self.rows) >= most:
            self.faults.leave_out(session, f"beyond the first {most:,} sessions")
        if session in self.faults.spoiled:
            return
        with self.faults.of(session, row.place):
            rows = self.rows.setdefault(session, [])
            self.places.setdefault(session, row.place)
            rows.append(parse(row))
            if len(rows) > MOST_STEPS:
                raise BadSession(f"has more than {MOST_STEPS:,} steps", "too many steps")
        if session in self.faults.spoiled:
            self.rows.pop(session, None)
        else:
            self.faults.keep(row)
