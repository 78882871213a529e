"""The port of `--metrics-port`: who gets the figures, and who does not."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from http.client import HTTPConnection

import pytest

from paretoken.bench.telemetry.endpoint import MOST_AT_ONCE, check_place, metrics_endpoint
from paretoken.errors import BadConfig

TOKEN = "a-token-of-24-characters"


def answer_of(url: str, path: str = "/metrics", **headers: str) -> tuple[int, str]:
    host, _, port = url.removeprefix("http://").partition("/")[0].rpartition(":")
    connection = HTTPConnection(host.strip("[]"), int(port), timeout=5)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_the_text_is_at_metrics_only():
    with metrics_endpoint(lambda: "m 1\n", "0") as url:
        assert url.startswith("http://127.0.0.1:")
        assert answer_of(url) == (200, "m 1\n")
        assert answer_of(url, "/metrics?x=1")[0] == 200
        assert answer_of(url, "/")[0] == answer_of(url, "/../etc/passwd")[0] == 404


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Host": ""}, {"Host": "["}]
)
def test_a_page_of_another_site_gets_nothing(headers):
    with metrics_endpoint(lambda: "m 1\n", "127.0.0.1:0") as url:
        assert answer_of(url, **headers)[0] == 403
        assert answer_of(url, Host="localhost:9464")[0] == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [("", 401), ("Bearer wrong", 401), ("Bearer é", 401), (f"Bearer {TOKEN}", 200), (f"bearer  {TOKEN}", 200)],
)
def test_beyond_this_machine_it_needs_the_token(sent, status):
    with metrics_endpoint(lambda: "m 1\n", "0.0.0.0:0", TOKEN) as url:
        port = url.rpartition(":")[2].partition("/")[0]
        headers = {"Authorization": sent} if sent else {}
        assert answer_of(f"http://127.0.0.1:{port}/", **headers)[0] == status


@pytest.mark.parametrize(
    "place", ["", "x", "-1", "65536", "١", "host:", "0.0.0.0:0", "192.0.2.1:0", "no.such.host.invalid:0"]
)
def test_a_place_that_cannot_be_is_one_sentence(place):
    with pytest.raises(BadConfig, match="--metrics-port"):
        check_place(place)


def test_a_short_token_and_a_bare_ipv6_address_are_refused():
    with pytest.raises(BadConfig, match=r"PARETOKEN_METRICS_TOKEN.* has 5 characters; use at least 16"):
        check_place("0.0.0.0:0", "short")
    with pytest.raises(BadConfig, match=r"in brackets, such as \[::1\]:9464"):
        check_place("::1:0")
    with pytest.raises(BadConfig, match="set a token"):
        check_place("[::]:0")


def test_an_ipv6_address_answers():
    with metrics_endpoint(lambda: "m 1\n", "[::1]:0") as url:
        assert url.startswith("http://[::1]:") and answer_of(url) == (200, "m 1\n")


@pytest.mark.parametrize("path", ["//[", "//[/metrics"])
def test_an_odd_path_gets_an_answer(path):
    with metrics_endpoint(lambda: "m 1\n", "0") as url:
        assert answer_of(url, path)[0] == 404


def test_connections_that_send_nothing_make_no_threads_without_end(monkeypatch):
    monkeypatch.setattr("paretoken.bench.telemetry.endpoint._Handler.timeout", 120.0)
    with metrics_endpoint(lambda: "m 1\n", "0") as url, ExitStack() as stack:
        port, before = int(url.rpartition(":")[2].partition("/")[0]), threading.active_count()
        for _ in range(3 * MOST_AT_ONCE):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        with socket.create_connection(("127.0.0.1", port), timeout=60) as refused:
            assert refused.recv(1) == b""  # taken in order, so all before it are taken
        assert threading.active_count() - before <= MOST_AT_ONCE


def test_a_taken_port_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(BadConfig, match="choose another place"):
        check_place(str(taken.getsockname()[1]))


def test_a_client_that_goes_away_is_no_trouble(capfd):
    with metrics_endpoint(lambda: "m 1\n" * 200_000, "0") as url:
        port = int(url.rpartition(":")[2].partition("/")[0])
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        assert answer_of(url)[0] == 200
    assert capfd.readouterr() == ("", "")
