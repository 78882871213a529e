"""Tokenizers, and makers of prompts with exact counts."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Inner
from tokenizers import models

from paretoken.bench.workload.makers import PlainWords, TokenIds, Words
from paretoken.bench.workload.prompts import PromptPlan
from paretoken.bench.workload.tokenizer import Tokenizer, load_tokenizer
from paretoken.errors import BadConfig
from tests.support.tokenizers import FOLDER, KINDS


class TestTokenizer:
    def test_counts_leave_out_what_the_server_adds(self, tokenizer):
        assert len(tokenizer._inner.encode("the queue")) == tokenizer.count("the queue") + 1
        assert tokenizer.count("the queue") == len(tokenizer.encode("the queue"))
        assert tokenizer.decode(tokenizer.encode(" the queue")) == " the queue"

    def test_plain_ids_hold_no_special_token(self, tokenizer):
        ids = tokenizer.plain_ids()
        assert len(ids) == tokenizer.vocab_size - 3 and ids.min() == 3

    def test_a_file_and_its_folder_are_the_same(self, tokenizer):
        assert load_tokenizer(FOLDER / "tokenizer.json").path == tokenizer.path

    def test_a_cached_model_is_found_by_its_name_without_a_network(self, tmp_path, monkeypatch):
        for revision in ("old", "main-one"):
            snapshot = tmp_path / "hub" / "models--org--tiny" / "snapshots" / revision
            snapshot.mkdir(parents=True)
            (snapshot / "tokenizer.json").write_bytes((FOLDER / "tokenizer.json").read_bytes())
        refs = tmp_path / "hub" / "models--org--tiny" / "refs"
        refs.mkdir()
        (refs / "main").write_text("main-one\n")
        monkeypatch.delenv("HF_HUB_CACHE", raising=False)
        monkeypatch.delenv("HUGGINGFACE_HUB_CACHE", raising=False)
        monkeypatch.setenv("HF_HOME", str(tmp_path))
        assert load_tokenizer("org/tiny").path.parent.name == "main-one"

    def test_what_cannot_be_found_says_what_to_give(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
        (tmp_path / "sp").mkdir()
        (tmp_path / "sp" / "tokenizer.model").write_bytes(b"x")
        (tmp_path / "broken.json").write_text("{")
        cases = {
            "org/absent": "no tokenizer for 'org/absent'",
            "a/b/c": "no tokenizer for 'a/b/c'",
            str(tmp_path): "has no tokenizer.json",
            str(tmp_path / "sp"): "must be converted",
            str(tmp_path / "broken.json"): "not a usable tokenizer",
        }
        for where, says in cases.items():
            with pytest.raises(BadConfig) as caught:
                load_tokenizer(where)
            assert says in str(caught.value) and "--tokenizer PATH" in str(caught.value), where


@pytest.fixture(scope="module")
def words(tokenizer) -> Words:
    return Words.of_tokenizer(tokenizer)


class TestCounts:
    @settings(max_examples=60)
    @given(n=st.integers(1, 700), seed=st.integers(0, 2**32 - 1))
    def test_text_re_tokenises_to_the_count(self, tokenizer, words, n, seed):
        made = words.prompt(words.atoms(np.random.default_rng(seed), n))
        assert made.tokens == n == tokenizer.count(made.content)

    @pytest.mark.parametrize("kind", KINDS)
    def test_text_is_exact_with_other_kinds_of_tokenizer(self, kind):
        tokenizer = Tokenizer(Path(kind), KINDS[kind]())
        maker = Words.of_tokenizer(tokenizer)
        assert len(maker.pool) >= 16
        for n in (1, 2, 17, 300):
            made = maker.prompt(maker.atoms(np.random.default_rng(n), n))
            assert tokenizer.count(made.content) == n

    @pytest.mark.parametrize("pool", [("the", "tokens zzz", "latency"), ("qqqq", "the", "zq jx")])
    def test_words_of_several_tokens_are_mended(self, tokenizer, pool):
        maker = Words(tokenizer, pool, " ")
        for n in range(6, 60):
            made = maker.prompt(maker.atoms(np.random.default_rng(n), n))
            assert tokenizer.count(made.content) == n

    def test_fewer_checks_give_the_same_text_and_are_quicker(self, tokenizer):
        often, seldom = (PromptPlan(Words.of_tokenizer(tokenizer, verify_one_in=n), 1) for n in (1, 50))
        assert [often.prompt(k, 40) for k in range(50)] == [seldom.prompt(k, 40) for k in range(50)]
        assert all(tokenizer.count(seldom.prompt(k, 200).content) == 200 for k in range(100))

    def test_what_cannot_be_mended_is_said(self, tokenizer):
        with pytest.raises(BadConfig, match="no text of exactly 3 tokens"):
            Words(tokenizer, ("zqjxkv zqjxkv zqjxkv",), " ").prompt(np.zeros(3, dtype=np.int64))

    def test_a_tokenizer_without_words_is_refused(self):
        letters = Inner(models.BPE(vocab={"a": 0, "b": 1}, merges=[]))
        with pytest.raises(BadConfig, match="too few words"):
            Words.of_tokenizer(Tokenizer(Path("letters"), letters))

    def test_token_ids_are_plain_ones(self, tokenizer):
        maker = TokenIds.of_tokenizer(tokenizer)
        made = maker.prompt(maker.atoms(np.random.default_rng(0), 5000))
        assert len(made.content) == made.tokens == 5000
        assert set(made.content) <= set(tokenizer.plain_ids().tolist())
        assert all(type(i) is int for i in made.content)

    def test_ids_of_an_unknown_vocabulary_keep_off_its_ends(self):
        ids = TokenIds.of_size(32_000).ids
        assert (ids.min(), ids.max()) == (4000, 27_999)
        with pytest.raises(BadConfig, match="--vocab-size"):
            TokenIds.of_size(7)

    def test_plain_words_are_counted_by_the_server(self):
        maker = PlainWords()
        made = maker.prompt(maker.atoms(np.random.default_rng(0), 40))
        assert made.tokens == -1 and len(made.content.split()) == 40
        assert PromptPlan(maker, 1).prompt(0, 40).tokens == -1

    def test_a_thousand_prompts_take_a_few_seconds(self, tokenizer):
        prompts = PromptPlan(Words.of_tokenizer(tokenizer), 1)
        began = time.process_time()
        for k in range(100):
            prompts.prompt(k, 1024)
        assert time.process_time() - began < 1.0
