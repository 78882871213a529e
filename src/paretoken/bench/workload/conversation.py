"""Conversations of several turns as sessions: each prompt holds all turns before it, so the context grows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paretoken.bench.workload.lengths import Length
from paretoken.bench.workload.prompts import LENGTHS, PromptPlan
from paretoken.errors import BadConfig
from paretoken.sessions.graph import NO_STEP, Call, Session, Step


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


@dataclass(frozen=True, eq=False)
class Conversations:
    """Conversations by number, each drawn from the law. `total` ends them."""

    plan: PromptPlan
    talk: Talk
    total: int | None = None

    def session(self, k: int) -> tuple[Session, int] | None:
        """Conversation k; None past the end. None of them begins anew."""
        return None if self.total is not None and k >= self.total else (self.drawn(k), 0)

    def drawn(self, k: int) -> Session:
        """Conversation k."""
        steps: list[Step] = []
        context = 0
        for turn, (user, answer) in enumerate(self.talk.draw(self.plan.rng(LENGTHS, k))):
            context += user
            before = (turn - 1,) if turn else ()
            call = Call(input_tokens=context, output_tokens=answer, continues=turn - 1 if turn else NO_STEP)
            steps.append(Step(after=before, wait_s=self.talk.think_s if turn else 0.0, call=call))
            context += answer
        return Session(name=f"conversation {k}", steps=tuple(steps))
