"""A proxy that holds a stream back: no TPOT, a warning, and the gate shut."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager

import pytest

from tests.support.emulators import emulated


@contextmanager
def buffering_proxy(port: int):
    """A TCP proxy that passes a response on when it is whole; one request for each connection."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    listener.settimeout(0.2)
    ended = threading.Event()

    def serve(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(65_536)
            top, _, content = head.partition(b"\r\n\r\n")
            lines = top.split(b"\r\n")
            length = next((int(h.split(b":")[1]) for h in lines if h.lower().startswith(b"content-length")), 0)
            while len(content) < length:
                content += client.recv(65_536)
            lines = [h for h in lines if not h.lower().startswith(b"connection")]
            server.sendall(b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + content)
            whole = b""
            while piece := server.recv(65_536):
                whole += piece
            client.sendall(whole)

    def accept() -> None:
        while not ended.is_set():
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            client.settimeout(10)
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        ended.set()
        thread.join()
        listener.close()


@pytest.mark.parametrize("slo", ["tpot_p50=50ms", "ttft_p50=10s"])
def test_a_buffered_stream_has_no_tpot_and_passes_no_gate(call, slo):
    with emulated() as server, buffering_proxy(server.port) as url:
        code, out, err = call(
            f"bench {url} --isl 16 --osl 16 --concurrency 2 --until 1s --slo {slo} --gate --out run --json"
        )
    level = json.loads(out)["levels"][0]
    assert level["latency"]["tpot_s"]["p50"] is None and level["point"]["median_tpot_s"] is None
    assert "buffered" in [w["code"] for w in level["warnings"]]
    assert "the stream arrives in one piece" in level["point"]["notes"]
    assert code == 1 and "gate: " in err


def test_a_stream_that_is_passed_on_at_once_has_one(call):
    with emulated() as server:
        code, out, err = call(f"bench {server.base_url} --isl 16 --osl 16 --concurrency 2 --until 1s --out run --json")
    assert code == 0, err
    level = json.loads(out)["levels"][0]
    assert level["latency"]["tpot_s"]["p50"] > 0.001
    assert "buffered" not in [w["code"] for w in level["warnings"]]
