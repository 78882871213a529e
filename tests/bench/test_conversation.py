"""Conversations: each prompt holds all before it."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from paretoken.bench.workload.bodies import Bodies, dialect
from paretoken.bench.workload.conversation import Conversations, Talk
from paretoken.bench.workload.lengths import Fixed, Uniform
from paretoken.bench.workload.makers import PlainWords, TokenIds, Words
from paretoken.bench.workload.prompts import Correction, PromptPlan
from paretoken.errors import BadConfig


def talk(**more) -> Talk:
    return Talk(**{"turns": Fixed(3), "user": Fixed(10), "answer": Uniform(20, 0.5), **more})


class TestConversations:
    def test_each_prompt_holds_all_before_it(self, tokenizer):
        bodies = Bodies(model="m", api="chat")
        made = Conversations(
            PromptPlan(Words.of_tokenizer(tokenizer), 1, correction=Correction(8, 5)), talk(), bodies, total=2
        )
        turns = list(made.requests(0, 1))
        assert [(t.session, t.turn) for t in turns] == [(s, t) for s in (0, 1) for t in range(3)]
        for before, after in itertools.pairwise(turns[:3]):
            old, new = json.loads(before.body)["messages"], json.loads(after.body)["messages"]
            assert new[: len(old)] == old
            assert [m["role"] for m in new[len(old) :]] == ["assistant", "user"]
            assert tokenizer.count(new[-2]["content"]) == before.output_tokens
        for turn in turns:
            messages = json.loads(turn.body)["messages"]
            ours = sum(tokenizer.count(m["content"]) for m in messages)
            assert turn.input_tokens == ours + 8 + 5 * turn.turn

    def test_the_servers_own_answers_can_be_handed_back(self, tokenizer):
        made = Conversations(PromptPlan(Words.of_tokenizer(tokenizer), 1), talk(), Bodies(model="m", api="chat"))
        session = made.session(0)
        session.next()
        second = session.next("as I said", 3)
        third = session.next("again")
        contents = [m["content"] for m in json.loads(third.body)["messages"]]
        assert contents[1] == "as I said" and contents[3] == "again"
        assert second.input_tokens == 23 and third.input_tokens == -1
        assert session.next() is None and session.ended

    def test_token_ids_grow_too(self):
        made = Conversations(
            PromptPlan(TokenIds.of_size(5000), 1), talk(), Bodies(model="m", dialect=dialect("vllm")), total=1
        )
        prompts = [json.loads(t.body)["prompt"] for t in made.requests(0, 1)]
        assert prompts[1][:10] == prompts[0] and prompts[2][: len(prompts[1])] == prompts[1]
        assert [t.input_tokens for t in made.requests(0, 1)] == [len(p) for p in prompts]
        session = made.session(0)
        session.next()
        with pytest.raises(BadConfig, match="server's answers"):
            session.next("text")

    def test_sessions_are_the_same_for_any_number_of_workers(self):
        made = Conversations(
            PromptPlan(TokenIds.of_size(5000), 1), talk(), Bodies(model="m", dialect=dialect("vllm")), total=5
        )
        shares = [list(made.requests(w, 2)) for w in range(2)]
        alone = list(made.requests(0, 1))
        assert sorted(itertools.chain(*shares), key=lambda r: (r.session, r.turn)) == alone

    def test_an_opening_differs_from_later_messages(self):
        drawn = talk(opening=Fixed(500)).draw(np.random.default_rng(0))
        assert [u for u, _ in drawn] == [500, 10, 10]

    def test_the_implied_hit_rate_is_that_of_the_contexts(self):
        made = Conversations(PromptPlan(PlainWords(), 1), talk(answer=Fixed(20)), Bodies(model="m"))
        # prompts 10, 40, 70: each finds the prompt before it, and its answer where that is the server's own
        assert made.hit_rate() == pytest.approx((10 + 40) / 120)
        assert made.hit_rate(own_answers=True) == pytest.approx((30 + 60) / 120)

    def test_thought_cannot_be_negative(self):
        with pytest.raises(BadConfig, match="think time"):
            talk(think_s=-1)
