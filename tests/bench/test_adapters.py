"""A mix of adapters: its grammar, its shares, and what a server must list."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.bench.adapters import Adapter, adapter_endpoints, adapter_note, parse_adapters
from paretoken.bench.client.balance import chooser
from paretoken.bench.probe import ProbedServer
from paretoken.errors import BadConfig, UnknownName

SERVER = ProbedServer(base_url="http://h/v1", models=("base", "sql", "law:v2"), dialect="vllm")


@pytest.mark.parametrize(
    ("text", "adapters"),
    [
        ("sql", (Adapter("sql"),)),
        ("sql:3, law", (Adapter("sql", 3.0), Adapter("law"))),
        ("law:v2", (Adapter("law:v2"),)),
        ("law:v2:0.5", (Adapter("law:v2", 0.5),)),
        ("org/a-1:2", (Adapter("org/a-1", 2.0),)),
    ],
)
def test_the_grammar(text, adapters):
    assert parse_adapters(text) == adapters


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty name"),
        ("a,,b", "empty name"),
        (":2", "empty name"),
        ("a:0", "weight of 'a' is 0"),
        ("a:-1", "weight of 'a' is -1"),
        ("a:nan", "weight of 'a' is nan"),
        ("a:inf", "weight of 'a' is inf"),
        ("a,b,a:2", "names 'a' twice"),
        (",".join(map(str, range(300))), "300 adapters; use at most 256"),
    ],
)
def test_a_bad_mix_is_one_sentence(text, says):
    with pytest.raises(BadConfig, match=says):
        parse_adapters(text)


def test_every_server_must_list_every_adapter():
    with pytest.raises(UnknownName, match=r"'sqk'.*sql"):
        adapter_endpoints([SERVER], [1.0], [Adapter("sqk")])


def test_an_endpoint_number_tells_server_and_adapter():
    other = ProbedServer(base_url="http://g/v1", models=SERVER.models, dialect="vllm")
    endpoints = adapter_endpoints([SERVER, other], [1.0, 3.0], [Adapter("base", 3.0), Adapter("sql")])
    assert [(e.base_url[7], e.model, e.weight) for e in endpoints] == [
        ("h", "base", 0.75),
        ("h", "sql", 0.25),
        ("g", "base", 2.25),
        ("g", "sql", 0.75),
    ]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_the_shares_are_kept_to_a_request(weights):
    adapters = [Adapter(f"a{i}", float(w)) for i, w in enumerate(weights)]
    server = ProbedServer(base_url="http://h/v1", models=tuple(a.name for a in adapters), dialect="vllm")
    endpoints = adapter_endpoints([server], [1.0], adapters)
    choose, requests = chooser("weighted", [e.weight for e in endpoints]), 10 * sum(weights)
    sent = Counter(choose([0] * len(weights)) for _ in range(requests))
    for i, weight in enumerate(weights):
        assert abs(sent[i] - requests * weight / sum(weights)) <= 1


def test_the_note_names_the_shares():
    note = adapter_note([Adapter("sql", 3.0), Adapter("law")])
    assert note.startswith("requests go to 2 adapters: sql 75.0% and law 25.0%")
