"""The bound on memory is one of bytes: measured while files are read that make much out of little text."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paretoken.errors import BadFile
from paretoken.sessions.read import read_sessions

MOST = 4_000_000
SPARE = 1_500_000
"""Bytes for a line and its session while they are read, and for the modules that a first read imports."""
CALL = {"input_tokens": 1000, "output_tokens": 1000}


def _ids(n: int) -> list[int]:
    return list(range(1000, 1000 + n))


def _span(n: int) -> dict[str, object]:
    text = json.dumps([{"role": "user", "content": [{} for _ in range(50)]}])
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": text}
    values = [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
    times = {"startTimeUnixNano": str(10**18 + n), "endTimeUnixNano": str(10**18 + n)}
    span = {"traceId": str(n % 9), "spanId": str(n), "name": "x", "attributes": values, **times}
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def _tracelab(n: int) -> dict[str, object]:
    events = [{"event_type": "user_message", "timestamp": "2026-01-01T00:00:00Z"}]
    return {"session_id": str(n), "input_tokens_total": 500, "output_tokens": 500, "timing_events": events}


def _dag(n: int) -> dict[str, object]:
    turn = {"messages": [{"role": "user", "content": "x"}], "spawns": ["leaf"] * 200}
    return {"session_id": "leaf" if not n else str(n), "turns": [turn if n else {"messages": turn["messages"]}]}


ROWS: dict[str, Callable[[int], dict[str, object]]] = {
    "empty calls": lambda n: {"session": str(n), "steps": [{"call": {}}] * 500},
    "empty calls a line": lambda n: {"session": str(n % 7), "call": {}},
    "block ids": lambda n: {"session": str(n), "steps": [{"call": {"blocks": _ids(2000)}}]},
    "wide text": lambda n: {"session": str(n), "name": "x" * 2000 + "\U0001f600", "call": {}},
    "objects in messages": lambda n: {
        "session": str(n),
        "steps": [{"call": {"messages": [{"role": "user", "content": [{"": 0}] * 500}]}}],
    },
    "mooncake": lambda n: {"session_id": str(n % 5), "input_length": 9, "output_length": 9, "hash_ids": _ids(500)},
    "weka": lambda n: {
        "id": str(n),
        "block_size": 64,
        "requests": [{"type": "n", "t": t, "in": 999, "out": 999, "hash_ids": _ids(200)} for t in range(40)],
    },
    "otel": _span,
    "tracelab": _tracelab,
    "a fan-out": _dag,
}
MANY = {"empty calls a line": 9_000, "wide text": 1_500, "tracelab": 5_000, "otel": 2_500}


def _written(path: Path, rows: Iterator[dict[str, object]]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    return path


@pytest.mark.parametrize("kind", ROWS)
def test_no_more_memory_is_taken_than_allowed(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("paretoken.sessions.drafts.MOST_KEPT", MOST)
    path = _written(tmp_path / "t.jsonl", map(ROWS[kind], range(MANY.get(kind, 200))))
    tracemalloc.start()
    try:
        with pytest.raises(BadFile, match=r"need more than 0\.004 GB of memory"):
            read_sessions(path, keep_going=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MOST + SPARE
    assert peak > MOST / 8  # nor is a file refused that takes far less


def test_steps_that_all_wait_for_all_are_refused(tmp_path, monkeypatch):
    """A thousand calls that end together, and a thousand that each began after them, are a million links."""
    monkeypatch.setattr("paretoken.sessions.arrange.MOST_LINKS", 10_000)
    first = [{"type": "n", "t": 0, "in": 9, "out": 9, "api_time": 1} for _ in range(200)]
    later = [{"type": "n", "t": 2 + t, "in": 9, "out": 9, "api_time": 1e5} for t in range(200)]
    path = _written(tmp_path / "t.jsonl", iter([{"id": "a", "block_size": 64, "requests": first + later}]))
    with pytest.raises(BadFile, match="has steps that wait for more than 10,000 others, all together"):
        read_sessions(path)


def test_lists_without_end_are_refused(tmp_path):
    path = _written(tmp_path / "t.jsonl", iter([{"session": "a", "steps": [{}] * 100_001}]))
    with pytest.raises(BadFile, match="steps has 100,001 entries; at most 100,000 are read"):
        read_sessions(path)
