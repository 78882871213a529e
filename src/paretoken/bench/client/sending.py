"""The sending half of a worker: a request from its due time to the kernel, and its record at the end."""

from __future__ import annotations

import os
import ssl
from array import array
from collections import deque
from dataclasses import replace
from time import monotonic_ns

import orjson

from paretoken.bench.client import counters as c
from paretoken.bench.client.connection import Connection
from paretoken.bench.client.exchange import Exchange
from paretoken.bench.client.fidelity import WorkerTally
from paretoken.bench.client.job import Job
from paretoken.bench.client.journal import JournalWriter
from paretoken.bench.client.pace import Requests
from paretoken.bench.client.poller import make_poller
from paretoken.bench.client.pool import Pool
from paretoken.bench.client.stamps import S, WallClock
from paretoken.bench.plan import Prepared

SPARE = 4
"""Idle connections that an open loop keeps beyond those in use."""


class Sender:
    """State of a worker, and how requests leave it."""

    def __init__(self, job: Job, counters: c.Counters) -> None:
        self.job = job
        self.counters = counters
        self.cells = counters.row(job.number)
        self.commands = counters.cells
        self.poller = make_poller()
        self.pool = Pool(job.targets, self.poller, job.kernel_stamps)
        self.requests = Requests(job.requests, job.share)
        self.pace = job.pace
        self.journal = JournalWriter(job.journal, job.meta)
        self.clock = WallClock()
        self.tally = WorkerTally()
        self.outstanding = [0] * len(job.targets)
        self.running = 0
        self.sending = True
        self.follow: dict[int, Prepared] = {}
        self.t0 = 0
        self.parent = os.getppid()
        self._stopped_ns = 1 << 62
        self._tokens = 0
        self._ripe: deque[Connection] = deque()  # read to what may be the end of their answer
        self._full: deque[Connection] = deque()  # with a batch worth parsing
        self._drained_ns = 0
        self._next_check = 0
        self._next_sweep = 0
        self._nap_ns = 0
        self._reads_then = self._ended_then = 0
        self._checked_ns = 0

    def now(self) -> int:
        """Nanoseconds since the start."""
        return monotonic_ns() - self.t0

    def _user_sends(self, user: int, ready_ns: int) -> None:
        prepared = self.follow.pop(user, None) or self.requests.take()
        if prepared is not None:
            self._start(prepared, user, ready_ns)
        elif not self.requests.held:
            self._stop_sending(self.now())

    def _start(self, prepared: Prepared, user: int, due: int) -> None:
        target = self.job.choose(self.outstanding)
        if self.job.rewrite_model:
            prepared = with_model(prepared, self.job.targets[target].endpoint.model)
        exchange = Exchange(prepared, user, target, due)
        self.tally.started += 1
        self.cells[c.SENT] += 1
        self.outstanding[target] += 1
        self._running_changed(1)
        conn = self.pool.take(target)
        if conn is None:
            self._on_fresh(exchange)
        else:
            exchange.pooled = True
            self._transmit(conn, exchange)
        if not self.job.closed and self.pool.idle_count(target) < SPARE and not self.pool.closes[target]:
            self._open_spare(target)

    def _running_changed(self, by: int) -> None:
        self.running += by
        self.cells[c.RUNNING] = self.running

    def _on_fresh(self, exchange: Exchange) -> None:
        try:
            conn = self.pool.open(exchange.target)
        except OSError as error:
            exchange.fail("refused", words(error), self.now())
            self._finish(exchange)
            return
        conn.exchange = exchange

    def _open_spare(self, target: int) -> None:
        try:
            self.pool.open(target)
        except OSError:
            return  # the next request will say why

    def _transmit(self, conn: Connection, exchange: Exchange) -> None:
        body = exchange.prepared.body
        wire = conn.seal(b"%b%d\r\n\r\n%b" % (conn.target.head, len(body), body))
        start = self.now()
        if exchange.pooled and exchange.attempts == 1:
            if exchange.due_ns:  # the users of a closed loop all start at 0, and no one waits for that
                self.tally.lateness.add(start - exchange.due_ns)
            if self.job.closed:
                exchange.due_ns = start
        try:
            whole = conn.begin(exchange, wire)
        except OSError as error:
            self._broke(conn, error)
            return
        conn.last_ns = self.now()
        if whole:
            exchange.sent_ns = conn.last_ns
        else:
            self.pool.want_write(conn, True)

    def _broke(self, conn: Connection, error: OSError | None) -> None:
        """A connection is lost; the receiving half knows what that means."""
        raise NotImplementedError

    def _stop_sending(self, now: int) -> None:
        if self.sending:
            self.sending, self._stopped_ns = False, now
            self.tally.sending_s = now / S
            if self.job.closed:
                self.tally.asked = self.pace.asked_ns(now) / S
            self._drained_ns = now + self.job.drain_ns
            self.cells[c.DONE_SENDING] = 1

    def _finish(self, exchange: Exchange) -> None:
        """Count and record an ended request, after its user has sent the next one."""
        now = self.now()
        self.outstanding[exchange.target] -= 1
        self._running_changed(-1)
        ok = exchange.status == "ok"
        held = self.requests.ended(exchange.prepared.session) if exchange.prepared.session >= 0 else None
        wait_ns = 0 if ok or exchange.status != "http_429" else int(exchange.retry_after_s * S)
        if held is not None and not self.job.closed and self.commands[c.COMMAND] != c.CANCEL:
            self._start(held[0], -1, max(held[1], now))
        elif held is not None and self.job.closed:
            self.follow[exchange.user] = held[0]
        if self.pace.ended(exchange.user, now, ok, wait_ns) and self.sending:
            self._user_sends(exchange.user, exchange.end_ns)
        self._record(exchange, ok)

    def _record(self, exchange: Exchange, ok: bool) -> None:
        numbers, texts, times, tokens = exchange.row(self.job.number, self.job.secret)
        self.journal.append(numbers, texts, times, tokens)
        self._count(exchange, ok, times, tokens)

    def _count(self, exchange: Exchange, ok: bool, times: array, tokens: array) -> None:
        cells, tally = self.cells, self.tally
        if exchange.sent_ns >= 0:
            tally.user_s += max(0, min(exchange.end_ns, self._stopped_ns) - exchange.sent_ns) / S
        tally.token_reads += exchange.tally.token_reads
        tally.merged_reads += exchange.tally.merged_reads
        tally.late_merged_reads += exchange.tally.late_merged_reads
        tally.late_firsts += exchange.tally.first_late
        tally.failed += not ok and exchange.status != "cancelled"
        cells[c.FINISHED] += 1
        cells[c.OK_COUNT if ok else c.ERRORS] += 1
        cells[c.TOKENS] = self._tokens
        after = exchange.tally.tokens - (tokens[0] if tokens else 0)
        if ok and after > 0:
            cells[c.TPOT_NS] += (times[-1] - times[0]) // after
            cells[c.TPOT_COUNT] += 1


def with_model(prepared: Prepared, model: str) -> Prepared:
    """The request addressed to an endpoint that serves the model under another name."""
    body = orjson.loads(prepared.body)
    return prepared if body.get("model") == model else replace(prepared, body=orjson.dumps(body | {"model": model}))


def words(error: OSError | None) -> str:
    """What the system says."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return error.reason or str(error)
    return (error.strerror or str(error)) if error else "connection closed"
