"""A worker's connections: opened ahead, taken for a request, given back, and opened again when lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic_ns

from paretoken.bench.client.connection import CLOSED, CONNECTING, HANDSHAKE, IDLE, Connection, Target
from paretoken.bench.client.poller import READ, WRITE, Poller

MOST_CONNECTING = 128
LONGEST_TRIP_NS = 250_000_000
"""No round trip is longer; a client that is late may measure more."""
STALE_LIMIT = 3
"""Kept connections found closed, with none ever reused, until an endpoint counts as one that closes."""


class Pool:
    """Connections by file descriptor, and the idle ones of each endpoint, last used first."""

    def __init__(self, targets: Sequence[Target], poller: Poller, stamped: bool = True) -> None:
        self.targets = targets
        self.by_fd: dict[int, Connection] = {}
        self.closes = [False] * len(targets)
        self.opened = 0
        self._poller = poller
        self._stamped = stamped
        self._idle: list[list[Connection]] = [[] for _ in targets]
        self._reused = [0] * len(targets)
        self.trip_ns = [LONGEST_TRIP_NS] * len(targets)  # the shortest time that a connection took to open
        self._stale = [0] * len(targets)

    def open(self, target: int) -> Connection:
        """Begin a new connection. Raises OSError where that fails at once."""
        conn = Connection(self.targets[target], monotonic_ns(), self._stamped)
        try:
            conn.connect()
        except OSError:
            conn.close()
            raise
        self.opened += 1
        self.by_fd[conn.fd] = conn
        self._poller.register(conn.fd, WRITE)
        return conn

    def established(self, conn: Connection) -> None:
        """Listen to a connection whose TCP handshake is over."""
        index = conn.target.index
        self.trip_ns[index] = min(self.trip_ns[index], monotonic_ns() - conn.since_ns)
        self._poller.modify(conn.fd, READ)

    def want_write(self, conn: Connection, wanted: bool) -> None:
        """Listen, or no longer, for when the kernel takes more of a request."""
        self._poller.modify(conn.fd, READ | WRITE if wanted else READ)

    def take(self, target: int) -> Connection | None:
        """An open idle connection, or None."""
        idle = self._idle[target]
        while idle:
            conn = idle.pop()
            if conn.state == IDLE:
                if conn.still_open():
                    return conn
                self.stale(conn)
                self.drop(conn)
        return None

    def give(self, conn: Connection, reusable: bool) -> None:
        """Take a connection back after an answer, or (fresh) after it opened."""
        index = conn.target.index
        if conn.served > 1:
            self._reused[index] += 1
        if not reusable or (self.closes[index] and conn.served):
            self.drop(conn)
            return
        conn.state, conn.exchange = IDLE, None
        self._idle[index].append(conn)

    def keeps(self, target: int) -> bool:
        """Whether a kept connection of this endpoint has given a second answer."""
        return self._reused[target] > 0

    def stale(self, conn: Connection) -> None:
        """A kept connection turned out to be closed by the server."""
        index = conn.target.index
        if conn.served:
            self._stale[index] += 1
            if self._stale[index] >= STALE_LIMIT and not self._reused[index]:
                self.closes[index] = True

    def drop(self, conn: Connection) -> None:
        """Close a connection for good."""
        if conn.state != CLOSED:
            self._poller.unregister(conn.fd)
            del self.by_fd[conn.fd]
            conn.close()

    def idle_count(self, target: int) -> int:
        """Idle connections of one endpoint (those lost meanwhile included)."""
        return len(self._idle[target])

    def connecting(self) -> int:
        """Connections not yet ready for a request."""
        return sum(conn.state in (CONNECTING, HANDSHAKE) for conn in self.by_fd.values())

    def open_ahead(self, plan: Sequence[int], pump: Callable[[], object], timeout_ns: int) -> None:
        """Open the connections of `plan` (endpoint indices) before the start, a wave at a time."""
        deadline = monotonic_ns() + timeout_ns
        waiting = list(reversed(plan))
        while (waiting or self.connecting()) and monotonic_ns() < deadline:
            for _ in range(min(len(waiting), MOST_CONNECTING - self.connecting())):
                try:
                    self.open(waiting.pop())
                except OSError:
                    return  # the requests will meet the same error, and it is theirs to record
            pump()

    def close(self) -> None:
        for conn in list(self.by_fd.values()):
            self.drop(conn)
