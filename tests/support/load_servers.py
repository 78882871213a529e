"""A server that does what each request tells it to: the golden server of the client's tests.

The body of a POST holds `script`, a list of steps, or `scripts` and a `key`, where the n-th request of a
key runs the n-th list (the last one repeats). Steps: `["send", text]`, `["flood", text]` (again and again),
`["hex", bytes]`, `["sleep", s]`, `["close"]`, `["reset"]`. GET /log gives what was asked and when each send
began, as JSON. It runs as a process of its own, so that forked workers inherit none of its sockets.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from paretoken.bench.plan import Prepared
from tests.support.sockets import requests_on


class _Scripted:
    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.context = context
        self.lock = threading.Lock()
        self.turns: dict[str, int] = {}
        self.log: list[dict] = []

    def serve(self, listener: socket.socket) -> None:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=self.connection, args=(sock,), daemon=True).start()

    def connection(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self.context is not None:
                sock = self.context.wrap_socket(sock, server_side=True)
            for head, body in requests_on(sock):
                if not self.answer(sock, head, body):
                    return
        except OSError:
            pass
        finally:
            sock.close()

    def answer(self, sock: socket.socket, head: bytes, body: bytes) -> bool:
        if head.startswith(b"GET"):
            text = json.dumps(self.log).encode()
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))
            return True
        asked = json.loads(body)
        entry = {"at": time.time_ns(), "key": asked.get("key"), "head": head.decode(), "sent": []}
        entry["model"] = asked.get("model")
        with self.lock:
            turn = self.turns.get(asked.get("key", ""), 0)
            self.turns[asked.get("key", "")] = turn + 1
            self.log.append(entry)
        scripts = asked.get("scripts") or [asked["script"]]
        return all(self.step(sock, step, entry) for step in scripts[min(turn, len(scripts) - 1)])

    def step(self, sock: socket.socket, step: list, entry: dict) -> bool:
        name, *rest = step
        if name in ("send", "hex"):
            entry["sent"].append(time.time_ns())
            sock.sendall(rest[0].encode() if name == "send" else bytes.fromhex(rest[0]))
        elif name == "flood":
            while True:
                sock.sendall(rest[0].encode())
        elif name == "sleep":
            time.sleep(rest[0])
        elif name == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        elif name == "close":
            return False
        return True


@dataclass(frozen=True, slots=True)
class Golden:
    """A running scripted server."""

    port: int
    pid: int
    secure: bool = False

    @property
    def base_url(self) -> str:
        return f"{'https' if self.secure else 'http'}://127.0.0.1:{self.port}/v1"

    def log(self) -> list[dict]:
        with urlopen(f"http://127.0.0.1:{self.port}/log", timeout=5) as answer:
            return json.load(answer)


@contextmanager
def golden_server(port: int = 0, certificate: Path | None = None) -> Iterator[Golden]:
    """Run it as a child for the time of a `with` block; with TLS where a PEM of key and certificate is given."""
    command = [
        sys.executable,
        "-m",
        "tests.support.load_servers",
        str(port),
        *([str(certificate)] if certificate else []),
    ]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    try:
        yield Golden(int(child.stdout.readline()), child.pid, certificate is not None)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()


def free_port() -> int:
    """A port on which nothing listens just now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def chunk(text: str) -> str:
    """One chunk of a chunked body."""
    return f"{len(text.encode()):x}\r\n{text}\r\n"


HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
DONE = chunk("data: [DONE]\n\n") + "0\r\n\r\n"


def event(text: str = " a", finish: str | None = None, usage: dict | None = None, **more: object) -> str:
    """One completions event as a chunk."""
    choice = {"index": 0, "text": text, "finish_reason": finish, **more}
    body = {"id": "x", "choices": [choice]} | ({"usage": usage} if usage else {})
    return chunk(f"data: {json.dumps(body)}\n\n")


def stream(tokens: int = 4, gap_s: float = 0.0, first_s: float = 0.0, usage: bool = True) -> list[list]:
    """The steps of a good answer of so many tokens, one per event."""
    steps: list[list] = [["sleep", first_s], ["send", HEAD]] if first_s else [["send", HEAD]]
    for i in range(tokens):
        if i and gap_s:
            steps.append(["sleep", gap_s])
        steps.append(["send", event(finish="length" if i == tokens - 1 else None)])
    last = {"prompt_tokens": 3, "completion_tokens": tokens, "total_tokens": 3 + tokens}
    if usage:
        steps.append(["send", chunk(f"data: {json.dumps({'choices': [], 'usage': last})}\n\n")])
    return [*steps, ["send", DONE]]


def whole(status: str, body: str, *headers: str) -> list[list]:
    """The steps of an answer in one piece."""
    head = "".join(f"{h}\r\n" for h in ("Content-Type: application/json", *headers))
    return [["send", f"HTTP/1.1 {status}\r\n{head}Content-Length: {len(body.encode())}\r\n\r\n{body}"]]


class Bodies:
    """A source of the given bodies, in order, dealt to the workers in turn; endless if told."""

    def __init__(self, bodies: list[dict], endless: bool = False, output_tokens: int = 4) -> None:
        self.bodies = [Prepared(json.dumps(b).encode(), 3, output_tokens) for b in bodies]
        self.endless = endless

    def requests(self, worker: int, workers: int) -> Iterator[Prepared]:
        mine = self.bodies[worker::workers]
        return itertools.cycle(mine) if self.endless else iter(mine)


def main() -> None:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(sys.argv[1])))
    listener.listen(1024)
    context = None
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2])
    print(listener.getsockname()[1], flush=True)
    parent = os.getppid()
    threading.Thread(target=_Scripted(context).serve, args=(listener,), daemon=True).start()
    while os.getppid() == parent:
        time.sleep(0.2)


if __name__ == "__main__":
    main()
