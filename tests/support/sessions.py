"""Sessions to play: graphs whose calls are scripts of the golden server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from paretoken.bench.plan import Prepared
from paretoken.sessions.flow import Flow, flow_of
from paretoken.sessions.graph import Call, Session, Step
from tests.support.load_servers import stream

Script = Callable[[int, int], list[list]]
"""(session, call) → the steps of the server's answer."""


def call(*after: int, wait_s: float = 0.0, name: str = "", agent: str = "", **more: object) -> Step:
    """A model call of 8 to 4 tokens, unless more says otherwise."""
    return Step(
        name=name, after=after, wait_s=wait_s, agent=agent, call=Call(**{"input_tokens": 8, "output_tokens": 4, **more})
    )


def tool(*after: int, seconds: float, wait_s: float = 0.0) -> Step:
    return Step(after=after, seconds=seconds, wait_s=wait_s)


def session(*steps: Step, name: str = "s", begin_s: float | None = None) -> Session:
    return Session(name=name, steps=steps, begin_s=begin_s)


@dataclass
class ScriptedSession:
    """A planned session whose requests tell the golden server what to answer."""

    number: int
    flow: Flow
    script: Script
    own_answers: bool = False
    answers: dict[int, Mapping[str, object] | None] = field(default_factory=dict)

    def build(self, call: int) -> int:
        return 0

    def request(self, call: int) -> Prepared:
        body = {"key": f"{self.number}/{call}", "script": self.script(self.number, call)}
        return Prepared(json.dumps(body).encode(), 3, 4, self.number, call, keep_answer=self.own_answers)

    def answered(self, call: int, answer: Mapping[str, object] | None) -> None:
        self.answers[call] = answer


@dataclass(frozen=True)
class ScriptedSessions:
    """A source of sessions, again and again unless `total` ends it."""

    sessions: tuple[Session, ...]
    script: Script = lambda session, call: stream(4)
    total: int | None = None
    idle_cap_s: float | None = None

    def requests(self, worker: int, workers: int) -> Iterator[ScriptedSession]:
        k = worker
        while self.total is None or k < self.total:
            yield ScriptedSession(k, flow_of(self.sessions[k % len(self.sessions)], self.idle_cap_s), self.script)
            k += workers


def write_sessions(path: Path, sessions: Mapping[str, list[dict]], begin_s: Mapping[str, float] | None = None) -> Path:
    """A file of the plain form: one line for each session."""
    rows = [{"session": name, "steps": steps} for name, steps in sessions.items()]
    for row in rows if begin_s else ():
        row["begin_s"] = begin_s[row["session"]]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
