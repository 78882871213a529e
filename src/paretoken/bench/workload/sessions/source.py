"""The sessions of a trace as a source: session k of a level is the same whatever the number of workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

from paretoken.bench.workload.bodies import Bodies
from paretoken.bench.workload.makers import Maker, PlainWords, TokenIds
from paretoken.bench.workload.prompts import PromptPlan
from paretoken.bench.workload.sessions.id_prompts import IdPrompts
from paretoken.bench.workload.sessions.pieces import Pieces
from paretoken.bench.workload.sessions.played import PlayedSession, SessionPrompts
from paretoken.bench.workload.sessions.text_prompts import TextPrompts
from paretoken.sessions.flow import flow_of
from paretoken.sessions.graph import Session

Answers = Literal["trace", "server"]
"""Whose answers later prompts hold."""


class SessionsByNumber(Protocol):
    """Where the sessions of a level are from."""

    def session(self, k: int) -> tuple[Session, int] | None:
        """Session k, and how often all sessions had begun anew before it; None past the end."""
        ...


@dataclass(frozen=True, slots=True)
class RecordedSessions:
    """The sessions of a trace one after the other; with `repeat`, from the beginning again at its end."""

    sessions: tuple[Session, ...]
    repeat: bool = False

    def session(self, k: int) -> tuple[Session, int] | None:
        again, n = divmod(k, len(self.sessions))
        return None if again and not self.repeat else (self.sessions[n], again)


@dataclass(frozen=True, eq=False, kw_only=True)
class SessionSource:
    """A source of sessions to play. `idle_cap_s` is the longest wait and the longest tool."""

    plan: PromptPlan
    sessions: SessionsByNumber
    bodies: Bodies
    answers: Answers = "trace"
    idle_cap_s: float | None = None

    def played(self, k: int) -> PlayedSession | None:
        """Session k, None past the end."""
        numbered = self.sessions.session(k)
        if numbered is None:
            return None
        session, again = numbered
        own = self.answers == "server"
        prompts = self._prompts(session, k, again, own)
        return PlayedSession(session, k, flow_of(session, self.idle_cap_s), prompts, own_answers=own)

    def requests(self, worker: int, workers: int) -> Iterator[PlayedSession]:
        """Sessions worker, worker + workers, …"""
        k = worker
        while (played := self.played(k)) is not None:
            yield played
            k += workers

    def _prompts(self, session: Session, k: int, again: int, own: bool) -> SessionPrompts:
        texts = any(call.messages for call in session.calls.values())
        ids = isinstance(self.plan.maker, TokenIds)
        if ids and not texts:
            return IdPrompts(session, k, again, plan=self.plan, bodies=self.bodies, pieces=self._pieces)
        pieces = self._word_pieces if ids else self._pieces
        return TextPrompts(session, k, again, plan=self.plan, bodies=self.bodies, pieces=pieces, own_answers=own)

    @cached_property
    def _pieces(self) -> Pieces:
        return Pieces(self.plan, self.plan.maker)

    @cached_property
    def _word_pieces(self) -> Pieces:
        """What makes text where other prompts are token ids."""
        words: Maker = PlainWords()
        return Pieces(self.plan, words)
