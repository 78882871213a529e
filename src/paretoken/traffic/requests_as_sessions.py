"""Traces of requests and of sessions, read as sessions."""

from __future__ import annotations

from pathlib import Path

from paretoken.bench.workload.sessions.of_requests import sessions_of_requests
from paretoken.bench.workload.traces import read_trace
from paretoken.sessions.graph import SessionTrace
from paretoken.sessions.read import is_session_file, read_sessions


def read_as_sessions(path: Path, *, keep_going: bool = False) -> SessionTrace:
    """The sessions of a file in any form that `bench --trace` reads; a request without a session is one of its own."""
    if is_session_file(path):
        return read_sessions(path, keep_going=keep_going)
    return sessions_of_requests(read_trace(path))
