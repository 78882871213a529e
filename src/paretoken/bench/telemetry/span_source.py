"""The input of the process that exports a run: where its requests went, and where its spans go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from paretoken.bench.documents import to_json
from paretoken.bench.plan import Api
from paretoken.bench.setup import Setup
from paretoken.errors import BadConfig
from paretoken.foreign_text import visible
from paretoken.secret_names import is_secret

OPERATIONS: dict[Api, str] = {
    "completions": "text_completion",
    "chat": "chat",
    "messages": "chat",
    "responses": "chat",
    "embeddings": "embeddings",
}
"""`gen_ai.operation.name` of each API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanTarget:
    """A server that requests went to."""

    model: str
    address: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanSource:
    """A run as its spans describe it; `collector` is a base URL, None for that of the environment.

    `provider` follows from the form of the API. It contains no key, prompt, answer or header.
    """

    collector: str | None
    run: str
    origin: str
    operation: str
    provider: str
    stream: bool
    modality: str
    targets: Sequence[SpanTarget]

    def to_json(self) -> object:
        return to_json(self)


def span_source(setup: Setup, run: str, collector: str | None) -> SpanSource:
    """The source of a run's spans. BadConfig for a collector that is not a URL."""
    return SpanSource(
        collector=checked_collector(collector),
        run=run,
        origin=setup.origin,
        operation=OPERATIONS[setup.api],
        provider="anthropic" if setup.api == "messages" else "openai",
        stream=setup.config.stream,
        modality="unknown" if setup.config.images else "text",
        targets=tuple(_target(e.base_url, e.model) for e in setup.endpoints),
    )


def checked_collector(url: str | None) -> str | None:
    """The base URL of a collector; BadConfig if it is not a URL, or contains a secret: those go into the headers."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url:
        raise BadConfig(f"--otel {visible(url)!r} is not the URL of a collector; write it as http://127.0.0.1:4318")
    if parts.username or parts.password or any(is_secret(pair.partition("=")[0]) for pair in parts.query.split("&")):
        raise BadConfig("keep keys out of the URL of --otel; set OTEL_EXPORTER_OTLP_HEADERS")
    return url.rstrip("/")


def _target(base_url: str, model: str) -> SpanTarget:
    parts = urlsplit(base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return SpanTarget(model=model, address=parts.hostname or "", port=port)
