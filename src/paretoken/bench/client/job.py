"""What one worker has to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from paretoken.bench.client.balance import Choose
from paretoken.bench.client.connection import Target
from paretoken.bench.client.pace import Schedule, Users
from paretoken.bench.plan import PlannedSession, Prepared


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerJob:
    """What one worker has to do; made by the parent, inherited by the fork."""

    number: int
    targets: tuple[Target, ...]
    choose: Choose
    requests: Iterator[Prepared | PlannedSession]
    pace: Users | Schedule
    closed: bool
    open_ahead: int
    share: int | None  # most requests this worker may send
    sessions: int | None  # most sessions it may begin
    stop_ns: int | None
    stop_tokens: int | None
    drain_ns: int
    timeout_ns: int
    connect_timeout_ns: int
    journal: Path
    meta: dict[str, int]
    secret: str = field(default="", repr=False)
    kernel_stamps: bool = True
    rewrite_model: bool = False
