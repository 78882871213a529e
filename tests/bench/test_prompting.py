"""How a run gets its prompts and lengths where the server, the tokenizer or the trace leave something open."""

from __future__ import annotations

import json

import pytest

from paretoken.bench.config import BenchConfig
from paretoken.bench.plan import Closed
from paretoken.bench.setup import Setup, prepare
from paretoken.bench.workload.prompts import Correction
from paretoken.errors import BadConfig
from tests.support.odd_server import odd_server

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
    assert any("2 of 2 requests" in note and "counted in words" in note for note in setup.notes)
    request = next(setup.source_of(1, Correction()).requests(0, 1))
    assert request.input_tokens == -1  # the server's to count


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

    monkeypatch.setattr("paretoken.bench.prompting.load_tokenizer", load)
    listed = {"data": [{"id": "m", "root": "/etc/models/m"}]}
    with odd_server(models=listed) as server:
        prepare(BenchConfig(urls=(server.url,)))
        assert read == ["/etc/models/m", "m"]
        read.clear()
        monkeypatch.setattr("paretoken.bench.prompting.is_loopback", lambda url: False)
        prepare(BenchConfig(urls=(server.url,)))
        assert read == ["m"]


def test_servers_of_different_models_are_said():
    with odd_server() as a, odd_server(models=["other"]) as b:
        setup = prepare(BenchConfig(urls=(a.url, b.url), prompt_unit="words"))
        assert any("different models: m at" in note and "other at" in note for note in setup.notes)
        assert len(a.posts) == len(b.posts) == 1
