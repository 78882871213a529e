"""One server that plays all kinds of faults: the kind is in the path, `/k/KIND/v1/…`."""

from __future__ import annotations

import json
import socket
import threading
import time

from tests.support.fault_kinds import ACTS, DONE, EVENTS, GOOD, JSON, RAW, Doc, Gone, streamed, whole
from tests.support.sockets import requests_on


def answer_in_one_piece(events: list[Doc]) -> bytes:
    """The JSON body for these events where no stream is asked for: the first that is wrong, or all."""
    plain = [e for e in events if isinstance(e, dict) and e.get("choices")]
    odd = next((e for e in events if e not in GOOD and e != DONE and not _is_sound(e)), None)
    if odd is not None:
        document: Doc = odd
    else:
        last = dict(plain[-1]) if plain else {"choices": []}
        choice = dict(last["choices"][0]) if last["choices"] else {}
        text = "a" * len(plain)
        last["choices"] = [
            choice | {"text": text, "message": {"content": text}, "finish_reason": choice.get("finish_reason")}
        ]
        counts = next((e["usage"] for e in events if isinstance(e, dict) and "usage" in e), None)
        document = last | ({"usage": counts} if counts is not None else {})
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return whole(body, b"200 OK", *JSON)


def _is_sound(document: Doc) -> bool:
    """A token or a usage as they should be, as far as choices go."""
    if not isinstance(document, dict) or not isinstance(document.get("choices"), list):
        return False
    return all(isinstance(c, dict) and isinstance(c.get("text"), str) for c in document["choices"])


class FaultServer:
    """Plays the kinds on a port of its own, each connection in a thread, until `close`."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def url(self, kind: str) -> str:
        return f"http://127.0.0.1:{self.port}/k/{kind}/v1"

    def close(self) -> None:
        self.listener.close()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connection, args=(sock,), daemon=True).start()

    def _connection(self, sock: socket.socket) -> None:
        sock.settimeout(40)
        try:
            for head, body in requests_on(sock):
                self._play(sock, head.split(b"/")[2].decode(), json.loads(body))
        except (OSError, Gone):
            pass
        finally:
            sock.close()

    def _play(self, sock: socket.socket, kind: str, request: dict) -> None:
        if kind in ACTS:
            ACTS[kind][0](sock)
        elif kind in RAW:
            sock.sendall(RAW[kind][0])
            if not RAW[kind][0].startswith(b"HTTP/1.1") or b"Content-Length" not in RAW[kind][0]:
                time.sleep(0.05)
        elif request.get("stream"):
            sock.sendall(streamed(EVENTS[kind][0]))
        else:
            sock.sendall(answer_in_one_piece(EVENTS[kind][0]))


def main() -> None:
    """Serve until standard input ends; the port is the first line of output."""
    import sys

    server = FaultServer()
    print(server.port, flush=True)
    sys.stdin.read()
    server.close()


if __name__ == "__main__":
    main()
