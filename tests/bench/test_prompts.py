"""Prompts, bodies, sources and conversations: exact counts, no accidental sharing, the sharing that is asked for."""

from __future__ import annotations

import itertools
import json
import pickle
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Inner
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from paretoken.bench.workload.bodies import Bodies, Synthetic, dialect, dialects, parse_extra
from paretoken.bench.workload.conversation import Conversations, Talk
from paretoken.bench.workload.lengths import Fixed, RequestLengths, Uniform
from paretoken.bench.workload.makers import PlainWords, TokenIds, Words
from paretoken.bench.workload.prompts import Correction, Prefixes, PromptPlan, fresh_seed
from paretoken.bench.workload.tokenizer import Tokenizer, load_tokenizer
from paretoken.errors import BadConfig, UnknownName

FOLDER = Path(__file__).parent.parent / "data" / "tokenizer"
TEXT = (FOLDER / "make_tokenizer.py").read_text().split('"""')[3]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_tokenizer(FOLDER)


def metaspace() -> Inner:
    """SentencePiece's way: ▁ before every word, the first one too."""
    inner = Inner(models.Unigram())
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=["<unk>", "</s>"], unk_token="<unk>")
    inner.train_from_iterator(TEXT.splitlines() * 20, trainer)
    return inner


def llama_bpe() -> Inner:
    """Llama 2's way: spaces become ▁ before BPE, and nothing splits the words."""
    inner = Inner(models.BPE(unk_token="<unk>"))
    inner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(content=" ", left=1, right=0)]
    )
    words = [f"▁{word}" for word in TEXT.split()]
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=["<unk>", "<s>"], show_progress=False)
    trained = Inner(models.BPE())
    trained.train_from_iterator(words * 3, trainer)
    state = json.loads(trained.to_str())["model"]
    merges = [tuple(m) for m in state["merges"]]
    inner.model = models.BPE(vocab=state["vocab"], merges=merges, unk_token="<unk>")
    return inner


def wordpiece() -> Inner:
    inner = Inner(models.WordPiece(unk_token="[UNK]"))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=["[UNK]", "[CLS]"], show_progress=False)
    inner.train_from_iterator(TEXT.splitlines() * 5, trainer)
    return inner


def plan(maker, seed: int = 1, **more) -> PromptPlan:
    return PromptPlan(maker, seed, **more)


class TestTokenizer:
    def test_counts_leave_out_what_the_server_adds(self, tokenizer):
        assert tokenizer.added_per_prompt == 1
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


KINDS: dict[str, Callable[[], Inner]] = {"metaspace": metaspace, "llama": llama_bpe, "wordpiece": wordpiece}


class TestCounts:
    @settings(max_examples=60)
    @given(st.integers(1, 700), st.integers(0, 2**32 - 1))
    def test_text_re_tokenises_to_the_count(self, n, seed):
        tokenizer = load_tokenizer(FOLDER)
        maker = _words(FOLDER)
        made = maker.prompt(maker.atoms(np.random.default_rng(seed), n))
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
        often, seldom = (plan(Words.of_tokenizer(tokenizer, verify_one_in=n)) for n in (1, 50))
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
        assert plan(maker).prompt(0, 40).tokens == -1

    def test_a_thousand_prompts_take_a_few_seconds(self, tokenizer):
        prompts = plan(Words.of_tokenizer(tokenizer))
        began = time.process_time()
        for k in range(100):
            prompts.prompt(k, 1024)
        assert time.process_time() - began < 1.0


def _words(folder: Path, cache: dict[Path, Words] = {}) -> Words:  # noqa: B006
    if folder not in cache:
        cache[folder] = Words.of_tokenizer(load_tokenizer(folder))
    return cache[folder]


class TestSharing:
    def test_prompts_of_a_run_share_no_prefix(self, tokenizer):
        prompts = plan(Words.of_tokenizer(tokenizer))
        made = [tuple(prompts.atoms(k, 64)) for k in range(500)]
        assert len({m[:4] for m in made}) == 500

    def test_another_point_or_seed_has_other_prompts(self):
        maker = TokenIds.of_size(32_000)
        contents = {tuple(plan(maker, s, point=p).prompt(0, 32).content) for s in (1, 2) for p in (0, 1)}
        assert len(contents) == 4

    def test_a_run_without_a_seed_has_its_own(self):
        assert fresh_seed() != fresh_seed()

    @settings(max_examples=40)
    @given(st.floats(0, 0.95), st.integers(1, 4), st.lists(st.integers(2, 300), min_size=2, max_size=12))
    def test_prefixes_are_shared_token_for_token(self, share, distinct, lengths):
        prompts = plan(TokenIds.of_size(10**6), prefixes=Prefixes(share, distinct))
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
            prompts = plan(TokenIds.of_size(10**6), seed, prefixes=Prefixes(share, distinct))
            seen, cached = set(), 0
            for k in range(requests):
                head = tuple(prompts.atoms(k, 100)[: round(share * 100)])
                cached += len(head) if head in seen else 0
                seen.add(head)
            rates.append(cached / (100 * requests))
        assert np.mean(rates) == pytest.approx(Prefixes(share, distinct).hit_rate(requests), rel=0.02)

    def test_text_prefixes_are_equal_text(self, tokenizer):
        prompts = plan(Words.of_tokenizer(tokenizer), prefixes=Prefixes(0.5))
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
        prompts = plan(TokenIds.of_size(1000), correction=correction)
        made = prompts.prompt(0, 1024)
        assert len(made.content) == 1011 and made.tokens == 1024

    def test_turns_have_their_own_overhead(self):
        seen = [(t, 100 * t, 100 * t + 8 + 5 * (t - 1)) for t in (1, 2, 4)]
        assert Correction.learn(seen) == Correction(8, 5, 0)
        assert Correction.learn(seen).of(3) == 18

    def test_one_odd_answer_does_not_move_it_but_is_reported(self):
        assert Correction.learn([(1, 10, 15), (1, 20, 25), (1, 30, 99)]) == Correction(5, 0, 64)

    def test_nothing_seen_is_nothing_learnt(self):
        assert Correction.learn([]) == Correction()
        assert Correction(50).ours(20) == 1


class TestBodies:
    @pytest.mark.parametrize(
        ("name", "ignore_eos", "min_tokens", "continuous"),
        [
            ("vllm", True, True, True),
            ("sglang", True, True, True),
            ("trtllm", True, True, True),
            ("llamacpp", True, False, False),
            ("transformers", False, False, False),
            ("openai", False, False, False),
        ],
    )
    def test_fields_go_only_to_servers_that_take_them(self, name, ignore_eos, min_tokens, continuous):
        bodies = Bodies(model="tiny", dialect=dialect(name), min_tokens=True)
        body = json.loads(bodies.completion("hello", 9))
        assert ("ignore_eos" in body, "min_tokens" in body) == (ignore_eos, min_tokens)
        assert body["stream_options"].get("continuous_usage_stats", False) is continuous
        assert body["max_tokens"] == 9 and body["stream"] is True and body["temperature"] == 0
        assert bodies.forces_length is (ignore_eos or min_tokens)

    def test_every_dialect_that_lacks_a_field_says_why(self):
        for entry in dialects().values():
            assert entry.why_not or (entry.ignore_eos and entry.min_tokens)
        with pytest.raises(UnknownName, match="did you mean vllm"):
            dialect("vlm")

    def test_chat_is_one_user_message(self):
        body = json.loads(Bodies(model="tiny", api="chat", seed=3).of("hello", 5))
        assert body["messages"] == [{"role": "user", "content": "hello"}]
        assert body["seed"] == 3 and "prompt" not in body

    @pytest.mark.parametrize(
        ("field", "names"),
        [
            ("max_tokens", {"max_tokens"}),
            ("max_completion_tokens", {"max_completion_tokens"}),
            ("both", {"max_tokens", "max_completion_tokens"}),
        ],
    )
    def test_the_chosen_field_limits_the_output(self, field, names):
        fields = {"max_tokens", "max_completion_tokens"}
        chat, text = (Bodies(model="m", api=api, max_tokens_field=field) for api in ("chat", "completions"))
        assert json.loads(chat.of("x", 5)).keys() & fields == names
        # Completions has no second name, so both is the first; a server that takes the second alone gets it.
        second = {"max_completion_tokens"} if field == "both" else set()
        assert json.loads(text.of("x", 5)).keys() & fields == names - second

    def test_without_streaming_there_are_no_stream_options(self):
        body = json.loads(Bodies(model="m", stream=False).of("x", 5))
        assert body["stream"] is False and "stream_options" not in body

    def test_the_extra_body_is_laid_over_and_null_takes_out(self):
        extra = parse_extra('{"top_k": 1, "temperature": 0.7, "stream_options": null}')
        body = json.loads(Bodies(model="m", extra=extra).of("x", 5))
        assert body["top_k"] == 1 and body["temperature"] == 0.7 and "stream_options" not in body
        assert "max_tokens" not in json.loads(Bodies(model="m", extra=parse_extra('{"max_tokens": null}')).of("x", 5))

    @pytest.mark.parametrize(
        ("make", "says"),
        [
            (lambda: parse_extra("{"), "is not JSON"),
            (lambda: parse_extra("[1]"), "must be a JSON object"),
            (lambda: Bodies(model="m", extra={"stream": False}), "may not set 'stream'; use --stream"),
            (lambda: Bodies(model="m", extra={"max_tokens": 5}), "use --osl"),
            (lambda: parse_extra("[" * 300 + "]" * 300), "is not JSON that can be sent"),
            (lambda: Bodies(model="m", api="chat").of([1, 2], 5), "the chat API takes text"),
            (lambda: Bodies(model="m", dialect=dialect("transformers")).of([1, 2], 5), "does not accept token ids"),
        ],
    )
    def test_bad_bodies_are_one_sentence(self, make, says):
        with pytest.raises(BadConfig) as caught:
            make()
        assert says in str(caught.value) and "\n" not in str(caught.value)


def source(**more) -> Synthetic:
    lengths = RequestLengths(Uniform(40, 0.5), Uniform(20, 0.5))
    bodies = Bodies(model="tiny", dialect=dialect("vllm"))
    return Synthetic(plan=plan(TokenIds.of_size(5000)), lengths=lengths, bodies=bodies, **{"ahead": 8, **more})


class TestSource:
    @settings(max_examples=20)
    @given(st.integers(1, 5), st.integers(0, 40), st.integers(0, 30))
    def test_the_workers_together_send_the_same_requests(self, workers, total, ahead):
        alone = list(source(total=total, ahead=ahead).requests(0, 1))
        shares = [list(source(total=total, ahead=ahead).requests(w, workers)) for w in range(workers)]
        assert len(alone) == total
        assert all(share == alone[w::workers] for w, share in enumerate(shares))

    def test_bodies_hold_the_lengths_they_promise(self):
        for made in itertools.islice(source().requests(0, 1), 50):
            body = json.loads(made.body)
            assert len(body["prompt"]) == made.input_tokens and 20 <= made.input_tokens <= 40
            assert body["max_tokens"] == made.output_tokens and 10 <= made.output_tokens <= 20

    def test_requests_are_built_before_they_are_wanted(self):
        requests = source(ahead=10).requests(1, 2)
        assert requests.ready == 5
        first = [next(requests) for _ in range(5)]
        assert (requests.ready, requests.built_late) == (0, 0)
        assert requests.prepare(3) == 3 and requests.ready == 3
        rest = [next(requests) for _ in range(4)]
        assert requests.built_late == 1
        assert first + rest == list(itertools.islice(source().requests(1, 2), 9))

    def test_memory_is_bounded(self):
        requests = source(ahead=10_000, budget_bytes=2000).requests(0, 1)
        assert 1 <= requests.ready <= 20
        taken = [next(requests) for _ in range(600)]
        assert len({t.body for t in taken}) == 600

    def test_a_source_reaches_its_worker_processes(self, tokenizer):
        made = Synthetic(
            plan=plan(Words.of_tokenizer(tokenizer)),
            lengths=RequestLengths(Fixed(30), Fixed(3)),
            bodies=Bodies(model="m"),
            total=3,
        )
        there = pickle.loads(pickle.dumps(made))
        assert list(there.requests(0, 1)) == list(made.requests(0, 1))


def talk(**more) -> Talk:
    return Talk(**{"turns": Fixed(3), "user": Fixed(10), "answer": Uniform(20, 0.5), **more})


class TestConversations:
    def test_each_prompt_holds_all_before_it(self, tokenizer):
        bodies = Bodies(model="m", api="chat")
        made = Conversations(plan(Words.of_tokenizer(tokenizer), correction=Correction(8, 5)), talk(), bodies, total=2)
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
        made = Conversations(plan(Words.of_tokenizer(tokenizer)), talk(), Bodies(model="m", api="chat"))
        session = made.session(0)
        session.next()
        second = session.next("as I said", 3)
        third = session.next("again")
        contents = [m["content"] for m in json.loads(third.body)["messages"]]
        assert contents[1] == "as I said" and contents[3] == "again"
        assert second.input_tokens == 23 and third.input_tokens == -1
        assert session.next() is None and session.ended

    def test_token_ids_grow_too(self):
        made = Conversations(plan(TokenIds.of_size(5000)), talk(), Bodies(model="m", dialect=dialect("vllm")), total=1)
        prompts = [json.loads(t.body)["prompt"] for t in made.requests(0, 1)]
        assert prompts[1][:10] == prompts[0] and prompts[2][: len(prompts[1])] == prompts[1]
        assert [t.input_tokens for t in made.requests(0, 1)] == [len(p) for p in prompts]
        session = made.session(0)
        session.next()
        with pytest.raises(BadConfig, match="server's answers"):
            session.next("text")

    def test_sessions_are_the_same_for_any_number_of_workers(self):
        made = Conversations(plan(TokenIds.of_size(5000)), talk(), Bodies(model="m", dialect=dialect("vllm")), total=5)
        shares = [list(made.requests(w, 2)) for w in range(2)]
        alone = list(made.requests(0, 1))
        assert sorted(itertools.chain(*shares), key=lambda r: (r.session, r.turn)) == alone

    def test_an_opening_differs_from_later_messages(self):
        drawn = talk(opening=Fixed(500)).draw(np.random.default_rng(0))
        assert [u for u, _ in drawn] == [500, 10, 10]

    def test_the_implied_hit_rate_is_that_of_the_contexts(self):
        made = Conversations(plan(PlainWords()), talk(answer=Fixed(20)), Bodies(model="m"))
        # prompts 10, 40, 70: each finds the prompt before it, and its answer where that is the server's own
        assert made.hit_rate() == pytest.approx((10 + 40) / 120)
        assert made.hit_rate(own_answers=True) == pytest.approx((30 + 60) / 120)

    def test_thought_cannot_be_negative(self):
        with pytest.raises(BadConfig, match="think time"):
            talk(think_s=-1)
