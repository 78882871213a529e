"""The source of spans of a made-up run, for a collector."""

from __future__ import annotations

from paretoken.bench.telemetry.span_source import SpanSource, SpanTarget


def chat_source(collector: str) -> SpanSource:
    return SpanSource(
        collector=collector,
        run="r",
        origin="measured",
        operation="chat",
        provider="openai",
        stream=True,
        modality="text",
        targets=(SpanTarget(model="m", address="10.0.0.7", port=8000),),
    )
