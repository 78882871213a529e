"""HTTP, event streams and dialects: any split of the same bytes gives the same record."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.bench.client.answer_json import InBandError
from paretoken.bench.client.exchange import Exchange
from paretoken.bench.client.http1 import MalformedError, Response, excerpt, request_head
from paretoken.bench.client.sse import EventStream, Opening
from paretoken.bench.client.tally import Tally
from paretoken.bench.plan import Prepared
from paretoken.foreign_text import error_text, one_line

TRACES = Path(__file__).parent.parent / "data" / "engine_traces"
ALL = sorted(TRACES.glob("*/*.jsonl"))


def recorded(path: Path) -> tuple[list[bytes], bool]:
    """The reads of a recording, and whether the server closed the connection."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [r["data"].encode() for r in rows if "data" in r], rows[-1].get("eof") is True


def replay(reads: list[bytes], closed: bool) -> Exchange:
    exchange = Exchange(Prepared(b"{}", -1, -1), 0, 0, 0)
    ended = False
    for i, data in enumerate(reads):
        ended = exchange.feed([data], [i])
        if ended:
            break
    if not ended and closed:
        exchange.closed(len(reads))
    return exchange


def outcome(exchange: Exchange) -> tuple:
    numbers, texts, _, tokens = exchange.record(0)
    return numbers[11:18], texts, list(tokens)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(set(at)), len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a < b]


@pytest.mark.parametrize("path", ALL, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_any_split_of_a_recording_gives_the_same_record(path):
    reads, closed = recorded(path)
    expected = outcome(replay(reads, closed))
    data = b"".join(reads)

    @settings(max_examples=12)
    @given(st.lists(st.integers(0, len(data)), max_size=40))
    def any_split(at):
        assert outcome(replay(cut(data, at), closed)) == expected

    any_split()
    assert outcome(replay([data], closed)) == expected
    assert outcome(replay([data[i : i + 1] for i in range(len(data))], closed)) == expected


# engine, request, status, HTTP status, finish reason, tokens of the chunks, usage (in, out), cached
QUIRKS = [
    ("vllm", "completions-stream", "ok", 200, "length", [1] * 8, (-1, -1), -1),
    ("vllm", "completions-stream-usage", "ok", 200, "length", [1] * 8, (9, 8), -1),
    ("vllm", "completions-stream-logprobs", "ok", 200, "length", [1] * 3, (-1, -1), -1),
    ("vllm", "chat-stream-continuous-usage", "ok", 200, "length", [1] * 4, (22, 4), -1),
    ("vllm", "chat-stream-one-token", "ok", 200, "length", [1], (22, 1), -1),
    ("vllm", "chat-stream-stop", "ok", 200, "stop", [1, 1], (-1, -1), -1),
    ("vllm", "chat-nostream", "ok", 200, "length", [8], (22, 8), -1),
    ("vllm", "error-wrong-model", "http_4xx", 404, "", [], (-1, -1), -1),
    ("vllm", "error-too-long-stream", "http_4xx", 400, "", [], (-1, -1), -1),
    # usage of completions comes unasked, on the last choice chunk; role and content share a read
    ("llama.cpp", "completions-stream", "ok", 200, "length", [1] * 8, (9, 8), None),
    ("llama.cpp", "chat-stream", "ok", 200, "length", [1] * 8, (22, 8), 0),  # by its timings
    ("llama.cpp", "chat-stream-usage", "ok", 200, "length", [1] * 8, (22, 8), 21),
    ("llama.cpp", "chat-stream-one-token", "ok", 200, "length", [1], (22, 1), 21),
    ("llama.cpp", "completions-stream-logprobs", "ok", 200, "length", [1] * 3, None, None),
    ("llama.cpp", "error-too-long-stream", "http_4xx", 400, "", [], (-1, -1), -1),
    # no [DONE]; usage on the last choice chunk; that chunk is empty and no token
    ("transformers-serve", "chat-stream", "ok", 200, "length", [1] * 8, (22, 8), -1),
    ("transformers-serve", "completions-stream", "ok", 200, "length", [1] * 8, (9, 8), -1),
    ("transformers-serve", "completions-stream-ignore-eos", "http_4xx", 422, "", [], (-1, -1), -1),
    ("transformers-serve", "error-wrong-model", "http_4xx", 400, "", [], (-1, -1), -1),
    ("sglang", "chat-stream-usage", "ok", 200, "length", [1] * 8, (22, 8), -1),
    ("sglang", "chat-stream-continuous-usage", "ok", 200, "length", [1] * 4, (22, 4), -1),
    ("sglang", "chat-stream-one-token", "ok", 200, "length", [1], (22, 1), -1),
    ("sglang", "error-too-long-stream", "http_4xx", 400, "", [], (-1, -1), -1),
    # never usage; a prompt too long is answered with 200 and nothing
    ("llama-cpp-python", "chat-stream-usage", "ok", 200, "length", [1] * 8, (-1, -1), -1),
    ("llama-cpp-python", "error-too-long-stream", "empty", 200, "", [], (-1, -1), -1),
    ("llama-cpp-python", "error-bad-json", "http_5xx", 500, "", [], (-1, -1), -1),
]


@pytest.mark.parametrize(("engine", "name", "status", "code", "finish", "tokens", "usage", "cached"), QUIRKS)
def test_quirks_of_real_engines(engine, name, status, code, finish, tokens, usage, cached):
    exchange = replay(*recorded(TRACES / engine / f"{name}.jsonl"))
    numbers, texts, times, counted = exchange.record(0)
    assert (texts[0], numbers[11], texts[2]) == (status, code, finish), texts
    assert list(counted) == tokens
    assert len(times) == len(tokens)
    if usage is not None:
        assert numbers[14:16] == usage
    if cached is not None:
        assert numbers[16] == cached
    if status != "ok":
        assert texts[1]


def tally(*events: dict | bytes) -> Tally:
    t = Tally()
    for i, e in enumerate(events):
        t.event(e if isinstance(e, bytes) else json.dumps(e).encode(), i)
    return t


def delta(finish: str | None = None, usage: dict | None = None, **fields: object) -> dict:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]} | ({"usage": usage} if usage else {})


@pytest.mark.parametrize(
    ("event", "tokens"),
    [
        (delta(role="assistant"), 0),
        (delta(role="assistant", content=""), 0),
        (delta(role="assistant", content=None), 0),
        (delta(finish="stop"), 0),
        ({"choices": [], "usage": {"completion_tokens": 8}}, 0),
        (delta(content=" a"), 1),
        (delta(reasoning_content="hm"), 1),
        (delta(reasoning="hm"), 1),
        (delta(content=None, reasoning_content="hm"), 1),
        (delta(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": ""}}]), 1),
        (delta(tool_calls=[{"index": 0, "function": {"arguments": '{"a"'}}]), 1),
        ({"choices": [{"text": " a b c", "token_ids": [1, 2, 3]}]}, 3),
        ({"choices": [{"text": " a b", "logprobs": {"tokens": ["a", "b"]}}]}, 2),
        ({"choices": [{"delta": {"content": "ab"}, "logprobs": {"content": [{}, {}]}}]}, 2),
        ({"choices": [{"text": "a"}, {"text": "b"}]}, 2),
    ],
)
def test_what_counts_as_a_token(event, tokens):
    assert tally(event).tokens == tokens


def test_per_chunk_usage_counts_tokens_that_have_no_text_yet():
    t = tally(
        delta(role="assistant", content="", usage={"completion_tokens": 0}),
        delta(content="", usage={"completion_tokens": 1}),
        delta(content="é", usage={"completion_tokens": 3}),
        delta(content="x", usage={"completion_tokens": 7}, finish="length"),
    )
    assert list(t.chunk_tokens) == [1, 2, 4]
    assert t.settle() == ""


def test_usage_decides_the_total_and_text_shares_it_out():
    texts = (" tok", " tok tok tok tok", " tok tok tok")
    t = tally(*[{"choices": [{"text": x}]} for x in texts], {"choices": [], "usage": {"completion_tokens": 8}})
    words = t.settle()
    assert list(t.chunk_tokens) == [1, 4, 3]
    assert "3 chunks counted as 3 tokens, usage says 8" in words


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(0, 300))
def test_the_total_is_exact_whatever_the_chunks(lengths, total):
    last = {"choices": [], "usage": {"completion_tokens": total}}
    t = tally(*[{"choices": [{"text": "x" * n}]} for n in lengths], last)
    note = t.settle()
    assert sum(t.chunk_tokens) == t.tokens == max(total, len(lengths))
    assert min(t.chunk_tokens) >= 1
    assert bool(note) == (total not in (0, len(lengths)))  # text of 0 tokens is not believed


def test_a_count_by_evidence_is_not_bent_to_the_usage():
    ids = [{"choices": [{"text": " a", "token_ids": [k]}]} for k in range(4)]
    t = tally(*ids, {"choices": [], "usage": {"completion_tokens": 8}})
    assert "4 chunks counted as 4 tokens, usage says 8" in t.settle()
    assert list(t.chunk_tokens) == [1] * 4 and t.total == 8


TEXT = st.text(max_size=8)


LINE_ENDS = st.sampled_from(["\n\n", "\r\n\r\n", "\r\r"])


@given(st.lists(st.tuples(TEXT, st.booleans()), min_size=1, max_size=20), LINE_ENDS, st.data())
def test_event_streams_split_anywhere(items, ends, data):
    body = b""
    expected = []
    for text, comment in items:
        if comment:
            body += b": ping" + ends.encode()
        payload = json.dumps({"t": text}).encode()
        expected.append(payload)
        body += b"data: " + payload + ends.encode()
    at = data.draw(st.lists(st.integers(0, len(body)), max_size=30))
    stream, got = EventStream(), []
    for piece in cut(body, at):
        got += stream.feed(piece)
    assert got + stream.flush() == expected


def test_event_fields():
    body = b'event: error\ndata: {"m":1}\n\nerror: {"m":2}\n\ndata:a\ndata:b\nid: 3\n\nretry: 1\n\n'
    assert EventStream().feed(body) == [b'{"error":{"m":1}}', b'{"error":{"m":2}}', b"a", b"b"]


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=10), st.data())
def test_chunked_bodies_split_anywhere(pieces, data):
    wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for i, piece in enumerate(pieces):
        wire += (b"%X;x=y\r\n%b\r\n" if i % 2 else b"%x\r\n%b\r\n") % (len(piece), piece)
    wire += b"0\r\nTrailer: x\r\n\r\n"
    response, body = Response(), b""
    for piece in cut(wire, data.draw(st.lists(st.integers(0, len(wire)), max_size=30))):
        assert not response.done
        body += response.feed(piece)
    assert (body, response.done, response.surplus, response.keep_alive) == (b"".join(pieces), True, False, True)


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nnocolon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n",
        b"x" * 70_000,
    ],
)
def test_what_is_no_http_is_called_so(wire):
    with pytest.raises(MalformedError):
        Response().feed(wire)


def test_interim_answers_lengths_and_ends():
    r = Response()
    assert r.feed(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nabX") == b"ab"
    assert (r.done, r.surplus, r.keep_alive) == (True, True, False)
    r = Response()
    assert r.feed(b"HTTP/1.1 200 OK\r\n\r\nabc") == b"abc"
    assert not r.done and r.eof() and not r.keep_alive
    r = Response()
    assert r.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc") == b"abc" and not r.eof()


def test_the_head_of_a_request():
    head = request_head("https://u:p@host:8443/x/v1/", "/completions", {"Authorization": "Bearer k"}).decode()
    assert head.startswith("POST /x/v1/completions HTTP/1.1\r\nHost: host:8443\r\n")
    assert head.endswith("Authorization: Bearer k\r\nContent-Length: ")


def test_error_words_and_keys():
    assert error_text({"error": {"message": "no"}}) == "no"
    assert error_text({"detail": [{"msg": "bad", "loc": []}]}) == "bad"
    assert error_text({"object": "error", "message": "long"}) == "long"
    assert error_text({"error": "plain"}) == "plain"
    assert error_text({"message": [""], "detail": True}) == '{"message":[""],"detail":true}'
    assert "secret" not in one_line("Incorrect key: Bearer secret-123 given") + one_line("key sk-secretsecret is wrong")
    assert len(one_line("x" * 1000)) == 300


@pytest.mark.parametrize("before", [0, 200, 270, 285, 290, 296, 299])
def test_no_part_of_the_key_remains_where_a_message_is_cut(before):
    key = "topsecret.0123456789"
    line = one_line("x" * before + key + " was given", key)
    assert not any(key[k : k + 4] in line for k in range(len(key) - 3))


def test_no_part_of_the_key_remains_where_an_excerpt_breaks_off():
    key = "topsecret.0123456789"
    for at in range(40, 60):
        line = one_line(f"no JSON: {excerpt(b'x' * at + key.encode())}", key)
        assert not any(key[k : k + 4] in line for k in range(len(key) - 3)), line


def test_one_byte_at_a_time_is_read_in_linear_time():
    """A quadratic reader would copy gigabytes here."""
    event = b'data: {"choices":[{"delta":{"content":"' + b"x" * 120_000 + b'"},"finish_reason":"stop"}]}\n\n'
    stream, got = EventStream(), []
    for i in range(len(event)):
        got += stream.feed(event[i : i + 1])
    assert len(got) == 1 and stream.clean
    document, opening = b'{"a":"' + b"x" * 120_000 + b'"}', Opening()
    assert all(opening.stream(b"application/json", document[i : i + 1]) is None for i in range(len(document)))


def test_an_event_has_a_bound():
    stream = EventStream()
    with pytest.raises(MalformedError, match="no end of event within 1048576 bytes"):
        for _ in range(20):
            stream.feed(b"data: " + b"x" * 65_536)
    with pytest.raises(MalformedError, match="no end of event"):
        for _ in range(300_000):
            stream.feed(b"data: x\n")


KEYS = [
    "choices",
    "delta",
    "message",
    "content",
    "text",
    "reasoning",
    "reasoning_details",
    "tool_calls",
    "function",
    "usage",
    "completion_tokens",
    "total_tokens",
    "prompt_tokens",
    "error",
    "finish_reason",
    "logprobs",
    "token_ids",
    "timings",
    "x_groq",
    "audio",
    "type",
    "detail",
]
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60)
@given(st.lists(JSON, max_size=5), st.booleans())
def test_json_of_any_shape_is_an_answer_or_named(values, as_choices):
    t = Tally()
    try:
        for value in values:
            t.event(json.dumps({"choices": [value]} if as_choices else value).encode(), 1)
        t.settle()
        t.whole(json.dumps(values[0] if values else {}).encode(), 2)
    except (MalformedError, InBandError) as error:
        assert str(error)
    assert t.nothing and t.total >= -1 and len(t.chunk_ns) == len(t.chunk_tokens)
