"""What the parts of a worker share: its job, its sockets, its counts, and the connections that wait for a part."""

from __future__ import annotations

from collections import deque
from time import monotonic_ns

from paretoken.bench.client.connection import Connection
from paretoken.bench.client.counters import LiveCounters
from paretoken.bench.client.exchange import Exchange
from paretoken.bench.client.fidelity import WorkerTally
from paretoken.bench.client.job import WorkerJob
from paretoken.bench.client.journal import JournalWriter
from paretoken.bench.client.pace import Requests
from paretoken.bench.client.play import Plays
from paretoken.bench.client.poller import make_poller
from paretoken.bench.client.pool import Pool
from paretoken.bench.client.stamps import WallClock


class WorkerState:
    """One worker's state. Each part that owns none of it reads and writes it through here; no part knows a later one.

    A part that meets what another must deal with puts the connection into that part's queue.
    """

    __slots__ = (
        "cells",
        "clock",
        "commands",
        "counters",
        "drains_ns",
        "job",
        "journal",
        "lost",
        "maybe_ended",
        "outstanding",
        "pace",
        "piled_up",
        "plays",
        "poller",
        "pool",
        "requests",
        "running",
        "sending",
        "set_aside",
        "stopped_ns",
        "t0",
        "tally",
        "tokens",
        "unusual",
    )

    def __init__(self, job: WorkerJob, counters: LiveCounters) -> None:
        self.job = job
        self.counters = counters
        self.cells = counters.row(job.number)
        self.commands = counters.cells
        self.poller = make_poller()
        self.pool = Pool(job.targets, self.poller, job.kernel_stamps)
        self.requests = Requests(job.requests, job.share, job.sessions)
        self.plays = Plays()
        self.pace = job.pace
        self.journal = JournalWriter(job.journal, job.meta)
        self.clock = WallClock()
        self.tally = WorkerTally()
        self.outstanding = [0] * len(job.targets)
        self.running = 0
        self.sending = True
        self.stopped_ns = 1 << 62  # when sending ended
        self.drains_ns = 1 << 62  # from when what is in flight has the time of the drain
        self.t0 = 0
        self.tokens = 0
        self.maybe_ended: deque[Connection] = deque()  # read to what may be the end of their answer
        self.piled_up: deque[Connection] = deque()  # with a batch of reads worth parsing
        self.unusual: deque[tuple[Connection, int]] = deque()  # ready for anything but bytes of a running answer
        self.set_aside: list[Exchange] = []  # attempts that broke, on servers that may never keep a connection
        self.lost: deque[tuple[Connection, OSError | None]] = deque()  # by an error, or closed by the server

    def now(self) -> int:
        """Nanoseconds since the start."""
        return monotonic_ns() - self.t0

    def next_ns(self) -> int | None:
        """When the next request or call is due that the clock knows of, None where none is."""
        due = self.pace.next_ns() if self.sending else None
        if not self.plays.running:
            return due
        call = self.plays.next_ns()
        return call if due is None else due if call is None else min(due, call)

    def close(self) -> None:
        """Close every connection and file."""
        self.pool.close()
        self.journal.close()
        self.poller.close()
