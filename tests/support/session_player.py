"""A small client that plays sessions against a server: each call when it is due, with the server's own answers."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection
from queue import Queue

from paretoken.sessions.flow import NS, FlowState, flow_of
from paretoken.sessions.graph import NO_STEP, Call, Session, Step


def conversation(
    name: str, rng, turns: int, *, system: str, wait_s: float, longest: int = 400, answer: int = 20, shared: bool = True
) -> Session:
    """A chat of turns with the lengths that an emulated server counts.

    All chats begin with the system prompt; if it is not `shared`, those of one name with the same first message.
    """
    steps, prompt = [], 0
    for turn in range(turns):
        text = "".join(rng.choice(list("abcdefgh "), int(rng.integers(20, longest))))
        messages = [{"role": "user", "content": text}]
        opening = {}
        if turn:
            prompt += steps[-1].call.output_tokens + 4
        else:
            prompt = 4 + quarter(system)
            opening = {"opening": "system", "opening_tokens": prompt + 3}  # and the role of what comes next
            messages.insert(0, {"role": "system", "content": system})
        prompt += 4 + quarter(text)
        if opening and not shared:
            opening = {"opening": name, "opening_tokens": prompt}
        call = Call(
            input_tokens=prompt,
            output_tokens=int(rng.integers(answer // 2, answer)),
            continues=turn - 1 if turn else NO_STEP,
            messages=tuple(messages),
            **opening,
        )
        after = (turn - 1,) if turn else ()
        steps.append(Step(after=after, wait_s=wait_s * rng.uniform(0.5, 1.5), call=call))
    return Session(name=name, steps=tuple(steps))


def quarter(text: str) -> int:
    return -(-len(text) // 4)


@dataclass(eq=False)
class Player:
    """Plays sessions with a number of users; `cached_tokens` are by (session, call), `took_s` by session."""

    port: int
    sessions: list[Session]
    cached_tokens: dict[tuple[int, int], int] = field(default_factory=dict)
    took_s: dict[int, float] = field(default_factory=dict)
    next: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def play(self, users: int) -> None:
        threads = [threading.Thread(target=self._user) for _ in range(users)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _user(self) -> None:
        while True:
            with self.lock:
                number, self.next = self.next, self.next + 1
            if number >= len(self.sessions):
                return
            self._session(number)

    def _session(self, number: int) -> None:
        session = self.sessions[number]
        flow, ends, contexts = flow_of(session), Queue(), {}
        state, begun_ns = FlowState(flow), time.monotonic_ns()
        due, running = state.begin(begun_ns), 0
        while due or running:
            for call, at_ns in due:
                arguments = (number, flow.steps[call], call, at_ns, contexts, ends)
                threading.Thread(target=self._call, args=arguments).start()
            running += len(due) - 1
            call, ended_ns = ends.get(timeout=30)
            due = state.ended(call, ended_ns)
        self.took_s[number] = (time.monotonic_ns() - begun_ns) / NS

    def _call(self, number, step, call, at_ns, contexts, ends) -> None:
        time.sleep(max(at_ns - time.monotonic_ns(), 0) / NS)
        planned = self.sessions[number].steps[step].call
        messages = [*contexts.get(planned.continues, []), *planned.messages]
        answer = chat(self.port, messages, planned.output_tokens)
        ended_ns = time.monotonic_ns()
        assert answer["usage"]["prompt_tokens"] == planned.input_tokens
        assert answer["usage"]["completion_tokens"] == planned.output_tokens
        contexts[step] = [*messages, answer["choices"][0]["message"]]
        self.cached_tokens[number, call] = answer["usage"]["prompt_tokens_details"]["cached_tokens"]
        ends.put((call, ended_ns))


def chat(port: int, messages: list, max_tokens: int, **more: object) -> dict:
    """The whole answer to a chat."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        body = {"model": "m", "messages": messages, "max_tokens": max_tokens, "ignore_eos": True} | more
        connection.request("POST", "/v1/chat/completions", json.dumps(body))
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()
