"""Other events of a worker's connections: they open, break, close although kept alive, fall silent."""

from __future__ import annotations

from array import array
from fcntl import ioctl
from termios import FIONREAD
from time import monotonic_ns, time_ns

from paretoken.bench.client import counters as c
from paretoken.bench.client.connection import (
    BUSY,
    CLOSED,
    CONNECTING,
    HANDSHAKE,
    IDLE,
    READ_BYTES,
    Connection,
)
from paretoken.bench.client.exchange import Exchange
from paretoken.bench.client.faults import connect_failure, os_error_text
from paretoken.bench.client.patience import overdue, progress_ns
from paretoken.bench.client.poller import READ, WRITE
from paretoken.bench.client.reader import StreamReader
from paretoken.bench.client.sender import Sender
from paretoken.bench.client.stamps import ANCILLARY_BYTES, S
from paretoken.bench.client.state import WorkerState

QUIET_NS = S // 4
"""Silence after which what was read is parsed: it may be an error."""
UNPROVEN_WITHIN_NS = 10 * S
"""How late a server that announces kept connections, yet always closes them, may close one under a request."""
UNREAD_WITHIN_NS = S // 4
"""The same for a reset: a kernel sends one if the server closes a connection with the request unread."""


class ConnectionCare:
    """How connections are opened, mended, timed out and cut."""

    __slots__ = ("_reader", "_sender", "_state")

    def __init__(self, state: WorkerState, sender: Sender, reader: StreamReader) -> None:
        self._state = state
        self._sender = sender
        self._reader = reader

    def attend(self) -> None:
        """Deal with the connections that the sender and the reader have set aside."""
        unusual, lost = self._state.unusual, self._state.lost
        while unusual:
            self._on_event(*unusual.popleft())
        for _ in range(len(lost)):  # what is lost meanwhile waits for the next call, after a look at the schedule
            self._broke(*lost.popleft())

    def sweep(self, now: int) -> None:
        """Time out what is silent, and see how much the kernel holds for us."""
        state = self._state
        timeout_ns, connect_timeout_ns = state.job.timeout_ns, state.job.connect_timeout_ns
        raw, waiting, word = monotonic_ns(), 0, array("i", [0])
        for conn in list(state.pool.by_fd.values()):
            exchange = conn.exchange
            if conn.state == BUSY and exchange is not None:
                ioctl(conn.fd, FIONREAD, word)
                waiting += word[0]
                last = conn.stamps[-1] if conn.stamps else conn.last_ns
                if conn.datas and now - last > QUIET_NS:
                    state.piled_up.append(conn)  # nothing more comes: what is here may be an error
                # Bytes that wait may be tokens, but those that came before the last read bytes are read.
                if (last if word[0] else now) - progress_ns(exchange) > timeout_ns:
                    self._stalled(conn, exchange, last, now)
            elif conn.state in (CONNECTING, HANDSHAKE) and raw - conn.since_ns > connect_timeout_ns:
                self._timeout(conn, f"no connection within {connect_timeout_ns / S:g} s", now)
        state.tally.backlog_bytes = max(state.tally.backlog_bytes, waiting)
        state.cells[c.TOKENS] = state.tokens

    def cancel_all(self, now: int) -> None:
        """Cut what still runs at the end of the level, and record it."""
        state = self._state
        state.sending = False
        self.attend()
        for conn in list(state.pool.by_fd.values()):
            exchange = conn.exchange
            if exchange is None or self._ends_by_what_came(conn):
                continue
            if conn.state == BUSY and now - progress_ns(exchange) > state.job.timeout_ns:
                self._stalled(conn, exchange, conn.last_ns, now)
                continue
            state.pool.drop(conn)
            exchange.fail("cancelled", "cut at the end of the level", now)
            self._sender.finish(exchange)

    def _on_event(self, conn: Connection, mask: int) -> None:
        """Anything that is not bytes of a running answer."""
        try:
            if conn.state == CONNECTING:
                if mask & ~READ:
                    conn.connected()
                    self._state.pool.established(conn)
                    self._opened(conn)
            elif conn.state == HANDSHAKE:
                conn.shake_hands(conn.sock.recv(READ_BYTES) or None)
                self._opened(conn)
            elif conn.state == BUSY and conn.exchange is not None:
                self._push_and_pull(conn, conn.exchange, mask)
            elif conn.state == IDLE:
                self._idle_readable(conn)
        except BlockingIOError:
            return
        except OSError as error:
            self._broke(conn, error)

    def _opened(self, conn: Connection) -> None:
        if conn.state != IDLE:
            return
        exchange = conn.exchange
        if exchange is None:
            self._state.pool.give(conn, reusable=True)
        else:
            self._sender.transmit(conn, exchange)

    def _push_and_pull(self, conn: Connection, exchange: Exchange, mask: int) -> None:
        state = self._state
        if mask & WRITE and conn.resume():
            conn.last_ns = exchange.sent_ns = state.now()
            state.pool.want_write(conn, False)
        if mask & ~WRITE:
            data: bytes | None = conn.recvmsg(READ_BYTES, ANCILLARY_BYTES)[0]
            stamp = time_ns() - state.clock.offset_ns - state.t0
            state.tally.reads += 1
            if data is not None and conn.tls is not None:
                data = self._reader.unseal(conn, data)
            if data is None:
                return
            conn.datas.append(data)
            conn.stamps.append(stamp)
            if self._reader.digest(conn):
                self._broke(conn, None)

    def _idle_readable(self, conn: Connection) -> None:
        """A kept connection that speaks unasked: closed by the server, or a TLS session ticket."""
        if not conn.still_open():
            self._state.pool.stale(conn)
            self._state.pool.drop(conn)

    def _broke(self, conn: Connection, error: OSError | None) -> None:
        """A connection is lost, by an error or (None) because the server closed it."""
        exchange, conn_state, pool = conn.exchange, conn.state, self._state.pool
        if conn_state == CLOSED:
            return
        if conn_state == BUSY and conn.datas:
            if self._reader.digest(conn):  # bytes that came before the end count
                error = None
            if conn.exchange is not exchange or conn.state != BUSY:
                return
        now = self._state.now()
        if (conn_state == BUSY and conn.served) or exchange is None:
            pool.stale(conn)
        pool.drop(conn)
        if exchange is None:
            return
        if conn_state != BUSY:
            exchange.fail(connect_failure(error), os_error_text(error), now)
        elif exchange.headers_ns < 0 and self._sends_again(exchange, now, error, served=conn.served > 0):
            return
        else:
            exchange.closed(now, error)
        self._sender.finish(exchange)

    def _sends_again(self, exchange: Exchange, now: int, error: OSError | None, served: bool) -> bool:
        """Send once more what the server cannot have read: it broke within a round trip of being sent.

        What breaks later was reset, and is recorded so. Only a server of which no kept connection has given a second
        answer may simply close them all, slowly: there the attempt is set aside, to be recorded once one does. It
        counts among the requests sent again in any case.
        """
        state = self._state
        pool, target = state.pool, exchange.target
        if not exchange.pooled or exchange.attempts > 1:
            return False
        after_ns = now - exchange.sent_ns if exchange.sent_ns >= 0 else 0
        if after_ns > pool.trip_ns[target]:
            latest_ns = UNPROVEN_WITHIN_NS if error is None else UNREAD_WITHIN_NS
            if not served or pool.keeps(target) or after_ns > latest_ns:
                return False
            state.set_aside.append(exchange.broken_attempt(now, f"{os_error_text(error)}; sent again"))
        exchange.send_again()
        state.tally.sent_again += 1
        self._sender.start_fresh(exchange)
        return True

    def _stalled(self, conn: Connection, exchange: Exchange, last: int, now: int) -> None:
        """An answer that does not get on, unless what is not parsed yet says otherwise."""
        timeout_ns = self._state.job.timeout_ns
        if not self._ends_by_what_came(conn) and now - progress_ns(exchange) > timeout_ns:
            self._timeout(conn, overdue(exchange, timeout_ns, last, now), now)

    def _ends_by_what_came(self, conn: Connection) -> bool:
        """Parse what a connection has read; whether its answer ended by it."""
        exchange = conn.exchange
        if conn.datas and self._reader.digest(conn):
            self._broke(conn, None)
        return conn.exchange is not exchange or conn.state == CLOSED

    def _timeout(self, conn: Connection, why: str, now: int) -> None:
        exchange = conn.exchange
        self._state.pool.drop(conn)
        if exchange is not None:
            exchange.fail("timeout", why, now)
            self._sender.finish(exchange)
