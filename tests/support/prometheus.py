"""Made-up servers whose counters Prometheus scraped, and a small server that answers range queries like Prometheus."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np

MIDNIGHT = 1_780_012_800.0
"""2026-05-29 00:00 UTC."""
BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000)
VLLM = {
    "requests": "vllm:request_success_total",
    "inputs": "vllm:request_prompt_tokens",
    "outputs": "vllm:request_generation_tokens",
    "looked_up": "vllm:prefix_cache_queries_total",
    "hits": "vllm:prefix_cache_hits_total",
}
SGLANG = {
    "requests": "sglang:num_requests_total",
    "inputs": "sglang:prompt_tokens_histogram",
    "outputs": "sglang:generation_tokens_histogram",
    "looked_up": "sglang:prompt_tokens_total",
    "hits": "sglang:cached_tokens_total",
}


@dataclass(kw_only=True)
class ScrapedServer:
    """Requests of one instance, and what Prometheus has of its counters: samples every `step_s` from `start_s` on.

    `restarts` are times at which all counters go back to 0, `gaps` spans in which no sample was taken.
    """

    time_s: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray
    instance: str = "a:8000"
    model: str = "m"
    job: str = "llm"
    names: Mapping[str, str] = field(default_factory=lambda: VLLM)
    start_s: float = MIDNIGHT
    span_s: float = 7200.0
    step_s: float = 60.0
    restarts: Sequence[float] = ()
    gaps: Sequence[tuple[float, float]] = ()
    hit_share: float = 0.25
    histograms: bool = True

    def matrix(self) -> list[dict]:
        """The result of a range query of all its metrics."""
        at = np.arange(0, self.span_s + 1e-6, self.step_s)
        labels = {"instance": self.instance, "job": self.job, "model_name": self.model}
        rows = []

        def add(name: str, weights: np.ndarray, **more: str) -> None:
            values = [[self.start_s + t, repr(self._count(t, weights))] for t in at if not self._in_gap(t)]
            rows.append({"metric": {"__name__": name, **labels, **more}, "values": values})

        half = np.arange(len(self.time_s)) % 2 == 0
        if "vllm" in self.names["requests"]:
            add(self.names["requests"], half * 1.0, finished_reason="stop")
            add(self.names["requests"], ~half * 1.0, finished_reason="length")
        else:
            add(self.names["requests"], np.ones(len(self.time_s)))
        add(self.names["looked_up"], self.inputs * 1.0)
        add(self.names["hits"], self.inputs * self.hit_share)
        for base, tokens in ((self.names["inputs"], self.inputs), (self.names["outputs"], self.outputs)):
            if self.histograms:
                add(f"{base}_sum", tokens * 1.0)
                add(f"{base}_count", np.ones(len(tokens)))
                for bound in (*BOUNDS, float("inf")):
                    add(f"{base}_bucket", (tokens <= bound) * 1.0, le="+Inf" if bound == float("inf") else f"{bound}.0")
        return rows

    def _count(self, t: float, weights: np.ndarray) -> float:
        since = max([r for r in self.restarts if r <= t], default=-1.0)
        return float(weights[(self.time_s <= t) & (self.time_s > since)].sum())

    def _in_gap(self, t: float) -> bool:
        return any(low <= t < high for low, high in self.gaps)


def made_up(n: int, seed: int = 1, span_s: float = 7200.0, **more: object) -> ScrapedServer:
    """A server of n requests with lognormal lengths."""
    rng = np.random.default_rng(seed)
    return ScrapedServer(
        time_s=np.sort(rng.uniform(0, span_s, n)),
        inputs=np.clip(np.rint(rng.lognormal(6.5, 1.0, n)), 1, 19_000).astype(int),
        outputs=np.clip(np.rint(rng.lognormal(5.0, 0.8, n)), 1, 4_000).astype(int),
        span_s=span_s,
        **more,
    )


def answer(rows: list[dict]) -> dict:
    """An answer of /api/v1/query_range."""
    return {"status": "success", "data": {"resultType": "matrix", "result": rows}}


@dataclass
class SmallPrometheus:
    """Answers range queries from rows. `failures` are statuses to answer with first; `points` is the limit."""

    rows: list[dict]
    failures: list[int] = field(default_factory=list)
    points: int = 11_000
    key: str = ""
    url: str = ""
    queries: list[dict[str, str]] = field(default_factory=list)

    def reply(self, path: str, headers: Mapping[str, str]) -> tuple[int, object]:
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.queries.append(query)
        if self.failures:
            return self.failures.pop(0), {"status": "error", "errorType": "timeout", "error": "busy now"}
        if parts.path != "/prom/api/v1/query_range":
            return 404, "no such page"
        if self.key and headers.get("Authorization") != f"Bearer {self.key}":
            return 401, "who are you"
        start, end, step = (float(query[name]) for name in ("start", "end", "step"))
        if (end - start) / step + 1 > self.points:
            problem = "exceeded maximum resolution of 11,000 points per timeseries."
            return 400, {"status": "error", "errorType": "bad_data", "error": problem}
        match = re.fullmatch(r'\{__name__=~"([^"]*)"(?:,model_name="([^"]*)")?\}', query["query"])
        assert match, query
        chosen = []
        for row in self.rows:
            labels = row["metric"]
            values = [v for v in row["values"] if start <= v[0] <= end]
            if re.fullmatch(match[1], labels["__name__"]) and match[2] in (None, labels["model_name"]) and values:
                chosen.append({"metric": labels, "values": values})
        return 200, answer(chosen)


@contextmanager
def serving(prometheus: SmallPrometheus) -> Iterator[SmallPrometheus]:
    """The server on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = prometheus.reply(self.path, self.headers)
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    prometheus.url = f"http://127.0.0.1:{server.server_address[1]}/prom"
    try:
        yield prometheus
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
