"""The accuracy commands against servers that echo the key, drip, flood or answer with anything."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import closing, contextmanager
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paretoken.accuracy import client as client_file
from paretoken.accuracy.client import Client, Refused
from paretoken.accuracy.lm_eval import run_lm_eval
from paretoken.accuracy.servers import OpenAI, SGLang
from paretoken.accuracy.tokens import NoAbility
from paretoken.errors import BadConfig, EndpointFailed

KEY = 'pk-4f/9Q+z"7wXk2m0v8r/tLb5n1'
MODELS = {"data": [{"id": "tiny", "owned_by": "vllm"}]}


def http(body, status="200 OK"):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


@contextmanager
def server(answer):
    """A server whose answer to a request is what `answer(path, key)` returns, or an iterator of pieces of it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def serve(connection):
            with closing(connection), connection.makefile("rb") as lines:
                path = lines.readline().split()[1].decode()
                headers = {}
                while (line := lines.readline()).strip():
                    name, _, value = line.decode().partition(":")
                    headers[name.lower()] = value.strip()
                lines.read(int(headers.get("content-length", 0)))
                pieces = answer(path, headers.get("authorization", "").removeprefix("Bearer "))
                try:
                    for piece in [pieces] if isinstance(pieces, bytes) else pieces:
                        connection.sendall(piece)
                except OSError:
                    pass

        def accept():
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


def every(piece, gap_s, head=b""):
    yield head
    while True:
        yield piece
        time.sleep(gap_s)


# Keys

ECHOES = {
    "error": lambda key: http({"error": {"message": f"Incorrect API key provided: {key}"}}, "401 Unauthorized"),
    "error, text": lambda key: http(f"bad key {key}, sorry".encode(), "500 Internal Server Error"),
    "error, cut": lambda key: http(f"bad key {key[:15]}".encode(), "400 Bad Request"),
    "error, URL": lambda key: http(f"/v1?key={quote(key, safe='')}".encode(), "500 Internal Server Error"),
    "redirect": lambda key: http(f"see http://other/?key={key}".encode(), "302 Found"),
    "status line": lambda key: f"HTTP/9 {key}\r\n\r\n".encode(),
    "answer": lambda key: http({"choices": [{"text": f"you sent {key}", "logprobs": None, "note": key}]}),
    "no JSON": lambda key: http(f"<html>{key}".encode()),
    "header": lambda key: b"HTTP/1.1 200 OK\r\nContent-Length: " + key.encode() + b"\r\n\r\n",
}


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("command", ["probe", "repeat", "gate", "task", "calibrate", "consistency", "compare"])
def test_no_command_shows_or_keeps_the_key(command, echo, call, tmp_path, monkeypatch):
    monkeypatch.setenv("PARETOKEN_API_KEY", KEY)
    small = "--items 2" if command == "task" else "" if command == "probe" else "--prompts 2 --tokens 2 --seed 1"
    with server(lambda path, key: http(MODELS) if path == "/v1/models" else ECHOES[echo](key)) as url:
        reference = f"--reference {url}" if command in ("task", "gate", "compare") else ""
        code, out, err = call(f"accuracy {command} --url {url} {small} {reference}")
    assert code in (0, 1, 2), err
    files = [p.read_text() for p in tmp_path.rglob("*") if p.is_file()]
    for words in (out, err, *files):
        assert not [KEY[i : i + 8] for i in range(len(KEY) - 7) if KEY[i : i + 8] in words]


def test_a_model_list_that_echoes_the_key_does_not_show_it(call, monkeypatch):
    monkeypatch.setenv("PARETOKEN_API_KEY", KEY)
    with server(lambda path, key: http({"data": [{"id": f"a-{key}"}, {"id": "\x1b]0;b\x07\u202e"}]})) as url:
        code, out, err = call(f"accuracy probe --url {url}")
    assert (code, out) == (2, "")
    assert KEY[:8] not in err
    assert r"\x1b]0;b\x07\u202e" in err


def test_lm_eval_gets_no_key_but_that_of_its_server_and_no_other_address(monkeypatch, tmp_path):
    program = tmp_path / "lm_eval"
    program.write_text('#!/bin/sh\necho "key $OPENAI_API_KEY" >&2\nexit 3\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(EndpointFailed, match="key none"):
        run_lm_eval("http://127.0.0.1:1", "m", ["gsm8k"], tmp_path)
    with pytest.raises(EndpointFailed, match=r"key \*\*\*$"):
        run_lm_eval("http://127.0.0.1:1", "m", ["gsm8k"], tmp_path, key=KEY)
    with pytest.raises(BadConfig, match="comma"):
        run_lm_eval("http://127.0.0.1:1", "m,base_url=http://other", ["gsm8k"], tmp_path)


# Time and size


@pytest.mark.parametrize(
    "pieces",
    [
        lambda: every(b"a", 0.02, b"HTTP/1.1 200 OK\r\nX: "),
        lambda: every(b"HTTP/1.1 100 Continue\r\n\r\n", 0.02),
        lambda: every(b" ", 0.02, b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n"),
        lambda: every(b"1\r\n \r\n", 0.02, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        lambda: every(b"", 0.02),
    ],
    ids=["headers", "interim", "body", "chunks", "nothing"],
)
def test_an_answer_that_drips_times_out(pieces):
    with server(lambda path, key: pieces()) as url, pytest.raises(EndpointFailed, match=r"timed out|more than"):
        Client.at(url, timeout_s=0.3).get("/v1/models")


def test_an_answer_without_end_is_cut(monkeypatch):
    monkeypatch.setattr(client_file, "LARGEST_BYTES", 100_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"
    with (
        server(lambda path, key: every(b" " * 65536, 0, head)) as url,
        pytest.raises(EndpointFailed, match="more than 0 MB"),
    ):
        Client.at(url).get("/v1/models")


def test_a_redirect_is_not_followed():
    with (
        server(lambda path, key: http(b"", "307 x\r\nLocation: http://127.0.0.1:1/")) as url,
        pytest.raises(Refused, match="status 307"),
    ):
        Client.at(url, KEY).get("/v1/models")


# Any JSON

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("choices", "logprobs", "tokens", "token_ids", "prompt_token_ids", "token_logprobs", "top_logprobs", "text")
META = ("meta_info", "input_token_logprobs", "output_token_logprobs", "output_top_logprobs", "input_top_logprobs")
SHAPED = st.fixed_dictionaries(
    {"choices": st.lists(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=5), max_size=2) | JSON},
) | st.fixed_dictionaries({"meta_info": st.dictionaries(st.sampled_from(META), JSON, max_size=5) | JSON, "text": JSON})


class Canned:
    """A client whose every answer is the same."""

    root = "http://127.0.0.1:1"

    def __init__(self, answer):
        self.answer = answer

    def post(self, path, body):
        return self.answer


@pytest.mark.parametrize("kind", [OpenAI, SGLang])
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(answer=JSON | SHAPED)
def test_any_json_is_an_answer_or_a_named_failure(kind, answer):
    asked = kind(Canned(answer), "m", "vllm")
    for ask in (lambda: asked.generate("a", 2), lambda: asked.score([1, 2]), lambda: asked.text("a", 2, "b")):
        try:
            got = ask()
        except EndpointFailed:
            continue
        if not isinstance(got, NoAbility | str):
            assert all(isinstance(i, int) for i in got.ids)


@pytest.mark.parametrize("body", [b"[" * 100_000, b"9" * 5000, b"\xff\xfe", b"", b"null", b"[]", b'{"data": [5]}'])
def test_a_model_list_of_any_form_is_a_named_failure(body, call):
    with server(lambda path, key: http(body)) as url:
        code, out, err = call(f"accuracy probe --url {url}")
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert len(err) < 400
