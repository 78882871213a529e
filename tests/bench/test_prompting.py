"""How a run gets its prompts and lengths where the server, the tokenizer or the trace leave something open."""

from __future__ import annotations

import json

import pytest

from paretoken.bench.config import BenchConfig
from paretoken.bench.plan import Closed
from paretoken.bench.prompting import SAMPLE
from paretoken.bench.setup import Setup, prepare
from paretoken.bench.workload.prompts import Correction
from paretoken.bench.workload.tokenizer import load_tokenizer
from paretoken.errors import BadConfig
from tests.support.odd_server import odd_server, stream
from tests.support.tokenizers import FOLDER

TALK = [
    {"id": "1", "conversations": [{"from": "human", "value": "a b c d"}, {"from": "gpt", "value": "one two three"}]},
    {"id": "2", "conversations": [{"from": "human", "value": "a b"}, {"from": "gpt", "value": "w " * 12}]},
]


def prepared(**settings: object) -> Setup:
    with odd_server() as server:
        return prepare(BenchConfig.of_dict({"urls": (server.url,), **settings}))


def lengths(setup: Setup, count: int) -> list[int]:
    requests = setup.source_of(1, Correction()).requests(0, 1)
    return [next(requests).output_tokens for _ in range(count)]


@pytest.fixture
def talk(tmp_path):
    path = tmp_path / "talk.json"
    path.write_text(json.dumps(TALK))
    return str(path)


def test_recorded_answers_without_a_tokenizer_are_counted_in_words_and_said(talk):
    setup = prepared(trace=talk, prompt_unit="words")
    assert lengths(setup, 2) == [3, 12]
    assert any("2 of 2 requests" in note and "counts as one token" in note for note in setup.notes)
    request = next(setup.source_of(1, Correction()).requests(0, 1))
    assert request.input_tokens == -1  # the server's to count


def counts(tokens_per_word: float):
    """A server that counts a fixed number of tokens for each word of a prompt."""

    def answer(ask):
        text = ask.body.get("prompt") or ""
        if ask.method != "POST" or not isinstance(text, str):
            return None
        usage = round(tokens_per_word * len(text.split()))
        return 200, stream(1, prompt_tokens=usage), {"content-type": "text/event-stream"}

    return answer


@pytest.mark.parametrize("dialect", [None, "vllm"])
def test_recorded_answers_are_counted_by_the_servers_tokens_of_a_word_of_the_trace(talk, dialect):
    """Also where synthetic prompts would be token ids: a word is no token there either."""
    with odd_server(counts(1.5)) as server:
        setup = prepare(BenchConfig(urls=(server.url,), trace=talk, dialect=dialect))
        first, second = (post.body["prompt"] for post in server.posts[:2])
    prompt = str(second)
    assert lengths(setup, 2) == [4, 18] and not {"one", "two"} & set(str(first).split())
    assert set(prompt.split()) == {"one", "two", "three", "w"} and len(prompt.split()) == SAMPLE
    (note,) = (note for note in setup.notes if "no output length" in note)
    assert "2 of 2 requests" in note and "1.50 tokens a word" in note and "add --tokenizer PATH" in note


def test_recorded_answers_that_nothing_counts_are_not_measured(talk):
    def silent(ask):
        return (200, stream(1, usage=False), {"content-type": "text/event-stream"}) if ask.method == "POST" else None

    with odd_server(silent) as server, pytest.raises(BadConfig) as refused:
        prepare(BenchConfig(urls=(server.url,), trace=talk))
    assert "add --tokenizer PATH, set --osl, or count words with --prompt-unit words" in str(refused.value)


def test_a_tokenizer_counts_answers_and_osl_is_for_those_without(talk, tmp_path):
    setup = prepared(trace=talk, tokenizer=str(FOLDER), osl="7")
    tokenizer = load_tokenizer(str(FOLDER))
    assert lengths(setup, 2) == [tokenizer.count("one two three"), tokenizer.count("w " * 12)]
    assert not any("--osl" in note for note in setup.notes)
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "a b c"}\n{"prompt": "d", "response": "one two three"}\n')
    setup = prepared(trace=str(path), tokenizer=str(FOLDER), osl="7")
    assert lengths(setup, 2) == [7, tokenizer.count("one two three")]
    assert any("1 of 2 requests" in note and "--osl 7 is used" in note for note in setup.notes)
    with pytest.raises(BadConfig, match=r"1 of 2 requests .* set --osl"):
        prepared(trace=str(path), tokenizer=str(FOLDER))


@pytest.mark.parametrize("more", ["", "--no-ignore-eos"])
def test_a_limit_of_the_trace_is_no_length_and_said(tmp_path, more):
    path = tmp_path / "batch.jsonl"
    rows = [{"prompt": "a b", "max_tokens": 512}, {"prompt": "a b", "output_tokens": 9}]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    setup = prepared(trace=str(path), prompt_unit="words", dialect="vllm", ignore_eos=not more)
    notes = [note for note in setup.notes if "1 of 2 requests" in note and "state max_tokens, a limit" in note]
    assert bool(notes) is not bool(more)


def test_the_output_length_that_is_stated_is_used_and_said(talk):
    setup = prepared(trace=talk, prompt_unit="words", osl="7")
    assert lengths(setup, 2) == [7, 7]
    assert any("--osl 7 is used" in note for note in setup.notes)


def test_a_trace_that_states_neither_lengths_nor_answers_needs_osl(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "a b c"}\n{"prompt": "d"}\n')
    assert lengths(prepared(trace=str(path), prompt_unit="words", osl="5"), 2) == [5, 5]
    with pytest.raises(BadConfig, match="set --osl"):
        prepared(trace=str(path), prompt_unit="words")


@pytest.mark.parametrize(
    ("slo", "least"), [("ttft_p99=1s", 299), ("ttft_p999=1s", 2995), ("ttft_p95=1s,tpot_p50=1s", 59), ("", 10)]
)
def test_a_level_takes_the_requests_that_its_slos_need(slo, least):
    setup = prepared(prompt_unit="words", slo=slo)
    for users in (1, 4, 64):
        assert setup.stop(Closed(users)).requests >= max(10 * users, least + 2 * users)
    assert prepared(prompt_unit="words", slo=slo, until="7 requests").stop(Closed(4)).requests == 7


def test_a_tokenizer_of_this_machine_is_not_read_by_the_name_that_a_server_elsewhere_gives(monkeypatch):
    read: list[str] = []

    def load(name):
        read.append(str(name))
        raise BadConfig("none")

    monkeypatch.setattr("paretoken.bench.prompt_makers.load_tokenizer", load)
    listed = {"data": [{"id": "m", "root": "/etc/models/m"}]}
    with odd_server(models=listed) as server:
        prepare(BenchConfig(urls=(server.url,)))
        assert read == ["/etc/models/m", "m"]
        read.clear()
        monkeypatch.setattr("paretoken.bench.prompt_makers.is_loopback", lambda url: False)
        prepare(BenchConfig(urls=(server.url,)))
        assert read == ["m"]


def test_servers_of_different_models_are_said():
    with odd_server() as a, odd_server(models=["other"]) as b:
        setup = prepare(BenchConfig(urls=(a.url, b.url), prompt_unit="words"))
        assert any("different models: m at" in note and "other at" in note for note in setup.notes)
        assert len(a.posts) == len(b.posts) == 1
