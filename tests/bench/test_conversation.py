"""Conversations: each prompt holds all before it."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from paretoken.bench.workload.bodies import Bodies, dialect
from paretoken.bench.workload.conversation import Conversations, Talk
from paretoken.bench.workload.lengths import Fixed, Uniform
from paretoken.bench.workload.makers import TokenIds, Words
from paretoken.bench.workload.prompts import Correction, PromptPlan
from paretoken.bench.workload.sessions.source import SessionSource
from paretoken.errors import BadConfig
from paretoken.sessions.possible import possible_share

CHAT = Bodies(model="m", api="chat")
IDS = Bodies(model="m", dialect=dialect("vllm"))


def talk(**more) -> Talk:
    return Talk(**{"turns": Fixed(3), "user": Fixed(10), "answer": Uniform(20, 0.5), **more})


def source(maker, bodies: Bodies, total: int, correction: Correction | None = None, **more) -> SessionSource:
    plan = PromptPlan(maker, 1, correction=correction or Correction())
    return SessionSource(plan=plan, sessions=Conversations(plan, talk(**more), total), bodies=bodies)


def turns(made: SessionSource, worker: int = 0, workers: int = 1) -> list:
    return [p.request(call) for p in made.requests(worker, workers) for call in range(len(p.flow.steps))]


class TestConversations:
    def test_each_prompt_holds_all_before_it(self, tokenizer):
        made = turns(source(Words.of_tokenizer(tokenizer), CHAT, 2, Correction(8, 5)))
        assert [(t.session, t.turn) for t in made] == [(s, t) for s in (0, 1) for t in range(3)]
        for before, after in itertools.pairwise(made[:3]):
            old, new = json.loads(before.body)["messages"], json.loads(after.body)["messages"]
            assert new[: len(old)] == old
            assert [m["role"] for m in new[len(old) :]] == ["assistant", "user"]
            assert tokenizer.count(new[-2]["content"]) == before.output_tokens
        for turn in made:
            messages = json.loads(turn.body)["messages"]
            ours = sum(tokenizer.count(m["content"]) for m in messages)
            assert turn.input_tokens == ours + 8 + 5 * turn.turn

    def test_token_ids_grow_too(self):
        made = turns(source(TokenIds.of_size(5000), IDS, 1))
        prompts = [json.loads(t.body)["prompt"] for t in made]
        assert prompts[1][:10] == prompts[0] and prompts[2][: len(prompts[1])] == prompts[1]
        assert [t.input_tokens for t in made] == [len(p) for p in prompts]

    def test_sessions_are_the_same_for_any_number_of_workers(self):
        made = source(TokenIds.of_size(5000), IDS, 5)
        shares = [turns(made, w, 2) for w in range(2)]
        assert sorted(itertools.chain(*shares), key=lambda r: (r.session, r.turn)) == turns(made)

    def test_an_opening_differs_from_later_messages(self):
        drawn = talk(opening=Fixed(500)).draw(np.random.default_rng(0))
        assert [u for u, _ in drawn] == [500, 10, 10]

    def test_users_think_between_turns(self):
        played = source(TokenIds.of_size(5000), IDS, 1, think_s=0.5).played(0)
        assert played.flow.parents == ((), ((0, 500_000_000),), ((1, 500_000_000),))

    def test_the_implied_hit_rate_is_that_of_the_contexts(self):
        made = Conversations(PromptPlan(TokenIds.of_size(5000), 1), talk(answer=Fixed(20)))
        sessions = [made.session(k)[0] for k in range(9)]
        # prompts 10, 40, 70: each finds the prompt before it, and its answer where that is the server's own, whose
        # last token was never an input
        assert possible_share(sessions, own_answers=False) == pytest.approx((10 + 40) / 120)
        assert possible_share(sessions, own_answers=True) == pytest.approx((29 + 59) / 120)

    def test_thought_cannot_be_negative(self):
        with pytest.raises(BadConfig, match="think time"):
            talk(think_s=-1)
