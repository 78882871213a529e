"""The emulated endpoint and what it must not trip over: bad requests, faults beyond bounds, any bytes at all."""

from __future__ import annotations

import errno
import json
import socket
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.emulate.api_errors import ApiError
from paretoken.emulate.connection import MOST_PIPELINED, READ
from paretoken.emulate.request import read
from paretoken.emulate.server import EmulatedServer
from paretoken.emulate.surfaces.registry import SURFACES
from tests.support.emulators import ask, body, emulated
from tests.support.patience import examples

# ---- errors in OpenAI's form

SAID = {
    "not JSON": (b"{oops", 400, None),
    "not a JSON object": (b"[1]", 400, None),
    "min_tokens is 9, above": ({"prompt": "x", "max_tokens": 4, "min_tokens": 9}, 400, "min_tokens"),
    "max_tokens is 0": ({"prompt": "x", "max_tokens": 0}, 400, "max_tokens"),
    "max_tokens is 2.5": ({"prompt": "x", "max_tokens": 2.5}, 400, "max_tokens"),
    "context is 64,?000? tokens|context is 63": ({"prompt": [1] * 70_000}, 400, "prompt"),
    "context is": ({"prompt": [1] * 60_000, "max_tokens": 10_000}, 400, "prompt"),
    "prompt is empty": ({"prompt": ""}, 400, "prompt"),
    "prompt must be": ({"prompt": ["a", "b"]}, 400, "prompt"),
    "stream is 'yes'": ({"prompt": "x", "stream": "yes"}, 400, "stream"),
    "stream_options is no": ({"prompt": "x", "stream_options": [1]}, 400, "stream_options"),
    "stop is": ({"prompt": "x", "stop": [""]}, 400, "stop"),
    "logprobs is 3": ({"prompt": "x", "logprobs": 3}, 400, "logprobs"),
    "'z' does not exist": ({"prompt": "x", "model": "z"}, 404, "model"),
}


@pytest.mark.parametrize("words", SAID)
def test_a_bad_request_is_told_in_openais_form(server, words):
    body, status, param = SAID[words]
    code, headers, raw = ask(server, "POST", "/v1/completions", body)
    error = json.loads(raw)["error"]
    assert code == status == error["code"] and error["param"] == param
    assert set(error) == {"message", "type", "param", "code"}
    assert any(w in error["message"] for w in words.split("|")) or "context is" in error["message"]
    assert headers["content-type"] == "application/json"


CHAT = {
    "messages must be": {},
    "has no role": {"messages": [{"content": "x"}]},
    "content must be": {"messages": [{"role": "user", "content": [{"image": 1}]}]},
}


@pytest.mark.parametrize("words", CHAT)
def test_a_bad_chat_is_told(server, words):
    status, _, raw = ask(server, "POST", "/v1/chat/completions", CHAT[words])
    assert status == 400 and words in json.loads(raw)["error"]["message"]


def test_wrong_paths_methods_and_heads(server):
    assert ask(server, "GET", "/v1/nothing")[0] == 404
    assert ask(server, "GET", "/v1/completions")[0] == 405
    assert ask(server, "DELETE", "/health")[0] == 405
    assert ask(server, "POST", "/v1/completions", {"prompt": "x"}, X_Paretoken_Fault="oops")[0] == 400
    for sent, status in (
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST /v1/completions HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"POST /v1/completions HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n", b"400"),
        (b"POST /v1/completions HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"POST /v1/completions HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", b"413"),
        (b"POST /v1/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"POST /v1/completions HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}", b"400"),
        (b"GET /" + b"x" * 70_000, b"431"),
    ):
        assert raw_answer(server, sent).startswith(b"HTTP/1.1 " + status)


def raw_answer(server, sent: bytes) -> bytes:
    """All that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(sent)
        got = b""
        while data := sock.recv(65536):
            got += data
    return got


def test_requests_on_one_connection_are_answered_in_order(server):
    body = b'{"prompt":[1,2],"max_tokens":3,"ignore_eos":true}'
    head = b"POST /v1/completions HTTP/1.1\r\nContent-Length: %d\r\n" % len(body)
    last = head + b"Connection: close\r\n\r\n" + body
    got = raw_answer(server, (head + b"\r\n" + body) * 2 + b"GET /health HTTP/1.1\r\n\r\n" + last)
    assert got.count(b"HTTP/1.1 200 OK") == 4 and got.count(b'"completion_tokens": 3') == 3
    waits = b"POST /v1/completions HTTP/1.1\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(waits)
        assert sock.recv(100).startswith(b"HTTP/1.1 100")
        sock.sendall(b"{}")
        assert b"prompt must be" in sock.recv(65536)


def test_bytes_of_later_requests_wait_in_the_kernel_while_an_answer_runs():
    """A client that sends and does not read fills the buffers of the kernel and a bounded part of ours, no more."""
    whole = json.dumps(body(max_tokens=50)).encode()
    first = b"POST /v1/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(whole) + whole
    with emulated(time_scale=0.02) as server, socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(first)
        assert sock.recv(100).startswith(b"HTTP/1.1 200")
        sock.setblocking(False)
        sent, later = 0, b"GET /health HTTP/1.1\r\n\r\n" * 40_000
        with suppress(BlockingIOError):
            while sent < 50 * len(later):
                sent += sock.send(later)
        (connection,) = server.connections
        assert len(connection.inbox) <= MOST_PIPELINED + READ and sent < 50 * len(later)


def test_a_client_that_takes_no_answers_is_read_no_further():
    with emulated() as server, socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.settimeout(0.5)
        sent, page = 0, b"GET /metrics HTTP/1.1\r\n\r\n" * 40_000
        with suppress(TimeoutError):
            while sent < 100 * len(page):
                sent += sock.send(page)
        (connection,) = server.connections
        assert sent < 100 * len(page) and len(connection.outbox) < 2 * MOST_PIPELINED + READ
        assert ask(server, "GET", "/health")[0] == 200
        sock.settimeout(10)
        assert sock.recv(100).startswith(b"HTTP/1.1 200")


def test_a_request_that_comes_slowly_is_dropped_and_others_are_not(monkeypatch):
    monkeypatch.setattr("paretoken.emulate.server.REQUEST_S", 0.2)
    monkeypatch.setattr("paretoken.emulate.server.SWEEP_S", 0.05)
    with emulated() as server, socket.create_connection(("127.0.0.1", server.port), timeout=10) as idle:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as slow:
            slow.sendall(b"GET /health HT")
            assert slow.recv(100).startswith(b"HTTP/1.1 408")
        idle.sendall(b"GET /health HTTP/1.1\r\n\r\n")
        assert idle.recv(100).startswith(b"HTTP/1.1 200")


def test_without_descriptors_the_server_rests_and_drops_slow_requests(monkeypatch):
    """At the limit of open files it does not turn in circles, and serves again as soon as there is room."""
    monkeypatch.setattr("paretoken.emulate.server.SLOW_AT_LIMIT_S", 0.1)
    turns = []
    turn = EmulatedServer._turn
    monkeypatch.setattr(EmulatedServer, "_turn", lambda server: (turns.append(1), turn(server)))
    with emulated() as server:
        accept, refused = server.listener.accept, []

        class Full:
            """A listener whose process has no descriptor left."""

            def __init__(self, real) -> None:
                self.real = real

            def __getattr__(self, name):
                return getattr(self.real, name)

            def accept(self):
                if len(refused) < 5:
                    refused.append(1)
                    raise OSError(errno.EMFILE, "Too many open files")
                return accept()

        real = server.listener
        server.selector.unregister(real)
        server.listener = full = Full(real)
        server.selector.register(full, 1)
        before = len(turns)
        assert ask(server, "GET", "/health")[0] == 200
        assert len(refused) == 5 and len(turns) - before < 100


# ---- one request never ends the server


@pytest.mark.parametrize("fault", ["reset=inf", "reset=nan", "chunk=1e30", "slow=1e300", "stall=inf", "slow=-1"])
def test_a_fault_beyond_bounds_is_refused_and_the_server_goes_on(server, fault):
    status, _, raw = ask(server, "POST", "/v1/completions", body(), X_Paretoken_Fault=fault)
    error = json.loads(raw)["error"]
    assert (status, error["type"]) == (400, "BadRequestError") and fault in error["message"]
    assert ask(server, "GET", "/health")[0] == 200


def test_a_step_of_centuries_is_no_overflow():
    with emulated(time_scale=1e-15) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
            whole = json.dumps(body()).encode()
            sock.sendall(b"POST /v1/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(whole) + whole)
            assert sock.recv(65536).startswith(b"HTTP/1.1 200")
        assert ask(server, "GET", "/health")[0] == 200


def broken(*_):
    raise ZeroDivisionError("unforeseen")


@pytest.mark.parametrize(
    ("where", "stream"),
    [
        ("service.Service._script", False),
        ("reply.Reply.gain", False),
        ("reply.Reply.gain", True),
        ("reply.Reply._go_on", True),
        ("connection.ClientConnection.writable", True),
    ],
)
def test_an_unforeseen_error_ends_one_connection(monkeypatch, caplog, where, stream):
    """HTTP 500 where nothing is out yet, a reset in a stream; the log has it, others and later requests do not."""
    with emulated() as server:
        with monkeypatch.context() as patch:
            patch.setattr(f"paretoken.emulate.{where}", broken)
            if where.endswith("writable"):
                patch.setattr("paretoken.emulate.connection.ClientConnection.send", held)
            if stream:
                with pytest.raises(OSError):
                    ask(server, "POST", "/v1/completions", body(), X_Paretoken_Fault="stall=0.01")
            else:
                status, _, raw = ask(server, "POST", "/v1/completions", body(stream=False))
                assert status == 500 and "see its log" in json.loads(raw)["error"]["message"]
        assert "ZeroDivisionError: unforeseen" in caplog.text
        assert ask(server, "POST", "/v1/completions", body(stream=False))[0] == 200
        assert not server.service.pacer.scheduler.busy


def held(connection, data):
    """Send nothing: the kernel has no room."""
    connection.outbox += data
    connection.owner.watch(connection)


# ---- whatever comes in

FIELDS = st.sampled_from(
    [
        "model",
        "prompt",
        "messages",
        "n",
        "max_tokens",
        "max_completion_tokens",
        "min_tokens",
        "stop",
        "stream",
        "stream_options",
        "ignore_eos",
        "echo",
        "logprobs",
        "role",
        "content",
        "text",
        "include_usage",
        "type",
        "name",
        "function",
        "parameters",
        "arguments",
        "tools",
        "tool_choice",
        "tool_calls",
        "parallel_tool_calls",
        "input_schema",
        "system",
        "stop_sequences",
        "input",
        "instructions",
        "max_output_tokens",
        "output",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=12,
)


@examples(60)
@given(st.dictionaries(FIELDS, VALUES, max_size=6), st.sampled_from(list(SURFACES.values())))
def test_any_json_is_read_or_refused(body, surface):
    try:
        request = read(json.dumps(body).encode(), surface=surface, model="m", context=100)
    except ApiError as error:
        assert 400 <= error.status < 500 and json.loads(error.body())["error"]["message"]
    else:
        assert 0 < request.prompt_tokens < 100 and 0 <= request.min_tokens <= request.max_tokens
        assert request.prompt_tokens + request.max_tokens <= 100


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_any_bytes_are_answered_or_waited_for(server, raw):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(raw)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass
    assert ask(server, "GET", "/health")[0] == 200
