"""A vLLM-like server that drafts three tokens a step and counts what it accepts, in a fixed cycle."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKENS = 3
CYCLE = (3, 1, 2, 0)
"""Accepted tokens of one step after another: 2.5 tokens a step, by position 0.75, 0.5 and 0.25."""
STEP_S = 0.004


@dataclass
class Drafting:
    """The counters. Without `counts` none is shown; with `falls` every reading of them is lower than the one before."""

    counts: bool = True
    drafts: bool = True
    falls: bool = False
    readings: int = 0
    steps: int = 0
    accepted: list[int] = field(default_factory=lambda: [0] * TOKENS)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def step(self) -> int:
        """Tokens of one more step."""
        if not self.drafts:
            return 1
        with self.lock:
            accepted = CYCLE[self.steps % len(CYCLE)]
            self.steps += 1
            for place in range(accepted):
                self.accepted[place] += 1
        return accepted + 1

    def text(self) -> str:
        with self.lock:
            self.readings += 1
            share = 0.1**self.readings if self.falls else 1.0
            steps, accepted = self.steps * share, [n * share for n in self.accepted]
        lines = ['vllm:num_requests_running{engine="0"} 1']
        if self.counts:
            lines += [
                f'vllm:spec_decode_num_drafts_total{{engine="0"}} {steps}',
                f'vllm:spec_decode_num_draft_tokens_total{{engine="0"}} {TOKENS * steps}',
                f'vllm:spec_decode_num_accepted_tokens_total{{engine="0"}} {sum(accepted)}',
            ]
            name = "vllm:spec_decode_num_accepted_tokens_per_pos_total"
            lines += [f'{name}{{engine="0",position="{place}"}} {n}' for place, n in enumerate(accepted)]
        return "\n".join(lines) + "\n"


@contextmanager
def drafting_server(drafting: Drafting) -> Iterator[str]:
    """The root URL of the server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            listed = json.dumps({"data": [{"id": "m", "owned_by": "vllm", "max_model_len": 8192}]})
            page = {"/v1/models": listed, "/metrics": drafting.text()}.get(self.path, "{}")
            self.answer(page.encode())

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            left = total = body.get("max_tokens", 16)
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            while left:
                time.sleep(STEP_S)
                tokens = min(drafting.step(), left)
                left -= tokens
                self.event({"choices": [{"text": " a" * tokens, "finish_reason": None if left else "length"}]})
            usage = {"prompt_tokens": 8, "completion_tokens": total, "total_tokens": total + 8}
            self.event({"choices": [], "usage": usage})
            self.chunk(b"data: [DONE]\n\n")
            self.chunk(b"")

        def event(self, value: object) -> None:
            self.chunk(b"data: " + json.dumps(value).encode() + b"\n\n")

        def chunk(self, data: bytes) -> None:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

        def answer(self, data: bytes) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
