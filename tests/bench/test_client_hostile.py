"""Answers that no server should give: each ends its own request under a name, whatever the bytes are and are cut."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.bench.client.body import LEAST_BODY_BYTES, MAX_BODY_BYTES, most_bytes
from paretoken.bench.client.exchange import Exchange
from paretoken.bench.client.faults import break_failure, connect_failure
from paretoken.bench.client.http1 import MAX_HEAD_BYTES, MOST_INTERIM, MalformedError, Response
from paretoken.bench.client.journal import JournalWriter, read_journal
from paretoken.bench.client.refusal import retry_after_s
from paretoken.bench.client.sender import Sender
from paretoken.bench.client.tally import Tally
from paretoken.bench.client.unpack import FREE_BYTES, MAX_UNPACKED_BYTES, PIECE_BYTES, Unpacker
from paretoken.bench.plan import Prepared
from paretoken.foreign_text import MAX_ERROR_BODY_BYTES
from paretoken.points.statuses import STATUSES

EVENTS = b"".join(
    b"data: %b\n\n"
    % json.dumps({"choices": [{"text": f" tok{k}", "finish_reason": "length" if k == 9 else None}]}).encode()
    for k in range(10)
)
WHOLE = json.dumps({"choices": [{"text": "abc", "finish_reason": "stop"}], "usage": {"completion_tokens": 3}}).encode()


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK", kind: bytes = b"text/event-stream") -> bytes:
    """A whole answer with its length."""
    head = b"\r\n".join((b"HTTP/1.1 " + status, b"Content-Type: " + kind, b"Content-Length: %d" % len(body), *headers))
    return head + b"\r\n\r\n" + body


def read(wire: bytes, step: int = 0, planned: int = 10) -> Exchange:
    """The exchange after these bytes, read `step` at a time, and the end of the connection."""
    exchange = Exchange(Prepared(b"{}", 3, planned), 0, 0, 0)
    pieces = [wire[k : k + step] for k in range(0, len(wire), step)] if step else [wire]
    if not any(exchange.feed([piece], [stamp]) for stamp, piece in enumerate(pieces, 1)):
        exchange.closed(len(pieces) + 1)
    assert exchange.status in STATUSES
    return exchange


def outcome(exchange: Exchange) -> tuple[str, int]:
    return exchange.status, exchange.tally.tokens


MALFORMED_HEADS = {
    "two lengths that differ": (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", "Length"),
    "a length and chunks": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "both Content-Length and Transfer-Encoding",
    ),
    "a length of 5,000 digits": (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", "Length"),
    "a length in words": (b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nabcde", "Length"),
    "another transfer coding": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "gzip, chunked"),
    "interim answers without end": (b"HTTP/1.1 100\r\n\r\n" * 1024 + answer(EVENTS), f"{MOST_INTERIM} interim"),
    "another protocol": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", "another protocol"),
    "headers without end": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "no end of the headers"),
    "headers too long": (b"HTTP/1.1 200 OK\r\nX: " + b"y" * MAX_HEAD_BYTES + b"\r\n\r\n", "headers"),
    "trailers without end": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 20_000,
        "no end of the trailers",
    ),
    "HTTP/2 only": (bytes.fromhex("000006040000000000000400400000000008070000000000"), "HTTP/2 only"),
    "TLS on a port that was taken for plain": (bytes.fromhex("15030300020246"), "use https://"),
    "an alert that is none": (b"\x15\x05hello", "not an HTTP answer"),
    "zeros": (bytes(64), "not an HTTP answer"),
    "one zero": (b"\0", "not an HTTP answer"),
}


@pytest.mark.parametrize("name", MALFORMED_HEADS)
@pytest.mark.parametrize("step", [0, 1, 7])
def test_heads_that_break_the_rules_are_malformed_and_say_how(name, step):
    wire, words = MALFORMED_HEADS[name]
    exchange = read(wire, step)
    assert exchange.status == "malformed"
    assert words in exchange.detail


def test_what_is_odd_but_clear_is_read():
    same = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\nConnection: keep-alive\r\nConnection: close\r\n"
    )
    response = Response()
    assert response.feed(same + b"\r\nabc") == b"abc"
    assert response.done and not response.keep_alive
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" * MOST_INTERIM
    assert outcome(read(interim + answer(EVENTS), 1)) == ("ok", 10)


def packed(coding: str) -> bytes:
    if coding == "members":
        return gzip.compress(EVENTS[:100]) + gzip.compress(EVENTS[100:])
    if coding == "padded":
        return gzip.compress(EVENTS) + bytes(20)
    bits = {"gzip": 31, "x-gzip": 31, "deflate": 15, "raw": -15, "flushed": 31}[coding]
    packer = zlib.compressobj(wbits=bits)
    if coding != "flushed":
        return packer.compress(EVENTS) + packer.flush()
    lines = EVENTS.splitlines(keepends=True)
    return b"".join(packer.compress(line) + packer.flush(zlib.Z_SYNC_FLUSH) for line in lines)


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "raw", "members", "padded", "flushed"])
def test_packed_streams_are_unpacked_and_keep_their_stamps(coding):
    name = {"raw": b"deflate", "members": b"gzip", "padded": b"gzip", "flushed": b"gzip"}.get(coding, coding.encode())
    wire = answer(packed(coding), b"Content-Encoding: " + name)
    for step in (0, 1, 50):
        exchange = read(wire, step)
        assert outcome(exchange) == ("ok", 10), exchange.detail
    times = read(wire, 1).tally.chunk_ns
    assert list(times) == sorted(times)
    assert coding != "flushed" or len(set(times)) == 10


def test_other_packed_answers():
    assert outcome(read(answer(gzip.compress(WHOLE), b"Content-Encoding: gzip", kind=b"application/json"))) == ("ok", 3)
    error = read(
        answer(gzip.compress(b'{"error":{"message":"no such thing"}}'), b"Content-Encoding: gzip", status=b"400 Bad")
    )
    assert (error.status, error.detail) == ("http_4xx", "no such thing")
    unknown = read(answer(b"\x8b\x02", b"Content-Encoding: br"))
    assert unknown.status == "malformed" and "'br'" in unknown.detail
    assert read(answer(b"plainly not gzip", b"Content-Encoding: gzip")).status == "malformed"
    assert outcome(read(answer(EVENTS, b"Content-Encoding: identity"))) == ("ok", 10)


def test_bombs_are_unpacked_a_piece_at_a_time_up_to_a_bound():
    for plain, words in ((bytes(MAX_UNPACKED_BYTES), "200 times"), (b": x\n\n" * 2_000_000, "200 times")):
        pieces = []
        with pytest.raises(MalformedError, match=words):
            pieces.extend(map(len, Unpacker(b"gzip").feed(gzip.compress(plain))))
        assert max(pieces) == PIECE_BYTES and sum(pieces) <= FREE_BYTES
    thin = zlib.compressobj(0, wbits=31)
    with pytest.raises(MalformedError, match="64 MB"):
        unpacker = Unpacker(b"gzip")
        for _ in range(MAX_UNPACKED_BYTES // 2**20 + 1):
            for _piece in unpacker.feed(thin.compress(bytes(2**20))):
                pass
    body = gzip.compress(b"[" + b" " * MAX_BODY_BYTES)
    assert read(answer(body, b"Content-Encoding: gzip", kind=b"application/json")).status == "malformed"


@pytest.mark.parametrize("words", [b"\0" * 5_000_000, b"overloaded", b"overloaded" * 9_000])
@pytest.mark.parametrize(("status", "name"), [(b"503 Busy", "http_5xx"), (b"400 Bad", "http_4xx")])
def test_a_packed_error_is_that_error_however_much_it_packs(words, status, name):
    for body in (gzip.compress(words), gzip.compress(words)[:40] + b"damaged" * 9):
        exchange = read(answer(body, b"Content-Encoding: gzip", status=status))
        assert exchange.status == name, exchange.detail


@given(st.integers(0, 3 * PIECE_BYTES), st.integers(1, 4_000))
def test_all_that_was_packed_comes_out(size, step):
    plain = bytes(k * k % 251 for k in range(256)) * (size // 256) + b"end"
    data = gzip.compress(plain)
    unpacker = Unpacker(b"gzip")
    out = b"".join(p for k in range(0, len(data), step) for p in unpacker.feed(data[k : k + step]))
    assert out == plain


@pytest.mark.parametrize("kind", [b"text/event-stream", b"TEXT/Event-Stream", b"application/json", b""])
@pytest.mark.parametrize("before", [b"", b"\n\n", b"\xef\xbb\xbf", b": ping\n\n", b"event: message\n", b"\r\n" * 50])
@pytest.mark.parametrize("step", [0, 1, 40])
def test_events_are_events_under_any_content_type(kind, before, step):
    exchange = read(answer(before + EVENTS, kind=kind), step)
    assert outcome(exchange) == ("ok", 10), exchange.detail
    assert not exchange.tally.in_one_piece
    assert step == 0 or len(set(exchange.tally.chunk_ns)) > 5, "each has the time at which it came"


@pytest.mark.parametrize("step", [0, 1])
def test_json_is_json_under_the_type_of_events(step):
    exchange = read(answer(b" \n" + WHOLE), step)
    assert outcome(exchange) == ("ok", 3) and exchange.tally.in_one_piece
    assert read(answer(b'{"error":{"message":"full"}}'), step).detail == "full"
    for nothing in (b"", b"  \n\n", b"\xef\xbb\xbf"):
        assert read(answer(nothing), step).status == "empty"


NUMBERS = [2**31, 4_294_967_295, -1, -(2**63), 2**64, 1e300, True, "9", None, [], {}]


@pytest.mark.parametrize("value", NUMBERS, ids=str)
@pytest.mark.parametrize("field", ["prompt_tokens", "completion_tokens", "reasoning_tokens"])
@pytest.mark.parametrize("first", [False, True])
def test_any_number_in_the_usage_can_be_kept(tmp_path, value, field, first):
    usage = {"prompt_tokens": 3, "completion_tokens": 10, "total_tokens": 13, field: value}
    begin = [{"choices": [{"text": " a"}], "usage": usage}] if first else []
    events = b"".join(b"data: %b\n\n" % json.dumps(e).encode() for e in (*begin, {"choices": [], "usage": usage}))
    exchange = read(answer(events[: len(events) // 2 if first else 0] + EVENTS + events))
    journal = JournalWriter(tmp_path / "j", {})
    journal.append(*exchange.record(0))
    journal.close()
    assert exchange.status in ("ok", "malformed")


def test_numbers_that_no_record_can_hold_cost_one_request(tmp_path):
    state = SimpleNamespace(journal=JournalWriter(tmp_path / "j", {}), job=SimpleNamespace(number=0, secret=""))
    sender = Sender(state)
    for huge in (False, True, False):
        exchange = read(answer(EVENTS))
        if huge:
            exchange.tally.coalesced = 2**40
        sender._record(exchange)
        assert exchange.status == ("malformed" if huge else "ok")
    state.journal.close()
    assert read_journal(tmp_path / "j")["status"].to_list() == ["ok", "malformed", "ok"]


@pytest.mark.parametrize(
    "fault", [RecursionError, ZeroDivisionError, OverflowError, struct.error, IndexError, UnicodeError, MemoryError]
)
def test_a_fault_of_our_own_costs_one_request(monkeypatch, fault):
    def broken(*_):
        raise fault("oops")

    monkeypatch.setattr(Tally, "event", broken)
    exchange = read(answer(EVENTS))
    assert exchange.status == ("client_error" if fault is MemoryError else "malformed")
    monkeypatch.setattr(Tally, "settle", broken)
    monkeypatch.undo()
    monkeypatch.setattr(Tally, "settle", broken)
    unframed = b"HTTP/1.1 200 OK\r\n\r\n" + EVENTS
    assert read(unframed).status == ("client_error" if fault is MemoryError else "malformed")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"1.5", 1.5),
        (b" 0", 0.0),
        (b"-3", 0.0),
        (b"nan", 0.0),
        (b"inf", 0.0),
        (b"1e400", 0.0),
        (b"1e300", 1e300),
        (b"9" * 5000, float("9" * 64)),
        (b"soon", 0.0),
        (b"\xff\xfe", 0.0),
        (b"Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        (b"Thu, 01 Jan 99999 00:00:00 GMT", 0.0),
        (b"Thu, 01 Jan 2020 00:00:00 +9999999999", 0.0),
        (b"", 0.0),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_nothing(text, seconds):
    assert retry_after_s({b"retry-after": text}) == seconds


def test_bodies_are_read_up_to_a_bound():
    announced = b"HTTP/1.1 200 OK\r\nContent-Length: 400000000\r\n\r\n "
    assert "400,000,000 bytes" in read(announced).detail
    exchange = Exchange(Prepared(b"{}", 3, 4), 0, 0, 0)
    exchange.feed([b'HTTP/1.1 200 OK\r\n\r\n{"a":"'], [1])
    count = 0
    while not exchange.feed([b"x" * 16_384], [2]):
        count += 1
    assert exchange.status == "malformed" and count * 16_384 <= LEAST_BODY_BYTES
    assert [most_bytes(n) for n in (-1, 4, 4096, 10**6)] == [MAX_BODY_BYTES, LEAST_BODY_BYTES, 2**22, MAX_BODY_BYTES]
    exchange = Exchange(Prepared(b"{}", 3, 4), 0, 0, 0)
    exchange.feed([b"HTTP/1.1 500 Oops\r\nContent-Length: 400000000\r\n\r\nno such thing "], [1])
    count = 0
    while not exchange.feed([b"x" * 1024], [2]):
        count += 1
    assert (exchange.status, exchange.end_ns) == ("http_5xx", 2) and count * 1024 <= MAX_ERROR_BODY_BYTES
    assert "no such thing" in exchange.detail


@pytest.mark.parametrize("piece", [b"{},", b"[],"])
def test_an_answer_of_countless_objects_is_not_parsed(piece):
    body = b'{"choices":[{"text":"a","finish_reason":"stop"}],"x":[' + piece * 300_000 + b"1]}"
    exchange = read(answer(body, kind=b"application/json"))
    assert exchange.status == "malformed" and "objects and lists" in exchange.detail


@pytest.mark.parametrize("reads", [1, 3])
def test_a_stream_that_ignores_max_tokens_ends(reads):
    token = b'data: {"choices":[{"text":"a","finish_reason":null}]}\n\n'
    wire = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + token * 1200
    for planned, status in ((4, "malformed"), (118, "truncated")):
        exchange = read(wire, len(wire) // reads, planned)
        assert exchange.status == status, exchange.detail
    assert "max_tokens 4" in read(wire, planned=4).detail


@pytest.mark.parametrize(
    ("location", "words"),
    [
        (b"https://elsewhere/v1/chat/completions", "run against https://elsewhere/v1"),
        (b"/q/v1/completions?x=1", "run against /q/v1"),
        (None, "no URL"),
    ],
)
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308, 304])
def test_redirects_have_a_status_of_their_own_and_say_where_to(location, words, code):
    exchange = read(answer(b"", *([b"Location: " + location] if location else []), status=b"%d Moved" % code))
    assert exchange.status == "http_3xx" and words in exchange.detail


def test_whose_fault_a_failure_is():
    import errno
    import ssl

    assert (
        connect_failure(OSError(errno.EMFILE, ""))
        == connect_failure(OSError(errno.EADDRNOTAVAIL, ""))
        == "client_error"
    )
    assert connect_failure(OSError(errno.ECONNREFUSED, "")) == connect_failure(None) == "refused"
    assert connect_failure(ssl.SSLError(1, "")) == "tls"
    assert break_failure(OSError(errno.ENOBUFS, "")) == "client_error"
    assert break_failure(OSError(errno.ECONNRESET, "")) == break_failure(ssl.SSLError(1, "")) == "reset"


SCRAPS = [
    *(b"HTTP/1.1 ", b"200 OK\r\n", b"Content-Length: 9\r\n", b"Transfer-Encoding: chunked\r\n", b"\r\n", b"5\r\n"),
    *(b"Content-Encoding: gzip\r\n", b"0\r\n\r\n", b"data: ", b"\n\n", b"{", b'"choices"', b":[", b"]}", b"\x00"),
    *(b"\x1f\x8b", b"[DONE]", b"error: "),
]


@given(st.lists(st.sampled_from(SCRAPS), max_size=40), st.integers(0, 30))
def test_any_bytes_end_under_a_name_wherever_they_are_cut(pieces, step):
    wire = b"HTTP/1.1 200 OK\r\n" + b"".join(pieces)
    assert outcome(read(wire, step)) == outcome(read(wire, 1))
