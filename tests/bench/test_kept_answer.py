"""The assistant's message: the same from every API, however its events were cut."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.bench.client.exchange import Exchange
from paretoken.bench.client.kept_answer import KeptAnswer
from paretoken.bench.plan import Prepared
from tests.bench.test_client_parsing import ALL, recorded
from tests.support.stream_forms import FORMS
from tests.support.stream_forms.writing import N, chunk, event, script, text_chunk, whole

REFUSED = ("transformers-serve", "completions-stream-ignore-eos.jsonl")
OTHER_APIS = ("messages", "responses", "embeddings", "tools")
SERVED = [p for p in ALL if p.parts[-2:] != REFUSED and not any(word in p.stem for word in ("error", *OTHER_APIS))]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
WORDS = "".join(f" w{i}" for i in range(N))


def framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def wire(*documents: object, done: bool = True) -> bytes:
    end = event(b"data: [DONE]\n\n") if done else b""
    return HEAD + b"".join(framed(event(d)) for d in documents) + framed(end) + b"0\r\n\r\n"


def answer(data: bytes, size: int = 0, keep: bool = True) -> dict | None:
    """The answer of these bytes, fed `size` at a time."""
    exchange = Exchange(Prepared(b"{}", -1, -1), 0, 0, 0, keep_answer=keep)
    for at in range(0, len(data), size or len(data)):
        if exchange.feed([data[at : at + (size or len(data))]], [at]):
            break
    assert exchange.status == "ok", exchange.detail
    return exchange.answer()


def call(index: object, name: str = "", arguments: str = "", id_: str = "") -> dict:
    named = {"name": name} if name else {}
    call = {"function": named | {"arguments": arguments}}
    return call | ({"index": index} if index is not None else {}) | ({"id": id_, "type": "function"} if id_ else {})


def calls(*deltas: dict) -> dict:
    return chunk({"tool_calls": list(deltas)})


def made(id_: str, name: str, arguments: str) -> dict:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


SAID = {
    "completions": ([text_chunk(" a"), text_chunk(" b", "stop")], {"content": " a b"}),
    "chat": ([chunk({"role": "assistant", "content": ""}), chunk({"content": "a"}, "stop")], {"content": "a"}),
    "reasoning apart": (
        [chunk({"reasoning_content": "hm"}), chunk({"reasoning": "m"}), chunk({"content": "a"}, "stop")],
        {"content": "a", "reasoning_content": "hmm"},
    ),
    "reasoning under both names": (
        [chunk({"reasoning_content": "hm", "reasoning": "hm", "content": "a"}, "stop")],
        {"content": "a", "reasoning_content": "hm"},
    ),
    "a tool": (
        [
            calls(call(0, "ls", "", "c1")),
            calls(call(0, "", '{"p"')),
            calls(call(0, "", ":1}")),
            chunk({}, "tool_calls"),
        ],
        {"content": None, "tool_calls": [made("c1", "ls", '{"p":1}')]},
    ),
    "tools in parallel, interleaved": (
        [
            calls(call(0, "ls", "{", "c1"), call(1, "rm", "[", "c2")),
            calls(call(1, "", "]"), call(0, "", "}")),
            chunk({"content": "so"}, "tool_calls"),
        ],
        {"content": "so", "tool_calls": [made("c1", "ls", "{}"), made("c2", "rm", "[]")]},
    ),
    "whole calls without an index": (
        [calls(call(None, "ls", "{}", "c1")), calls(call(None, "rm", "{}", "c2")), chunk({}, "tool_calls")],
        {"content": None, "tool_calls": [made("c1", "ls", "{}"), made("c2", "rm", "{}")]},
    ),
    "calls without index and id": (
        [calls(call(None, "ls", "{")), calls(call(None, "", "}")), calls(call(None, "rm", "{}")), chunk({}, "stop")],
        {"content": None, "tool_calls": [made("call_0", "ls", "{}"), made("call_1", "rm", "{}")]},
    ),
    "arguments as an object": (
        [chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "ls", "arguments": {"a": 1}}}]}, "stop")],
        {"content": None, "tool_calls": [made("c", "ls", '{"a":1}')]},
    ),
    "a call without arguments": (
        [calls(call(0, "ls", "", "c")), chunk({}, "tool_calls")],
        {"content": None, "tool_calls": [made("c", "ls", "{}")]},
    ),
    "the old function call": (
        [
            chunk({"function_call": {"name": "ls", "arguments": "{"}}),
            chunk({"function_call": {"arguments": "}"}}, "stop"),
        ],
        {"content": None, "tool_calls": [made("call_0", "ls", "{}")]},
    ),
    "parts": (
        [chunk({"content": [{"type": "text", "text": "a"}, {"type": "thinking", "thinking": "b"}]}, "stop")],
        {"content": "a", "reasoning_content": "b"},
    ),
    "the first of two choices": (
        [
            {"choices": [{"index": 1, "delta": {"content": "x"}}, {"index": 0, "delta": {"content": "a"}}]},
            chunk({}, "stop"),
        ],
        {"content": "a"},
    ),
    "the whole answer once more": (
        [chunk({"content": "a"}), {"choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "stop"}]}],
        {"content": "a"},
    ),
    "a refusal": ([chunk({"refusal": "no"}, "stop")], {"content": "no"}),
}


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("size", [0, 1, 7])
def test_a_stream_says(name, size):
    documents, expected = SAID[name]
    assert answer(wire(*documents), size) == {"role": "assistant"} | expected


def test_a_whole_answer_says_the_same():
    body = json.dumps(whole()).encode()
    data = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    assert answer(data) == answer(data, 3) == {"role": "assistant", "content": WORDS}


def test_nothing_is_kept_unless_wanted():
    data = wire(chunk({"content": "a"}, "stop"))
    assert answer(data, keep=False) is None
    assert answer(data) == {"role": "assistant", "content": "a"}


def test_a_failed_request_has_no_answer():
    exchange = Exchange(Prepared(b"{}", -1, -1), 0, 0, 0, keep_answer=True)
    exchange.feed([HEAD + framed(event(chunk({"content": "a"}))) + b"0\r\n\r\n"], [0])
    assert exchange.status == "truncated"
    assert exchange.answer() is None


def test_an_answer_sent_again_is_that_of_the_last_attempt():
    exchange = Exchange(Prepared(b"{}", -1, -1), 0, 0, 0, keep_answer=True)
    exchange.feed([HEAD + framed(event(chunk({"content": "lost"})))], [0])
    exchange.send_again()
    exchange.feed([wire(chunk({"content": "a"}, "stop"))], [1])
    assert exchange.answer() == {"role": "assistant", "content": "a"}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_says_the_same_whatever_the_reads(name):
    form = FORMS[name]
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {form.content_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    data = head + b"".join(framed(piece) for _, piece in form.pieces) + b"0\r\n\r\n"
    answers = []
    for size in (len(data), 1000, 3):
        exchange = Exchange(Prepared(b"{}", -1, N), 0, 0, 0, keep_answer=True)
        any(exchange.feed([data[at : at + size]], [at]) for at in range(0, len(data), size))
        answers.append(exchange.answer())
        assert (answers[-1] is not None) == (exchange.status == "ok")
    assert answers[0] == answers[1] == answers[2]


def test_plain_forms_say_every_word():
    data = HEAD + b"".join(framed(piece) for _, piece in script()) + b"0\r\n\r\n"
    assert answer(data, 11) == {"role": "assistant", "content": WORDS}


@pytest.mark.parametrize("path", SERVED, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_a_recording_says_its_own_text(path):
    reads, closed = recorded(path)
    exchange = Exchange(Prepared(b"{}", -1, -1), 0, 0, 0, keep_answer=True)
    if not any(exchange.feed([data], [i]) for i, data in enumerate(reads)) and closed:
        exchange.closed(len(reads))
    message = exchange.answer()
    assert message is not None
    # An independent oracle: the texts in the recorded bytes, by their key.
    text, at, parts = "".join(data.decode() for data in reads), 0, []
    key = '"text":' if "completions" in path.stem else '"content":'
    while (at := text.find(key, at)) >= 0:
        at += len(key)
        rest = text[at:].lstrip()
        if rest.startswith('"'):
            parts.append(json.JSONDecoder().raw_decode(rest)[0])
    assert message["content"] == "".join(parts)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(st.lists(texts, max_size=6), st.lists(st.lists(texts, max_size=4), max_size=3), st.data())
def test_any_interleaving_of_deltas_gives_every_text_whole(content, tools, data):
    first = [calls(call(i, f"f{i}", "", f"c{i}")) for i in range(len(tools))]
    queues = [[chunk({"content": text}) for text in content]]
    queues += [[calls(call(i, "", piece)) for piece in pieces] for i, pieces in enumerate(tools)]
    mixed = []
    while any(queues):
        queue = data.draw(st.sampled_from([q for q in queues if q]))
        mixed.append(queue.pop(0))
    documents = [*first, *mixed, chunk({"content": "!"}, "stop")]
    message = answer(wire(*documents), data.draw(st.integers(1, 200)))
    assert message["content"] == "".join(content) + "!"
    assert message.get("tool_calls", []) == [
        made(f"c{i}", f"f{i}", "".join(pieces) or "{}") for i, pieces in enumerate(tools)
    ]


def test_waiting_reads_are_parsed_before_they_grow():
    kept = KeptAnswer(-1)
    kept.take([HEAD])
    for _ in range(2000):
        kept.take([framed(event(chunk({"content": "x" * 100})))])
        assert kept._waiting <= 65_536
    assert kept.message()["content"] == "x" * 200_000


def test_an_answer_beyond_the_limit_is_not_kept():
    kept = KeptAnswer(-1)
    kept.take([HEAD])
    piece = framed(event(chunk({"content": "x" * 900_000})))
    for _ in range(20):
        kept.take([piece])
    assert kept.message() is None
