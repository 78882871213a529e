"""A small OpenAI-like server of the test's own manners: a function answers each request, and all are kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

Reply = tuple[int, object] | tuple[int, object, dict[str, str]] | None
"""Status, body (bytes as they are, anything else as JSON) and headers; None for the usual answer."""


@dataclass(frozen=True)
class Ask:
    """One request: `body` is its JSON, {} where it has none."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, object]


Answer = Callable[[Ask], Reply]


@dataclass
class OddServer:
    url: str
    asks: list[Ask] = field(default_factory=list)

    @property
    def posts(self) -> list[Ask]:
        return [ask for ask in self.asks if ask.method == "POST"]

    def saw(self, secret: str) -> bool:
        return any(secret in value for ask in self.asks for value in (ask.path, *ask.headers.values()))


def stream(tokens: int = 4, usage: bool = True, prompt_tokens: int = 11) -> bytes:
    """A chat answer as events."""
    event = {"object": "chat.completion.chunk", "model": "m"}
    events = [
        {**event, "choices": [{"index": 0, "text": " a", "delta": {"content": " a"}, "finish_reason": None}]}
        for _ in range(tokens)
    ]
    events.append({**event, "choices": [{"index": 0, "text": "", "delta": {}, "finish_reason": "length"}]})
    if usage:
        counts = {"prompt_tokens": prompt_tokens, "completion_tokens": tokens, "total_tokens": prompt_tokens + tokens}
        events.append({**event, "choices": [], "usage": counts})
    return b"".join(b"data: " + json.dumps(e).encode() + b"\n\n" for e in events) + b"data: [DONE]\n\n"


def refuse(*fields: str, status: int = 400) -> Answer:
    """A server that refuses requests with one of these fields, and names it."""

    def answer(ask: Ask) -> Reply:
        for name in fields:
            if name in ask.body:
                return status, {"error": {"message": f"Unsupported parameter: '{name}'", "param": name}}
        return None

    return answer


@contextmanager
def odd_server(answer: Answer = lambda ask: None, models: object = None) -> Iterator[OddServer]:
    """Serve on a free port of this machine; without a reply of its own it lists `models` and answers any POST."""
    listed = {"data": [{"id": "m", "owned_by": "x"}]} if models is None else models

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def _reply(self) -> None:
            data = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {k.lower(): v for k, v in self.headers.items()}
            ask = Ask(self.command, self.path, headers, json.loads(data or b"{}"))
            server.asks.append(ask)
            status, body, *more = answer(ask) or self._usual(ask)
            sent = {"content-type": "application/json"} | (more[0] if more else {})
            out = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in sent.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(out)))
            self.end_headers()
            self.wfile.write(out)

        def _usual(self, ask: Ask) -> tuple[int, object, dict[str, str]]:
            if ask.method == "POST":
                tokens = ask.body.get("max_tokens") or ask.body.get("max_completion_tokens") or 1
                return 200, stream(int(str(tokens))), {"content-type": "text/event-stream"}
            here = ask.path.partition("?")[0] == "/v1/models"
            return (200, listed, {}) if here else (404, {"detail": "Not Found"}, {})

        do_GET = do_POST = _reply  # noqa: N815 - the names that http.server calls

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = OddServer(f"http://127.0.0.1:{http.server_port}")
    Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
