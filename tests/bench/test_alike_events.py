"""Events that need no parser once one like them is known, and the error bodies of every API."""

from __future__ import annotations

import json

import pytest

from paretoken.bench.client.exchange import Exchange
from paretoken.bench.client.tally import Tally
from paretoken.bench.plan import Prepared
from paretoken.bench.truth.forms import FORMS
from tests.bench.test_client_parsing import outcome, replay

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
TOTAL = 40
ANTHROPIC = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "r"}


def reads_of(parts: list[bytes]) -> list[bytes]:
    """The chunks of a stream, each a read."""
    return [HEAD, *[b"%x\r\n%b\r\n" % (len(part), part) for part in parts], b"0\r\n\r\n"]


@pytest.mark.parametrize("path", ["/completions", "/chat/completions", "/messages", "/responses"])
@pytest.mark.parametrize("text", [" plain", 'a "quote"', "back\\slash", "ümlaut", "\n", "}", "1"])
def test_events_alike_are_counted_whether_parsed_or_not(path, text):
    """Every second word is odd, so that the two ways of reading an event take turns."""
    form, odd = FORMS[path.encode()], json.dumps(text)[1:-1].encode()
    events = [form.tokens("n", 1, i + 1, TOTAL - i - 1, {}) for i in range(TOTAL)]
    events = [event.replace(b" token", odd) if i % 2 else event for i, event in enumerate(events)]
    reads = reads_of([form.begin("n") + events[0], *events[1:], form.end("n", TOTAL, {})])
    exchange = replay(reads, closed=False)
    assert exchange.status == "ok", exchange.detail
    _, _, times, tokens = exchange.record(0)
    assert list(tokens) == [1] * TOTAL
    assert list(times) == list(range(1, TOTAL + 1))
    together = Exchange(Prepared(b"{}", -1, -1), 0, 0, 0)
    together.feed(reads, list(range(len(reads))))
    assert outcome(together) == outcome(exchange)


def test_the_events_of_messages_need_no_parser_once_one_is_known(monkeypatch):
    form, parsed, parse = FORMS[b"/messages"], [], Tally.event
    monkeypatch.setattr(Tally, "event", lambda self, *args: parsed.append(1) or parse(self, *args))
    parts = [form.begin("n"), *[form.tokens("n", 1, i, 0, {}) for i in range(500)], form.end("n", 500, {})]
    exchange = replay(reads_of(parts), closed=False)
    assert (exchange.status, exchange.tally.total, len(exchange.tally.chunk_ns)) == ("ok", 500, 500)
    assert len(parsed) < 10


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "too long", "type": "invalid_request_error", "code": None}}, "too long"),
        (ANTHROPIC, "Overloaded"),
        ({"detail": [{"loc": ["body", "max_tokens"], "msg": "Field required"}]}, "Field required"),
        ({"id": "r", "object": "response", "status": "failed", "error": {"message": "no memory"}}, "no memory"),
    ],
)
def test_the_error_body_of_each_api_is_one_sentence(body, words):
    data = json.dumps(body).encode()
    head = b"HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(data)
    exchange = replay([head + data], closed=False)
    assert (exchange.status, exchange.detail) == ("http_4xx", words)
