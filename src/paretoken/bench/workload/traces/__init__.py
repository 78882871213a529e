"""Recorded workloads: one module for each format, recognised by content.

A format is a module with NAME, RULE (how its times and blocks are read), `detects(head)` and `requests(path)`, and one
line in FORMATS; BLOCK_TOKENS, where a block id of its stands for other than 512 tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from paretoken.bench.workload.traces import (
    aiperf_turns,
    azure,
    bailian,
    burstgpt,
    mooncake,
    openai_batch,
    plain,
    sharegpt,
    splitwise,
    vidur,
)
from paretoken.bench.workload.traces.request import BLOCK_TOKENS, Trace, TraceLimits, TraceRequest
from paretoken.bench.workload.traces.source import Replayed
from paretoken.errors import BadFile
from paretoken.trace_rows import FROM_ZERO, Head, TraceRow, read_head

__all__ = ["BLOCK_TOKENS", "FORMATS", "Replayed", "Trace", "TraceFormat", "TraceLimits", "TraceRequest", "read_trace"]

# How far a recorded time may lie behind its neighbours for a limited read to still find it.
_DISORDER_S = 60.0


class TraceFormat(Protocol):
    """What a module of a trace format offers."""

    NAME: str
    RULE: str

    def detects(self, head: Head) -> bool:
        """Whether a file that begins so is of this format."""
        ...

    def requests(self, path: Path) -> Iterator[tuple[TraceRow, TraceRequest]]:
        """Every request with its row, in the order of the file."""
        ...


FORMATS: tuple[TraceFormat, ...] = (
    mooncake,
    bailian,
    azure,
    burstgpt,
    vidur,
    splitwise,
    sharegpt,
    aiperf_turns,
    openai_batch,
    plain,
)


def detect(path: Path) -> TraceFormat:
    """The format of a file; BadFile if it is none of them."""
    head = read_head(path)
    form = next((f for f in FORMATS if f.detects(head)), None)
    if form is None:
        begins = ", ".join(head.columns or sorted(head.keys))[:80]
        names = ", ".join(f.NAME for f in FORMATS)
        raise BadFile(f"{path} has an unknown trace format (it begins with {begins}); known formats: {names}")
    return form


def read_trace(path: Path | str, limits: TraceLimits | None = None) -> Trace:
    """The requests of a trace file of any known format, in the order of their time, which begins at 0.

    Requests without a prompt or an answer (0 tokens) are left out and counted, as failed ones are recorded so.
    """
    path, limits = Path(path), limits or TraceLimits()
    form = detect(path)
    kept, failed, limited = _select(form.requests(path), limits)
    if not kept:
        why = "all were left out by the limits" if limited else "none has both a prompt and an answer"
        raise BadFile(f"trace {path} holds no usable request; {why}")
    block_tokens = getattr(form, "BLOCK_TOKENS", BLOCK_TOKENS)
    requests, zero_s = _from_zero(kept)
    begin_unix_s = zero_s if zero_s > FROM_ZERO else None
    return Trace(str(path), form.NAME, requests, failed, limited, block_tokens, form.RULE, begin_unix_s)


def _select(rows: Iterator[tuple[TraceRow, TraceRequest]], limits: TraceLimits) -> tuple[list[TraceRequest], int, int]:
    """Requests within the limits, the number of failed ones, and the number left out by limits."""
    kept: list[TraceRequest] = []
    failed = limited = 0
    first: TraceRequest | None = None
    for row, request in rows:
        first = first or request
        if (request.time_s is None) != (first.time_s is None):
            raise row.bad("some requests have a time and some have none; give all of them one, or none")
        since_s = (request.time_s or 0.0) - (first.time_s or 0.0)
        if since_s > limits.end_s + _DISORDER_S:
            break
        if 0 in (request.input_tokens, request.output_tokens) or "" in (request.prompt, request.answer):
            failed += 1
        elif not limits.take(request, since_s):
            limited += 1
        else:
            kept.append(request)
        if limits.requests is not None and len(kept) == limits.requests:
            break
    return kept, failed, limited


def _from_zero(requests: list[TraceRequest]) -> tuple[tuple[TraceRequest, ...], float]:
    """The requests by time, counted from the first one, and the recorded time of that one in s."""
    if requests[0].time_s is None:
        return tuple(requests), 0.0
    ordered = sorted(requests, key=lambda r: r.time_s or 0.0)
    zero_s = ordered[0].time_s or 0.0
    return tuple(replace(r, time_s=(r.time_s or 0.0) - zero_s) for r in ordered), zero_s
