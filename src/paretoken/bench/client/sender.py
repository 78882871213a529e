"""The sending part of a worker: a request from its due time to the kernel, and its record at the end."""

from __future__ import annotations

import struct
from dataclasses import replace
from heapq import heappop, heappush

import orjson

from paretoken.bench.client import counters as c
from paretoken.bench.client.connection import Connection
from paretoken.bench.client.exchange import Exchange
from paretoken.bench.client.faults import connect_failure, os_error_text
from paretoken.bench.client.journal import JournalRecord
from paretoken.bench.client.pace import Users
from paretoken.bench.client.refusal import retry_after_s
from paretoken.bench.client.stamps import S
from paretoken.bench.client.state import WorkerState
from paretoken.bench.plan import Prepared

SPARE = 4
"""Idle connections that an open loop keeps beyond those in use."""


class Sender:
    """How requests leave a worker, and what is kept of them when they have ended."""

    __slots__ = ("_delayed", "_follow_up", "_state")

    def __init__(self, state: WorkerState) -> None:
        self._state = state
        self._follow_up: dict[int, Prepared] = {}  # the next turn of each user's conversation
        self._delayed: list[tuple[int, int, Prepared]] = []  # a heap: due, order, and a turn of an open loop

    @property
    def follows_up(self) -> bool:
        """Whether a conversation still has a turn to send."""
        return bool(self._follow_up or self._delayed)

    @property
    def delayed_ns(self) -> int | None:
        """When the next turn of an open loop is due that follows an answer, None where none does."""
        return self._delayed[0][0] if self._delayed else None

    def send_delayed(self, now: int) -> None:
        """Send the turns that are due."""
        while self._delayed and self._delayed[0][0] <= now:
            due_ns, _, prepared = heappop(self._delayed)
            self.start(prepared, -1, due_ns)

    def drop_delayed(self) -> None:
        """Send no further turns."""
        self._delayed.clear()

    def send_for(self, user: int, ready_ns: int) -> None:
        """Send the next request of a user of a closed loop; where there is none, sending ends."""
        state = self._state
        prepared = self._follow_up.pop(user, None) or state.requests.take()
        if prepared is not None:
            self.start(prepared, user, ready_ns)
        elif not state.requests.waiting_turns:
            self.stop(state.now())

    def start(self, prepared: Prepared, user: int, due_ns: int) -> None:
        """Send a request on an idle connection, or on a fresh one."""
        state = self._state
        job, pool = state.job, state.pool
        target = job.choose(state.outstanding)
        if job.rewrite_model:
            prepared = with_model(prepared, job.targets[target].endpoint.model)
        exchange = Exchange(prepared, user, target, due_ns)
        state.tally.started += 1
        state.cells[c.SENT] += 1
        state.outstanding[target] += 1
        self._running_changed(1)
        conn = pool.take(target)
        if conn is None:
            self.start_fresh(exchange)
        else:
            exchange.pooled = True
            self.transmit(conn, exchange)
        if not job.closed and pool.idle_count(target) < SPARE and not pool.closes[target]:
            self._open_spare(target)

    def start_fresh(self, exchange: Exchange) -> None:
        """Open a connection for a request, which is sent once the connection is established."""
        try:
            conn = self._state.pool.open(exchange.target)
        except OSError as error:
            exchange.fail(connect_failure(error), os_error_text(error), self._state.now())
            self.finish(exchange)
            return
        conn.exchange = exchange

    def transmit(self, conn: Connection, exchange: Exchange) -> None:
        """Hand a request to the kernel."""
        state = self._state
        body = exchange.prepared.body
        request = b"%b%d\r\n\r\n%b" % (conn.target.head, len(body), body)
        exchange.begun_ns = start = state.now()
        if exchange.pooled and exchange.attempts == 1:
            if exchange.due_ns:  # the users of a closed loop all start at 0, and no one waits for that
                state.tally.lateness.add(start - exchange.due_ns)
            if state.job.closed:
                exchange.due_ns = start
        try:
            whole = conn.begin(exchange, request)
        except OSError as error:
            state.lost.append((conn, error))
            return
        conn.last_ns = state.now()
        if whole:
            exchange.sent_ns = conn.last_ns
        else:
            state.pool.want_write(conn, True)

    def stop(self, now: int) -> None:
        """No request begins after this."""
        state = self._state
        if state.sending:
            state.sending, state.stopped_ns = False, now
            state.tally.sending_s = now / S
            if isinstance(state.pace, Users):
                state.tally.due = state.pace.busy_ns(now) / S
            state.cells[c.DONE_SENDING] = 1

    def finish(self, exchange: Exchange) -> None:
        """Count and record an ended request, after its user has sent the next one."""
        state = self._state
        now = state.now()
        state.outstanding[exchange.target] -= 1
        self._running_changed(-1)
        ok = exchange.status == "ok"
        session = exchange.prepared.session
        turn = state.requests.ended(session) if session >= 0 else None
        wait_ns = self._asked_to_wait_ns(exchange) if exchange.status == "http_429" else 0
        if turn is not None and not state.job.closed and state.commands[c.COMMAND] != c.CANCEL:
            self._follow(turn[0], max(turn[1], now + turn[0].delay_ns), now)
        elif turn is not None and state.job.closed:
            self._follow_up[exchange.user] = turn[0]
            wait_ns = max(wait_ns, turn[0].delay_ns)
        if state.pace.ended(exchange.user, now, ok, wait_ns) and state.sending:
            self.send_for(exchange.user, exchange.end_ns)
        record = self._record(exchange)
        self._count(exchange, exchange.status == "ok", record)
        if state.set_aside:
            self._record_set_aside()

    def _record(self, exchange: Exchange) -> JournalRecord:
        """Record a request; one with numbers that no record can hold is malformed."""
        state = self._state
        try:
            record = exchange.record(state.job.number, state.job.secret)
            state.journal.append(*record)
        except (struct.error, OverflowError):
            exchange.disown()
            record = exchange.record(state.job.number, state.job.secret)
            state.journal.append(*record)
        return record

    def _asked_to_wait_ns(self, exchange: Exchange) -> int:
        """The server's Retry-After, as far as we wait for anything."""
        return round(min(retry_after_s(exchange.response.headers), self._state.job.timeout_ns / S) * S)

    def _record_set_aside(self) -> None:
        """Record the broken attempts on servers that have since shown that they keep connections."""
        state = self._state
        keeps, waiting = state.pool.keeps, state.set_aside
        state.set_aside = [attempt for attempt in waiting if not keeps(attempt.target)]
        for attempt in waiting:
            if keeps(attempt.target):
                state.journal.append(*attempt.record(state.job.number, state.job.secret))
                state.tally.failed += 1
                state.cells[c.ERRORS] += 1

    def _follow(self, prepared: Prepared, due_ns: int, now: int) -> None:
        """Send a turn after the answer to the one before it, at once or when it is due."""
        if due_ns <= now:
            self.start(prepared, -1, due_ns)
        else:
            heappush(self._delayed, (due_ns, self._state.tally.started + len(self._delayed), prepared))

    def _running_changed(self, by: int) -> None:
        self._state.running += by
        self._state.cells[c.RUNNING] = self._state.running

    def _open_spare(self, target: int) -> None:
        try:
            self._state.pool.open(target)
        except OSError:
            return  # the next request will meet the same error and record it

    def _count(self, exchange: Exchange, ok: bool, record: JournalRecord) -> None:
        state, answer = self._state, exchange.tally
        cells, tally = state.cells, state.tally
        if exchange.sent_ns >= 0:
            tally.user_s += max(0, min(exchange.end_ns, state.stopped_ns) - exchange.sent_ns) / S
        tally.token_reads += answer.token_reads
        tally.merged_reads += answer.merged_reads
        tally.late_merged_reads += answer.late_merged_reads
        tally.late_firsts += answer.first_late
        tally.failed += not ok and exchange.status != "cancelled"
        if exchange.status == "client_error":
            tally.own_faults += 1
            tally.own_fault = exchange.detail
        cells[c.FINISHED] += 1
        cells[c.OK_COUNT if ok else c.ERRORS] += 1
        cells[c.TOKENS] = state.tokens
        times, tokens = record.chunk_ns, record.chunk_tokens
        after_first = answer.tokens - (tokens[0] if tokens else 0)
        if ok and after_first > 0:
            cells[c.TPOT_NS] += (times[-1] - times[0]) // after_first
            cells[c.TPOT_COUNT] += 1


def with_model(prepared: Prepared, model: str) -> Prepared:
    """The request addressed to an endpoint that serves the model under another name."""
    body = orjson.loads(prepared.body)
    return prepared if body.get("model") == model else replace(prepared, body=orjson.dumps(body | {"model": model}))
