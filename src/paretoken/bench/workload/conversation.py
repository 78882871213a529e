"""Conversations of several turns: each prompt holds all turns before it, so the context grows.

Earlier answers are stood in for by synthetic text of the planned length, which every run repeats exactly, or
are the server's own words where they are handed back; only then can its cache find them again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from paretoken.bench.plan import Prepared
from paretoken.bench.workload.bodies import Bodies, Message
from paretoken.bench.workload.lengths import Length
from paretoken.bench.workload.prompts import LENGTHS, SESSION, PromptPlan
from paretoken.errors import BadConfig


@dataclass(frozen=True, slots=True)
class Talk:
    """The law of a conversation: its turns, the tokens of each user message and answer, the think time between.

    `opening` is the first user message where it differs, such as a document to talk about.
    """

    turns: Length
    user: Length
    answer: Length
    opening: Length | None = None
    think_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.think_s < float("inf"):
            raise BadConfig(f"think time {self.think_s:g} s must be 0 or more")

    def draw(self, rng: np.random.Generator) -> list[tuple[int, int]]:
        """(user, answer) tokens of every turn."""
        turns = int(self.turns.draw(rng, 1)[0])
        users, answers = self.user.draw(rng, turns).tolist(), self.answer.draw(rng, turns).tolist()
        if self.opening is not None:
            users[0] = int(self.opening.draw(rng, 1)[0])
        return list(zip(users, answers, strict=True))


class Conversation:
    """One conversation, turn by turn. `next` gives each request; the answer to the last may be handed to it."""

    def __init__(self, number: int, turns: list[tuple[int, int]], plan: PromptPlan, bodies: Bodies) -> None:
        self.number, self.turn, self.turns = number, 0, turns
        self._plan, self._bodies = plan, bodies
        self._rng = plan.rng(SESSION, number)
        self._messages: list[Message] = []
        self._ids: list[int] = []
        self._tokens = 0
        self._counted = True

    @property
    def ended(self) -> bool:
        """Whether every turn has been given."""
        return self.turn == len(self.turns)

    def next(self, answer: str | None = None, answer_tokens: int | None = None) -> Prepared | None:
        """The next turn's request, or None at the end.

        `answer` is what the server said to the turn before, with its token count where known; without it
        synthetic text of the planned length is used.
        """
        if self.ended:
            return None
        if self.turn > 0:
            self._take_answer(answer, answer_tokens)
        user, osl = self.turns[self.turn]
        self._add("user", user)
        body, extra = self._body(osl)
        total = self._tokens + extra if self._counted else -1
        request = Prepared(body, total, osl, session=self.number, turn=self.turn)
        self.turn += 1
        return request

    def _take_answer(self, answer: str | None, answer_tokens: int | None) -> None:
        if answer is None:
            self._add("assistant", self.turns[self.turn - 1][1])
            return
        if self._ids:
            raise BadConfig("only text prompts can contain the server's answers; token-id prompts hold synthetic ones")
        self._messages.append({"role": "assistant", "content": answer})
        self._tokens += answer_tokens or 0
        self._counted &= answer_tokens is not None

    def _add(self, role: str, tokens: int) -> None:
        made = self._plan.maker.prompt(self._plan.maker.atoms(self._rng, tokens))
        self._tokens += max(made.tokens, 0)
        self._counted &= made.tokens >= 0
        if isinstance(made.content, list):
            self._ids += made.content
        else:
            self._messages.append({"role": role, "content": made.content})

    def _body(self, osl: int) -> tuple[bytes, int]:
        """The body, and the tokens that the server adds to it."""
        correction = self._plan.correction
        if self._bodies.takes_messages:
            if self._ids:
                raise BadConfig(
                    f"the {self._bodies.api} API takes text, not token ids: give --tokenizer, or use --api completions"
                )
            return self._bodies.chat(self._messages, osl), correction.of(self.turn + 1)
        # One text without roles; a newline may join differently than counted, so the count is the server's to make.
        if not self._ids:
            self._counted &= len(self._messages) == 1
        text = self._ids or "\n".join(str(m["content"]) for m in self._messages)
        return self._bodies.completion(text, osl), correction.of()


@dataclass(frozen=True, eq=False)
class Conversations:
    """A source of conversations; session k is the same whatever the number of workers. `total` counts sessions."""

    plan: PromptPlan
    talk: Talk
    bodies: Bodies
    total: int | None = None

    def session(self, k: int) -> Conversation:
        """Session k, at its first turn."""
        turns = self.talk.draw(self.plan.rng(LENGTHS, k))
        return Conversation(k, turns, self.plan, self.bodies)

    def sessions(self, worker: int, workers: int) -> Iterator[Conversation]:
        """Sessions worker, worker + workers, …: for a client that keeps a user on its conversation."""
        k = worker
        while self.total is None or k < self.total:
            yield self.session(k)
            k += workers

    def requests(self, worker: int, workers: int) -> Iterator[Prepared]:
        """All turns of one session after those of another, with synthetic answers.

        A client with several users must not send a turn before the one before it has ended: `session` and
        `turn` say which belong together.
        """
        for session in self.sessions(worker, workers):
            while (request := session.next()) is not None:
                yield request

    def hit_rate(self, sample: int = 1000, *, own_answers: bool = False) -> float:
        """Share of prompt tokens that a large enough prefix cache finds, over the first `sample` sessions.

        Turn k finds the prompt of turn k − 1, and its answer too where the server's own is handed back.
        """
        cached = prompted = 0
        for k in range(sample if self.total is None else min(sample, self.total)):
            context = reusable = 0
            for user, answer in self.talk.draw(self.plan.rng(LENGTHS, k)):
                context += user
                cached += reusable
                prompted += context
                reusable = context + (answer if own_answers else 0)
                context += answer
        return cached / prompted if prompted else 0.0
