"""The sending part of a worker: a request from its due time to the kernel, and its record at the end."""

from __future__ import annotations

import struct
from dataclasses import replace

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
from paretoken.bench.plan import PlannedSession, Prepared

SPARE = 4
"""Idle connections that are kept beyond those in use, where requests do not wait for each other."""
CALLS_AT_ONCE = 8


class Sender:
    """How requests leave a worker, and what is kept of them when they have ended."""

    __slots__ = ("_sending_calls", "_state")

    def __init__(self, state: WorkerState) -> None:
        self._state = state
        self._sending_calls = False

    def send_for(self, user: int, ready_ns: int) -> None:
        """Send the next request of a user, or begin its next session; where there is none, sending ends."""
        state = self._state
        item = state.requests.take()
        if item is None:
            self.stop(state.now())
        else:
            self.begin(item, user, ready_ns)

    def begin(self, item: Prepared | PlannedSession, user: int, due_ns: int) -> None:
        """Send a request, or those calls of a session that are due."""
        if isinstance(item, Prepared):
            self._state.tally.due += not self._state.job.closed
            self.start(item, user, due_ns)
            return
        self._state.plays.begin(item, user, due_ns)
        self._state.cells[c.SESSIONS_BEGUN] += 1
        self.send_calls(self._state.now())

    def send_calls(self, now: int) -> None:
        """Send calls of sessions that are due; answers are read in between, however many are due.

        A call that cannot be sent ends at once, which makes others due: those wait for the running loop, or the next.
        """
        if self._sending_calls:
            return
        self._sending_calls = True
        try:
            self._send_some_calls(now)
        finally:
            self._sending_calls = False

    def _send_some_calls(self, now: int) -> None:
        state = self._state
        plays, requests = state.plays, state.requests
        for _ in range(CALLS_AT_ONCE):
            due_ns = plays.next_ns()
            if due_ns is None or due_ns > now:
                return
            if requests.used_up:
                self.stop(now)
                self.cut_sessions()
                return
            requests.taken += 1
            state.tally.due += not state.job.closed
            self.start(*plays.pop())

    def cut_sessions(self) -> None:
        """Send none of the calls that wait; those in flight have the drain to end."""
        state = self._state
        if not state.plays.closing:
            state.cells[c.SESSIONS_ENDED] += state.plays.close()
            state.drains_ns = min(state.drains_ns, state.now())

    def start(self, prepared: Prepared, user: int, due_ns: int) -> None:
        """Send a request on an idle connection, or on a fresh one."""
        state = self._state
        job, pool = state.job, state.pool
        target = job.choose(state.outstanding)
        if job.rewrite_model:
            prepared = with_model(prepared, job.targets[target].endpoint.model)
        exchange = Exchange(prepared, user, target, due_ns, prepared.keep_answer)
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
        # The users of a closed loop have a connection each, but the calls of a session may be many at once.
        several = not job.closed or state.plays.begun
        if several and pool.idle_count(target) < SPARE and not pool.closes[target]:
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
        """No request and no session begins after this. Without sessions the drain begins, else once they are cut."""
        state = self._state
        if state.sending:
            state.sending, state.stopped_ns = False, now
            if not state.plays.running:
                state.drains_ns = now
            state.tally.sending_s = now / S
            if isinstance(state.pace, Users) and not state.plays.begun:  # sessions may wait for their tools
                state.tally.due = state.pace.busy_ns(now) / S
            state.cells[c.DONE_SENDING] = 1

    def finish(self, exchange: Exchange) -> None:
        """Count and record an ended request, after its user has sent the next one."""
        state = self._state
        now = state.now()
        state.outstanding[exchange.target] -= 1
        self._running_changed(-1)
        ok = exchange.status == "ok"
        wait_ns = self._asked_to_wait_ns(exchange) if exchange.status == "http_429" else 0
        if exchange.prepared.session >= 0:
            self._go_on(exchange, wait_ns, now)
        elif state.pace.ended(exchange.user, now, ok, wait_ns) and state.sending:
            self.send_for(exchange.user, exchange.end_ns)
        record = self._record(exchange)
        self._count(exchange, exchange.status == "ok", record)
        if state.set_aside:
            self._record_set_aside()

    def _go_on(self, exchange: Exchange, wait_ns: int, now: int) -> None:
        """Send the calls that waited for this one; at the end of its session the user begins another."""
        state, answer = self._state, exchange.answer()
        if answer is None and exchange.prepared.keep_answer and exchange.status == "ok":
            state.tally.answers_lost += 1
        play = state.plays.ended(exchange.prepared, exchange.status, answer, exchange.end_ns, wait_ns)
        if play is None:
            self.send_calls(now)
            return
        state.cells[c.SESSIONS_ENDED] += 1
        state.cells[c.SESSIONS_FAILED] += play.failed
        tail_ns = max(play.tail_ns - now, 0)
        if state.pace.ended(play.user, now, not play.failed, play.wait_ns, tail_ns) and state.sending:
            self.send_for(play.user, play.tail_ns)

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
