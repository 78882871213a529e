"""The reading part of a worker: bytes stamped as they arrive, parsed when there is time.

The read path does four things: receive with the kernel's time, note how late that was, keep the bytes,
look whether they may be the end of an answer. Parsing runs in batches off that path, so its cost never
enters a time stamp.
"""

from __future__ import annotations

import ssl
from time import time_ns

from paretoken.bench.client import counters as c
from paretoken.bench.client.connection import BUSY, READ_BYTES, Connection
from paretoken.bench.client.exchange import Exchange
from paretoken.bench.client.fidelity import STEP_NS, STEPS
from paretoken.bench.client.poller import READ
from paretoken.bench.client.sender import Sender
from paretoken.bench.client.stamps import ANCILLARY_BYTES, TIMESPEC, S
from paretoken.bench.client.state import WorkerState

LAST_STEP = STEPS - 1
MOST_READY = 64
"""Sockets served before the schedule is looked at again, so that a burst of answers delays no send."""
BATCH_READS = 16
"""Reads after which a stream is worth parsing in idle time."""
MOST_UNPARSED = 256
"""Reads after which it is parsed, idle or not: what bounds memory."""
PARSED_AT_ONCE = 4
LATE_NS = 1_000_000
"""Lag beyond which a read counts as late: gaps it merged are the client's doing."""


class StreamReader:
    """How answers come in."""

    __slots__ = ("_sender", "_state")

    def __init__(self, state: WorkerState, sender: Sender) -> None:
        self._state = state
        self._sender = sender

    def turn(self, patience_ns: int) -> int:
        """Wait for sockets and read those that are ready; how many were. This is the hot path."""
        state = self._state
        by_fd, tally = state.pool.by_fd, state.tally
        bins, longest = tally.lag.bins, tally.lag.longest_ns
        base = state.clock.offset_ns + state.t0
        unpack, maybe_ended, piled_up = TIMESPEC.unpack, state.maybe_ended, state.piled_up
        reads = stamped = now = 0
        ready = state.poller.wait(patience_ns, MOST_READY)
        for fd, mask in ready:
            conn = by_fd.get(fd)
            if conn is None:
                continue
            if conn.state != BUSY or mask != READ:
                state.unusual.append((conn, mask))
                continue
            try:
                data, ancillary, _, _ = conn.recvmsg(READ_BYTES, ANCILLARY_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                state.lost.append((conn, error))
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
                    conn.late.append(len(conn.datas))
                    if lag > longest:
                        longest = lag
            else:
                stamp = now - base
            if conn.tls is not None:
                plain = self.unseal(conn, data)
                if plain is None:
                    if conn.late and conn.late[-1] == len(conn.datas):
                        conn.late.pop()  # the read whose stamp counts is the one that completes the record
                    continue
                data = plain
            datas = conn.datas
            datas.append(data)
            conn.stamps.append(stamp)
            # The end of a chunked answer is a short read, or ends in an empty line; else parsing can wait.
            count = len(datas)
            if conn.eager or len(data) < 32 or data[-4:] == b"\r\n\r\n" or count >= MOST_UNPARSED:
                maybe_ended.append(conn)
            elif count == BATCH_READS or conn.fresh:
                piled_up.append(conn)
        tally.reads += reads
        tally.stamped_reads += stamped
        tally.lag.longest_ns = longest
        return len(ready)

    def parse(self, idle: bool) -> None:
        """Parse a little: answers that may have ended, and in idle time one connection that has piled up."""
        state = self._state
        maybe_ended, piled_up = state.maybe_ended, state.piled_up
        for _ in range(min(len(maybe_ended), PARSED_AT_ONCE)):
            self._parse_reads(maybe_ended.popleft())
        if idle and piled_up and not maybe_ended:
            self._parse_reads(piled_up.popleft())

    def _parse_reads(self, conn: Connection) -> None:
        if conn.datas and conn.state == BUSY and self.digest(conn):
            self._state.lost.append((conn, None))

    def unseal(self, conn: Connection, data: bytes) -> bytes | None:
        """Plain bytes of a TLS read, None where there are none yet or the connection is lost by them."""
        try:
            return conn.unseal(data)
        except ssl.SSLError as error:
            self._state.lost.append((conn, error))
            return None

    def digest(self, conn: Connection) -> bool:
        """Parse what a connection has read, which may end its answer; whether the server hung up before it had."""
        exchange, datas, stamps, late = conn.exchange, conn.datas, conn.stamps, conn.late
        if exchange is None:
            return False
        conn.datas, conn.stamps = [], []
        if late:
            conn.late = []
        conn.last_ns = stamps[-1]
        hung_up = not datas[-1]
        if hung_up:
            datas.pop()
        tally = exchange.tally
        before = tally.tokens
        ended = exchange.feed(datas, stamps, late)
        conn.eager, conn.fresh = not exchange.in_chunks, not tally.tokens
        self._state.tokens += tally.tokens - before
        if before == 0 and tally.tokens and not tally.in_one_piece:
            self._count_first(exchange)
        if ended:
            self._answered(conn, exchange, hung_up)
            return False
        return hung_up

    def _count_first(self, exchange: Exchange) -> None:
        cells = self._state.cells
        cells[c.TTFT_NS] += exchange.tally.chunk_ns[0] - exchange.due_ns
        cells[c.TTFT_COUNT] += 1

    def _answered(self, conn: Connection, exchange: Exchange, hung_up: bool) -> None:
        conn.served += 1
        answer = exchange.response
        self._state.pool.give(
            conn, answer.done and answer.keep_alive and not answer.surplus and not hung_up and conn.out is None
        )
        self._sender.finish(exchange)
