"""A receiver of OTLP over HTTP that decodes what arrives with OpenTelemetry's own protobufs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(slots=True)
class OtlpReceiver:
    """What came: spans, resources, metrics as of the last export, and the raw bytes of every body."""

    url: str = ""
    status: int = 200
    spans: list[Span] = field(default_factory=list)
    resources: list[dict] = field(default_factory=list)
    metrics: dict[str, Metric] = field(default_factory=dict)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict] = field(default_factory=list)

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            for of in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append(values(of.resource.attributes))
                self.spans += [span for scope in of.scope_spans for span in scope.spans]
        elif path == "/v1/metrics":
            for of in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.metrics = {m.name: m for scope in of.scope_metrics for m in scope.metrics}

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


def values(attributes) -> dict:
    """Attributes as plain values."""
    return {pair.key: _plain(pair.value) for pair in attributes}


def _plain(value) -> object:
    kind = value.WhichOneof("value")
    return [_plain(v) for v in value.array_value.values] if kind == "array_value" else getattr(value, kind)


@contextmanager
def otlp_receiver(status: int = 200, most: int = 1_000_000) -> Iterator[OtlpReceiver]:
    """A receiver that answers with a status, the first `most` requests only."""
    received, over = OtlpReceiver(status=status), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.bodies.append(body)
            received.headers.append(dict(self.headers))
            if len(received.bodies) > most:
                over.wait(60)
                return
            if received.status == 200:
                received.take(self.path, body)
            self.send_response(received.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield received
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()
