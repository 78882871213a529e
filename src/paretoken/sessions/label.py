"""Names of loads of sessions in operating points: a name, and a hash of what was drawn or read."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from paretoken.catalog.session_workload import SessionWorkload
from paretoken.sessions.graph import SessionTrace

GENERATOR_VERSION = 1
"""Rises with every change after which `generate` draws other sessions from the same entry."""
SAMPLE_SESSIONS = 256
"""First sessions of a workload that represent it: `bench` plays them, and predictions take their means."""
FULL = 0.75
"""Share of a context above which the longest call shows that it cuts sessions short."""
_HASH_CHARACTERS = 8
_PROSE = ("name", "task", "date", "aliases", "mean", "notes")


def workload_label(
    key: str,
    workload: SessionWorkload,
    context_tokens: int | None = None,
    longest_tokens: int = 0,
    *,
    sessions: int | None = None,
    seed: int = 0,
) -> str:
    """`agent-code#1a2b3c4d`: a workload of the catalog, with a hash of its figures and of how they are drawn.

    The context counts where the longest of the first sessions takes more than `FULL` of it: it cuts others short.
    Another number of `sessions` than `SAMPLE_SESSIONS` counts, and another seed than 0.
    """
    cut = context_tokens if context_tokens and longest_tokens > FULL * context_tokens else None
    content = [GENERATOR_VERSION, cut, _figures(workload.model_dump(mode="json"))]
    if seed or sessions not in (None, SAMPLE_SESSIONS):
        content += [seed, sessions or SAMPLE_SESSIONS]
    return _labelled(key, json.dumps(content, sort_keys=True).encode())


def trace_label(trace: SessionTrace) -> str:
    """The name of a trace's file and a hash of its sessions, so that no file passes for a workload or another file."""
    content = b"".join(sha256(repr(session).encode()).digest() for session in trace.sessions)
    return _labelled(Path(trace.file).stem, content)


def name_in(label: str) -> str:
    """The name of a label, without its hash."""
    return label.rpartition("#")[0] or label


def _labelled(name: str, content: bytes) -> str:
    return f"{name}#{sha256(content).hexdigest()[:_HASH_CHARACTERS]}"


def _figures(value: Any) -> Any:
    """The values that sessions are drawn from: without names, sources and what is only checked."""
    if not isinstance(value, dict):
        return value
    return {k: _figures(v) for k, v in value.items() if k not in _PROSE and not k.endswith("source") and v is not None}
