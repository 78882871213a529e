"""Sessions to play: graphs whose calls are scripts of the golden server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import strategies as st

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
    built: list[int] = field(default_factory=list)

    def build(self, call: int) -> int:
        self.built.append(call)
        return 1

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


@st.composite
def graphs(draw: st.DrawFn, most: int = 8, longest_s: float = 2.0) -> Session:
    """Sessions of any shape with a model call or more."""
    seconds = st.floats(0, longest_s).map(lambda s: round(s, 3))
    steps: list[Step] = []
    for index in range(draw(st.integers(1, most))):
        after = tuple(sorted(draw(st.sets(st.integers(0, index - 1), max_size=3)))) if index else ()
        is_call = draw(st.booleans()) or (index == 0)
        tool_s = None if is_call else draw(seconds)
        model_call = Call(input_tokens=8, output_tokens=4) if is_call else None
        steps.append(Step(after=after, wait_s=draw(seconds), seconds=tool_s, call=model_call))
    return session(*steps)
