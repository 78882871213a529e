"""Prompts: no accidental sharing, the sharing that is asked for, the server's own tokens taken off."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.bench.workload.makers import TokenIds, Words
from paretoken.bench.workload.prompts import Correction, Prefixes, PromptPlan, fresh_seed
from paretoken.errors import BadConfig


class TestSharing:
    def test_prompts_of_a_run_share_no_prefix(self, tokenizer):
        prompts = PromptPlan(Words.of_tokenizer(tokenizer), 1)
        made = [tuple(prompts.atoms(k, 64)) for k in range(500)]
        assert len({m[:4] for m in made}) == 500

    def test_another_point_or_seed_has_other_prompts(self):
        maker = TokenIds.of_size(32_000)
        contents = {tuple(PromptPlan(maker, s, point=p).prompt(0, 32).content) for s in (1, 2) for p in (0, 1)}
        assert len(contents) == 4

    def test_a_run_without_a_seed_has_its_own(self):
        assert fresh_seed() != fresh_seed()

    @settings(max_examples=40)
    @given(st.floats(0, 0.95), st.integers(1, 4), st.lists(st.integers(2, 300), min_size=2, max_size=12))
    def test_prefixes_are_shared_token_for_token(self, share, distinct, lengths):
        prompts = PromptPlan(TokenIds.of_size(10**6), 1, prefixes=Prefixes(share, distinct))
        heads: dict[int, list[int]] = {}
        for k, n in enumerate(lengths):
            content = prompts.prompt(k, n).content
            shared = prompts.prefixes.tokens(n)
            assert len(content) == n and shared < n
            if shared:
                head = heads.setdefault(content[0], content[:shared])
                both = min(len(head), shared)
                assert content[:both] == head[:both]
        assert len(heads) <= distinct

    @pytest.mark.parametrize(("share", "distinct", "requests"), [(0.5, 1, 400), (0.75, 8, 400), (0.9, 50, 60)])
    def test_the_implied_hit_rate_is_what_an_endless_cache_finds(self, share, distinct, requests):
        rates = []
        for seed in range(20):
            prompts = PromptPlan(TokenIds.of_size(10**6), seed, prefixes=Prefixes(share, distinct))
            heads, cached = set(), 0
            for k in range(requests):
                head = tuple(prompts.atoms(k, 100)[: round(share * 100)])
                cached += len(head) if head in heads else 0
                heads.add(head)
            rates.append(cached / (100 * requests))
        assert np.mean(rates) == pytest.approx(Prefixes(share, distinct).hit_rate(requests), rel=0.02)

    def test_text_prefixes_are_equal_text(self, tokenizer):
        prompts = PromptPlan(Words.of_tokenizer(tokenizer), 1, prefixes=Prefixes(0.5))
        one, two = prompts.prompt(0, 100).content, prompts.prompt(1, 100).content
        assert one.split()[:50] == two.split()[:50] and one.split()[50:] != two.split()[50:]

    @pytest.mark.parametrize(("share", "distinct"), [(1.0, 1), (-0.1, 1), (0.5, 0)])
    def test_bad_shares_are_refused(self, share, distinct):
        with pytest.raises(BadConfig, match="prefix share"):
            Prefixes(share, distinct)


class TestCorrection:
    def test_a_constant_template_is_learnt_and_taken_off(self):
        correction = Correction.learn([(1, 100, 113), (1, 50, 63), (1, 7, 20)])
        assert correction == Correction(13, 0, 0)
        assert correction.ours(1024) == 1011
        prompts = PromptPlan(TokenIds.of_size(1000), 1, correction=correction)
        made = prompts.prompt(0, 1024)
        assert len(made.content) == 1011 and made.tokens == 1024

    def test_turns_have_their_own_overhead(self):
        counts = [(t, 100 * t, 100 * t + 8 + 5 * (t - 1)) for t in (1, 2, 4)]
        assert Correction.learn(counts) == Correction(8, 5, 0)
        assert Correction.learn(counts).of(3) == 18

    def test_one_odd_answer_does_not_move_it_but_is_reported(self):
        assert Correction.learn([(1, 10, 15), (1, 20, 25), (1, 30, 99)]) == Correction(5, 0, 64)

    def test_nothing_seen_is_nothing_learnt(self):
        assert Correction.learn([]) == Correction()
        assert Correction(50).ours(20) == 1
