"""What else happens to a worker's connections: they open, break, lie about being kept, fall silent."""

from __future__ import annotations

import ssl
from array import array
from fcntl import ioctl
from termios import FIONREAD
from time import monotonic_ns, time_ns

from paretoken.bench.client import counters as c
from paretoken.bench.client.connection import BUSY, CLOSED, CONNECTING, HANDSHAKE, IDLE, Connection
from paretoken.bench.client.exchange import Exchange
from paretoken.bench.client.poller import READ, WRITE
from paretoken.bench.client.receiving import READ_BYTES, Receiver
from paretoken.bench.client.sending import words
from paretoken.bench.client.stamps import ANCILLARY_BYTES, S

QUIET_NS = S // 4
"""Silence after which what was read is parsed: it may be an error."""
RETRY_WITHIN_NS, RETRY_UNPROVEN_WITHIN_NS = S, 10 * S
"""A kept connection that breaks later than this after a send was not closed just before it.

Longer where no kept connection of the server ever gave an answer: one that always closes them may be slow to.
"""


class Upkeep(Receiver):
    """How connections are opened, mended, timed out and cut."""

    def _unusual(self, conn: Connection, mask: int) -> None:
        try:
            if conn.state == CONNECTING:
                if mask & ~READ:
                    conn.connected()
                    self.pool.established(conn)
                    self._opened(conn)
            elif conn.state == HANDSHAKE:
                conn.shake_hands(conn.sock.recv(READ_BYTES) or None)
                self._opened(conn)
            elif conn.state == BUSY:
                self._push_and_pull(conn, mask)
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
            self.pool.give(conn, reusable=True)
        else:
            self._transmit(conn, exchange)

    def _push_and_pull(self, conn: Connection, mask: int) -> None:
        if mask & WRITE and conn.resume():
            conn.last_ns = conn.exchange.sent_ns = self.now()
            self.pool.want_write(conn, False)
        if mask & ~WRITE:
            data = conn.recvmsg(READ_BYTES, ANCILLARY_BYTES)[0]
            stamp = time_ns() - self.clock.offset_ns - self.t0
            self.tally.reads += 1
            if conn.tls is not None:
                data = self._unsealed(conn, data)
                if data is None:
                    return
            conn.datas.append(data)
            conn.stamps.append(stamp)
            self._digest(conn)

    def _idle_readable(self, conn: Connection) -> None:
        """A kept connection that speaks unasked: closed by the server, or a TLS session ticket."""
        data = conn.sock.recv(READ_BYTES)
        if data and conn.tls is not None and conn.unseal(data) is None:
            return
        self.pool.stale(conn)
        self.pool.drop(conn)

    def _broke(self, conn: Connection, error: OSError | None) -> None:
        """A connection is lost, by an error or (None) because the server closed it."""
        exchange, state, now = conn.exchange, conn.state, self.now()
        if state == CLOSED:
            return
        if state == BUSY and conn.datas:
            self._digest(conn)  # bytes that came before the end count
            if conn.exchange is not exchange or conn.state != BUSY:
                return
        unread = exchange is not None and exchange.headers_ns < 0
        if (state == BUSY and conn.served) or exchange is None:
            self.pool.stale(conn)
        self.pool.drop(conn)
        if exchange is None:
            return
        if state != BUSY:
            exchange.fail("tls" if isinstance(error, ssl.SSLError) else "refused", words(error), now)
        elif unread and self._sends_again(exchange, now):
            return
        else:
            exchange.closed(now, error)
        self._finish(exchange)

    def _sends_again(self, exchange: Exchange, now: int) -> bool:
        """A kept connection may be closed by the server just as it is used: one more try, on a fresh one."""
        within = RETRY_WITHIN_NS if self.pool.keeps(exchange.target) else RETRY_UNPROVEN_WITHIN_NS
        too_late = exchange.sent_ns >= 0 and now - exchange.sent_ns > within
        if not exchange.pooled or exchange.attempts > 1 or too_late:
            return False
        exchange.attempts, exchange.pooled = 2, False
        exchange.sent_ns = -1
        exchange.detail = "sent again on a fresh connection: the server had closed the kept one"
        exchange.restart()
        self.tally.sent_again += 1
        self._on_fresh(exchange)
        return True

    def _sweep(self, now: int) -> None:
        """Time out what is silent, and see how much the kernel holds for us."""
        raw, waiting, word = monotonic_ns(), 0, array("i", [0])
        for conn in list(self.pool.by_fd.values()):
            if conn.state == BUSY:
                ioctl(conn.fd, FIONREAD, word)
                waiting += word[0]
                last = max(conn.stamps[-1], ~conn.stamps[-1]) if conn.stamps else conn.last_ns
                if conn.datas and now - last > QUIET_NS:
                    self._full.append(conn)  # nothing more comes: what is here may be an error
                if not word[0] and now - conn.exchange.progress_ns(last) > self.job.timeout_ns:
                    self._stalled(conn, last, now)
            elif conn.state in (CONNECTING, HANDSHAKE) and raw - conn.since_ns > self.job.connect_timeout_ns:
                self._timeout(conn, f"no connection within {self.job.connect_timeout_ns / S:g} s", now)
        self.tally.backlog_bytes = max(self.tally.backlog_bytes, waiting)
        self.cells[c.TOKENS] = self._tokens

    def _stalled(self, conn: Connection, last: int, now: int) -> None:
        """An answer that does not get on, unless what is not parsed yet says otherwise."""
        if self._ends_by_what_came(conn) or now - conn.exchange.progress_ns(last) <= self.job.timeout_ns:
            return
        what = "nothing" if now - last > self.job.timeout_ns else "no token, only keep-alives,"
        self._timeout(conn, f"{what} arrived for {self.job.timeout_ns / S:g} s", now)

    def _ends_by_what_came(self, conn: Connection) -> bool:
        """Parse what a connection has read; whether its answer ended by it."""
        exchange = conn.exchange
        if conn.datas:
            self._digest(conn)
        return conn.exchange is not exchange or conn.state == CLOSED

    def _timeout(self, conn: Connection, why: str, now: int) -> None:
        exchange = conn.exchange
        self.pool.drop(conn)
        if exchange is not None:
            exchange.fail("timeout", why, now)
            self._finish(exchange)

    def _cancel_all(self, now: int) -> None:
        self.sending = False
        for conn in list(self.pool.by_fd.values()):
            exchange = conn.exchange
            if exchange is None or self._ends_by_what_came(conn):
                continue
            if conn.state == BUSY and now - exchange.progress_ns(conn.last_ns) > self.job.timeout_ns:
                self._stalled(conn, conn.last_ns, now)
                continue
            self.pool.drop(conn)
            exchange.fail("cancelled", "cut at the end of the level", now)
            self._finish(exchange)
