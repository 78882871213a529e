"""A web server on the loopback interface that serves bytes well or badly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@contextmanager
def served(answers: dict[str, dict[str, object]]) -> Iterator[str]:
    """The address of a server; each path has `body`, and `status`, `headers`, `length` where they differ."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path.split("?")[0], {"status": 404, "body": b""})
            body = answer["body"]
            self.send_response(answer.get("status", 200))
            for name, value in answer.get("headers", {}).items():
                self.send_header(name, value)
            if answer.get("length", True) is not None:
                stated = answer.get("length")
                self.send_header("Content-Length", str(len(body) if stated is None else stated))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
