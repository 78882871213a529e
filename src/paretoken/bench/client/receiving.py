"""The receiving half of a worker: bytes stamped as they arrive, parsed when there is time.

The read path does four things: receive with the kernel's time, note how late that was, keep the bytes,
look whether they may be the end of an answer. Parsing runs in batches off that path, so its cost never
enters a time stamp.
"""

from __future__ import annotations

import ssl
from time import time_ns

from paretoken.bench.client import counters as c
from paretoken.bench.client.connection import BUSY, Connection
from paretoken.bench.client.exchange import Exchange
from paretoken.bench.client.fidelity import STEP_NS, STEPS
from paretoken.bench.client.poller import READ
from paretoken.bench.client.sending import Sender
from paretoken.bench.client.stamps import ANCILLARY_BYTES, TIMESPEC, S

READ_BYTES = 16_384
LAST_STEP = STEPS - 1
MOST_READY = 64
"""Sockets served before the schedule is looked at again, so that a burst of answers delays no send."""
BATCH = 16
"""Reads after which a stream is worth parsing in idle time."""
MOST_UNPARSED = 256
"""Reads after which it is parsed, idle or not: what bounds memory."""
RIPE_AT_ONCE = 4
LATE_NS = 1_000_000
"""Lag beyond which a read counts as late: gaps it merged are the client's doing."""


class Receiver(Sender):
    """How answers come in."""

    def _turn(self, patience: int) -> int:
        """Wait for sockets and serve those that are ready; how many were. This is the hot path."""
        by_fd = self.pool.by_fd
        tally, bins, longest = self.tally, self.tally.lag.bins, self.tally.lag.longest_ns
        base = self.clock.offset_ns + self.t0
        unpack, ripe, full = TIMESPEC.unpack, self._ripe, self._full
        reads = stamped = now = 0
        ready = self.poller.wait(patience, MOST_READY)
        for fd, mask in ready:
            conn = by_fd.get(fd)
            if conn is None:
                continue
            if conn.state != BUSY or mask != READ:
                self._unusual(conn, mask)
                continue
            try:
                data, ancillary, _, _ = conn.recvmsg(READ_BYTES, ANCILLARY_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                self._broke(conn, error)
                continue
            # The clock is read for every eighth, which then stands for eight in the histogram of lags.
            sampled = not reads & 7
            if sampled or not ancillary:
                now = time_ns()
            reads += 1
            if ancillary:
                seconds, nanos = unpack(ancillary[0][2])
                stamp = seconds * S + nanos
                lag = now - stamp
                stamp -= base
                stamped += 1
                if sampled:
                    step = lag // STEP_NS
                    bins[step if 0 <= step < LAST_STEP else (0 if step < 0 else LAST_STEP)] += 1
                if lag > LATE_NS:
                    stamp = ~stamp
                    if lag > longest:
                        longest = lag
            else:
                stamp = now - base
            if conn.tls is not None:
                data = self._unsealed(conn, data)
                if data is None:
                    continue
            datas = conn.datas
            datas.append(data)
            conn.stamps.append(stamp)
            # The end of a chunked answer is a short read, or ends in an empty line; else parsing can wait.
            held = len(datas)
            if conn.eager or len(data) < 32 or data[-4:] == b"\r\n\r\n" or held >= MOST_UNPARSED:
                ripe.append(conn)
            elif held == BATCH or conn.fresh:
                full.append(conn)
        tally.reads += reads
        tally.stamped_reads += stamped
        tally.lag.longest_ns = longest
        return len(ready)

    def _parse(self, idle: bool) -> None:
        """Parse a little: answers that may have ended, and in idle time one connection that has piled up."""
        ripe = self._ripe
        for _ in range(min(len(ripe), RIPE_AT_ONCE)):
            conn = ripe.popleft()
            if conn.datas and conn.state == BUSY:
                self._digest(conn)
        if idle and self._full and not ripe:
            conn = self._full.popleft()
            if conn.datas and conn.state == BUSY:
                self._digest(conn)

    def _unsealed(self, conn: Connection, data: bytes) -> bytes | None:
        try:
            return conn.unseal(data)
        except ssl.SSLError as error:
            self._broke(conn, error)
            return None

    def _digest(self, conn: Connection) -> None:
        """Parse what a connection has read; the answer may end by it."""
        exchange, datas, stamps = conn.exchange, conn.datas, conn.stamps
        conn.datas, conn.stamps = [], []
        hung_up = bool(datas) and not datas[-1]
        conn.last_ns = max(stamps[-1], ~stamps[-1])
        if hung_up:
            datas.pop()
        before = exchange.tally.tokens
        ended = exchange.feed(datas, stamps[: len(datas)])
        conn.eager, conn.fresh = not exchange.in_chunks, not exchange.tally.tokens
        self._tokens += exchange.tally.tokens - before
        if before == 0 and exchange.tally.tokens and not exchange.tally.in_one_piece:
            self._saw_first(exchange)
        if ended:
            self._answered(conn, exchange, hung_up)
        elif hung_up:
            self._broke(conn, None)

    def _saw_first(self, exchange: Exchange) -> None:
        self.cells[c.TTFT_NS] += exchange.tally.chunk_ns[0] - exchange.due_ns
        self.cells[c.TTFT_COUNT] += 1

    def _answered(self, conn: Connection, exchange: Exchange, hung_up: bool) -> None:
        conn.served += 1
        answer = exchange.response
        self.pool.give(
            conn, answer.done and answer.keep_alive and not answer.surplus and not hung_up and conn.out is None
        )
        self._finish(exchange)

    def _unusual(self, conn: Connection, mask: int) -> None:
        """Anything that is not bytes of a running answer."""
        raise NotImplementedError
