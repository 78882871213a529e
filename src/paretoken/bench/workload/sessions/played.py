"""A session of a trace as the client plays it: its flow, and its requests one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from paretoken.bench.plan import Prepared
from paretoken.sessions.flow import Flow
from paretoken.sessions.graph import NO_STEP, Call, Session


class SessionPrompts(Protocol):
    """Makes the prompts of one session."""

    def body(self, step: int, call: Call) -> tuple[bytes, int]:
        """The body of a call and its input tokens, -1 where only the server can count."""
        ...

    def answered(self, step: int, call: Call, answer: Mapping[str, object] | None) -> None:
        """Take what the server answered to a call."""
        ...


class PlayedSession:
    """Session `number` of a level; each request is built once, ahead of its time where there is time."""

    def __init__(
        self, session: Session, number: int, flow: Flow, prompts: SessionPrompts, *, own_answers: bool = False
    ) -> None:
        self.number, self.flow, self.own_answers = number, flow, own_answers
        self._session, self._prompts = session, prompts
        self._calls = session.calls
        self._continued = {call.continues for call in self._calls.values()} - {NO_STEP}
        self._ready: dict[int, Prepared] = {}
        self._built: set[int] = set()

    def build(self, call: int) -> int:
        """Build the request of a call; its size in bytes, 0 where it was built before."""
        if call in self._built:
            return 0
        self._built.add(call)
        step = self.flow.steps[call]
        wanted = self._calls[step]
        body, tokens = self._prompts.body(step, wanted)
        keep = self.own_answers and step in self._continued
        self._ready[call] = Prepared(body, tokens, wanted.output_tokens or 1, self.number, call, keep)
        return len(body)

    def request(self, call: int) -> Prepared:
        """The request of a call, which is then given away."""
        self.build(call)
        return self._ready.pop(call)

    def answered(self, call: int, answer: Mapping[str, object] | None) -> None:
        """Take the server's answer to a call."""
        step = self.flow.steps[call]
        self._prompts.answered(step, self._calls[step], answer)
