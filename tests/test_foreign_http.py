"""Small answers over HTTP: a key stays with its origin, and nothing a server sends takes long or much."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from paretoken.foreign_http import FAILURES, OtherProtocol, Redirected, SmallRequests, origin, other_protocol
from tests.support.odd_server import odd_server

KEY = "sk-not-for-everyone-0123456789"
WITH_KEY = SmallRequests(headers={"Authorization": f"Bearer {KEY}"}, timeout_s=5.0)


@contextmanager
def raw_server(*pieces: bytes, gap_s: float = 0.0):
    """The URL of a server that sends these bytes to whoever asks, then keeps the connection open."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            try:
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(gap_s)
            except OSError:
                return
            done.wait(20)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x"
    finally:
        done.set()
        listener.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_within_the_origin_is_followed(status):
    def answer(ask):
        return (status, b"", {"location": "/there"}) if ask.path == "/here" else (200, {"ok": 1})

    with odd_server(answer) as server:
        found = WITH_KEY.get(f"{server.url}/here")
    assert found.json() == {"ok": 1} and found.url.endswith("/there")


@pytest.mark.parametrize(
    "where", ["http://localhost:{port}/x", "//localhost:{port}/x", "https://127.0.0.1:{port}/x", "x:y"]
)
def test_a_key_does_not_follow_a_redirect_to_another_origin(where):
    with odd_server(lambda ask: (200, {})) as other:
        location = where.format(port=other.url.rpartition(":")[2])
        with odd_server(lambda ask: (302, b"", {"location": location})) as server:
            with pytest.raises(Redirected):
                WITH_KEY.get(f"{server.url}/v1/models")
            with pytest.raises(Redirected):
                WITH_KEY.post(f"{server.url}/v1/completions", b"{}")
        assert not other.asks


def test_redirects_in_a_circle_end():
    with odd_server(lambda ask: (302, b"", {"location": ask.path + "a"})) as server:
        with pytest.raises(Redirected):
            WITH_KEY.get(f"{server.url}/a")
        assert len(server.asks) <= 4


def test_a_post_is_not_redirected_even_within_the_origin():
    with odd_server(lambda ask: (307, b"", {"location": "/other"})) as server, pytest.raises(Redirected) as error:
        WITH_KEY.post(f"{server.url}/v1/completions", b"{}")
    assert error.value.url == f"{server.url}/other" and len(server.asks) == 1


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("http://h/a", "http://H:80/b", True),
        ("https://h", "https://h:443/", True),
        ("http://h", "https://h", False),
        ("http://h:80", "http://h:8080", False),
        ("http://h", "http://h.evil", False),
    ],
)
def test_origins(a, b, same):
    assert (origin(a) == origin(b)) is same


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 200 OK\r\nX: ", *[b"a"] * 400),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", *[b" "] * 400),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"1\r\na\r\n"] * 400),
        [b"HTTP/1.1 100 Continue\r\n\r\n"] * 400,
        (b"",),
    ],
)
def test_an_answer_that_drips_ends_with_the_deadline(pieces):
    with raw_server(*pieces, gap_s=0.05) as url, pytest.raises(TimeoutError):
        SmallRequests(timeout_s=0.4).get(url)


@pytest.mark.parametrize(
    ("first", "says"),
    [
        (bytes.fromhex("000006040000000000000400400000"), "HTTP/2 only"),
        (bytes.fromhex("000012040000000000000300000064"), "HTTP/2 only"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "https://"),
        (b"\x16\x03\x03\x00\x7a\x02", "https://"),
        (b"HTTP/1.1 200 OK", ""),
        (b"\x00", ""),
    ],
)
def test_other_protocols_are_recognised(first, says):
    assert says in other_protocol(first) and bool(says) == bool(other_protocol(first))
    if says:
        with raw_server(first) as url, pytest.raises(OtherProtocol, match=says):
            SmallRequests(timeout_s=5.0).get(url)


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 302 x\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:99999/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 x\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
    ],
)
def test_nonsense_is_one_of_the_failures(answer):
    with raw_server(answer) as url, pytest.raises(FAILURES):
        SmallRequests(timeout_s=0.5).get(url)


def test_a_body_is_bounded_packed_or_not():
    with odd_server(lambda ask: (200, b" " * 100_000)) as server:
        assert len(SmallRequests(most_bytes=1000).get(server.url).body) == 1000
    bomb = gzip.compress(b" " * 10_000_000)
    with odd_server(lambda ask: (200, bomb, {"content-encoding": "gzip"})) as server:
        assert len(SmallRequests(most_bytes=50_000).get(server.url).body) == 50_000
    with odd_server(lambda ask: (200, gzip.compress(b'{"a": 1}'), {"content-encoding": "gzip"})) as server:
        assert SmallRequests().get(server.url).json() == {"a": 1}


@pytest.mark.parametrize("body", [b"[" * 100_000, b"9" * 5000 + b"x", b"\xff", b"{", b"NaN", b""])
def test_odd_json_is_a_value_error(body):
    with odd_server(lambda ask: (200, body)) as server, pytest.raises(ValueError):
        SmallRequests().get(server.url).json()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "no", "code": 1}}, "no"),
        ({"error": "no"}, "no"),
        ({"detail": [{"loc": ["body", "x"], "msg": "no"}]}, "no"),
        ({"message": f"your key {KEY} is wrong"}, "your key *** is wrong"),
        (b"<html><title>Sign in</title><p>no</p></html>", "Sign inno"),
        (b"no\x1b[2J\n\nmore", "no\\x1b[2J more"),
    ],
)
def test_the_words_of_a_server_are_one_visible_line_without_the_key(body, words):
    with odd_server(lambda ask: (400, body)) as server:
        said = WITH_KEY.get(server.url).words()
    assert said.replace(" ", "") == words.replace(" ", "") and KEY[:12] not in said
