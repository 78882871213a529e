"""One worker: the loop that sends requests when they are due and stamps bytes as they arrive.

The read path does four things: receive with the kernel's time, note how late that was, keep the bytes,
look whether they may be the end of an answer. Parsing runs in batches off that path, so its cost never
enters a time stamp.
"""

from __future__ import annotations

import os
import resource
import ssl
import sys
from array import array
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fcntl import ioctl
from pathlib import Path
from termios import FIONREAD
from time import monotonic_ns, sleep, time_ns

import orjson

from paretoken.load import counters as c
from paretoken.load.balance import Choose
from paretoken.load.connection import BUSY, CLOSED, CONNECTING, HANDSHAKE, IDLE, Connection, Target
from paretoken.load.exchange import Exchange
from paretoken.load.fidelity import STEP_NS, STEPS, WorkerTally
from paretoken.load.journal import JournalWriter
from paretoken.load.pace import READY_AHEAD, Requests, Schedule, Users
from paretoken.load.plan import Prepared
from paretoken.load.poller import COARSE_NS, READ, WRITE, make_poller
from paretoken.load.pool import Pool
from paretoken.load.stamps import ANCILLARY_BYTES, TIMESPEC, S, WallClock

READ_BYTES = 16_384
LAST_STEP = STEPS - 1
MOST_READY = 64
"""Sockets served before the schedule is looked at again, so that a burst of answers delays no send."""
BATCH = 16
"""Reads after which a stream is worth parsing in idle time."""
MOST_UNPARSED = 256
"""Reads after which it is parsed, idle or not: what bounds memory."""
RIPE_AT_ONCE = 4
SENDS_AT_ONCE = 8
QUIET_NS = S // 4
FEW_READY = 16
"""Ready sockets below which the loop has time: to parse, or to let more gather."""
NAP_FROM_READS_S = 8_000
NAP_MARGIN_NS = 150_000
LATE_NS = 1_000_000
CHECK_NS = 20_000_000
RETRY_WITHIN_NS = S
SPARE = 4


@dataclass(frozen=True, slots=True)
class Job:
    """What one worker has to do; made by the parent, inherited by the fork."""

    number: int
    targets: tuple[Target, ...]
    choose: Choose
    requests: Iterator[Prepared]
    pace: Users | Schedule
    closed: bool
    users: int  # of a closed loop without thought, else 0
    open_ahead: int
    share: int | None  # most requests this worker may send
    stop_ns: int | None
    stop_tokens: int | None
    drain_ns: int
    timeout_ns: int
    connect_timeout_ns: int
    journal: Path
    meta: dict
    secret: str = field(default="", repr=False)
    kernel_stamps: bool = True
    rewrite_model: bool = False


class Worker:
    """Runs one job to its end. `counters` is shared with the parent and the other workers."""

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
        self._reads_then = 0
        self._checked_ns = 0

    # ── life ──────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> WorkerTally:
        """Connect, wait for the start, load, drain; every finished request is in the journal."""
        try:
            self.requests.fill(READY_AHEAD)
            plan = [self.job.choose(self.outstanding) for _ in range(self.job.open_ahead)]
            self.pool.open_ahead(plan, lambda: self._turn(1_000_000), self.job.connect_timeout_ns)
            self._await_start()
            used = cpu_s()
            self._load()
            self.tally.cpu_s = cpu_s() - used
            self.tally.wall_s = self.now() / S
            self.clock.measure()
            self.tally.drift_ns = self.clock.drift_ns
            self.tally.rss_bytes = resident_bytes()
            self.tally.fresh_connections = self.pool.opened
            return self.tally
        finally:
            self.pool.close()
            self.journal.close()
            self.poller.close()

    def now(self) -> int:
        """Nanoseconds since the start."""
        return monotonic_ns() - self.t0

    def _await_start(self) -> None:
        self.cells[c.READY] = 1
        while not self.commands[c.GO_NS]:
            if self.commands[c.COMMAND] != c.RUN or os.getppid() != self.parent:
                break
            sleep(0.0005)
        self.pool.opened = 0
        self.t0 = self.commands[c.GO_NS] or monotonic_ns()
        while (left := -self.now()) > 0:
            sleep(left / 2e9 if left > 200_000 else 0)

    def _load(self) -> None:
        while self.sending or self.running:
            now = self.now()
            if self.sending:
                self._send_due(now)
            if now >= self._next_check:
                self._check(now)
            if not self.sending and self.running and now >= self._drained_ns:
                self._cancel_all(now)
                return
            ready = self._turn(0 if self._ripe or self._full else self._patience(now))
            if self._ripe or self._full:
                self._parse(idle=ready < FEW_READY)
            elif self._nap_ns and 0 < ready < FEW_READY:
                self._nap()

    def _nap(self) -> None:
        """Let a few answers gather: the kernel stamps them, and one pass over many costs less than many of one."""
        due = self.pace.next_ns() if self.sending else None
        nap = self._nap_ns if due is None else min(self._nap_ns, due - self.now() - NAP_MARGIN_NS)
        if nap > 0:
            sleep(nap / S)

    def _choose_nap(self, now: int) -> None:
        reads = self.tally.reads - self._reads_then
        rate = reads * S // max(now - self._checked_ns, 1)
        self._reads_then, self._checked_ns = self.tally.reads, now
        gather = self.tally.stamped_reads and rate >= NAP_FROM_READS_S
        self._nap_ns = min(FEW_READY * S // rate, LATE_NS // 2) if gather else 0

    def _patience(self, now: int) -> int:
        """How long the loop may wait for sockets."""
        # The check needs no precision, and a coarse wait is one system call where a fine one is three.
        wait = max(self._next_check - now, COARSE_NS)
        due = self.pace.next_ns() if self.sending else None
        if due is not None:
            wait = min(wait, due - now)
        if wait > LATE_NS and self.requests.fill(1):
            return 0  # idle time is spent on the next prompts, one at a time
        return max(wait, 0)

    def _check(self, now: int) -> None:
        """Every 20 ms: bounds, commands, counters; a few times a second: timeouts and backlog."""
        self._next_check = now + CHECK_NS
        self._choose_nap(now)
        command = self.commands[c.COMMAND]
        stop = self.job
        if self.sending and (
            command != c.RUN
            or (stop.stop_ns is not None and now >= stop.stop_ns)
            or (stop.stop_tokens is not None and self.counters.total(c.TOKENS) >= stop.stop_tokens)
            or (self.requests.exhausted and not self.requests.held and not self.follow)
        ):
            self._stop_sending(min(now, stop.stop_ns) if stop.stop_ns is not None else now)
        if command == c.CANCEL or os.getppid() != self.parent:
            self.sending, self._drained_ns = False, 0
        elif self.sending and stop.stop_ns is not None:
            self._next_check = min(self._next_check, max(stop.stop_ns, now + 1))
        self.clock.keep(monotonic_ns())
        if now >= self._next_sweep:
            self._next_sweep = now + min(S // 4, self.job.timeout_ns // 4)
            self._sweep(now)

    def _stop_sending(self, now: int) -> None:
        if self.sending:
            self.sending, self._stopped_ns = False, now
            self.tally.sending_s = now / S
            if self.job.closed:
                self.tally.asked = self.job.users * now / S
            self._drained_ns = now + self.job.drain_ns
            self.cells[c.DONE_SENDING] = 1

    # ── sending ───────────────────────────────────────────────────────────────────────────────────

    def _send_due(self, now: int) -> None:
        pace = self.pace
        for _ in range(SENDS_AT_ONCE):  # answers are read in between, however many are due
            due = pace.next_ns()
            if not self.sending or due is None or due > now:
                break
            due, user = pace.pop()
            if self.job.closed:
                self._user_sends(user, due)
            else:
                self.tally.asked += 1
                prepared = self.requests.take(due)
                if prepared is not None:
                    self._start(prepared, user, due)
                elif self.requests.exhausted:
                    self._stop_sending(now)
            now = self.now()
        if not self.job.closed and pace.next_ns() is None:
            self._stop_sending(now)

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

    # ── receiving ─────────────────────────────────────────────────────────────────────────────────

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
            # The clock is read for every eighth: the lag is known to some 50 µs, at an eighth of the cost.
            if not reads & 7 or not ancillary:
                now = time_ns()
            reads += 1
            if ancillary:
                seconds, nanos = unpack(ancillary[0][2])
                stamp = seconds * S + nanos
                lag = now - stamp
                stamp -= base
                stamped += 1
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
        if before == 0 and exchange.tally.tokens:
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
        numbers, texts, times, tokens = exchange.row(self.job.number)
        if self.job.secret and self.job.secret in texts[1]:
            texts = (texts[0], texts[1].replace(self.job.secret, "***"), texts[2])
        self.journal.append(numbers, texts, times, tokens)
        self._count(exchange, ok, times, tokens)

    def _count(self, exchange: Exchange, ok: bool, times: array, tokens: array) -> None:
        cells, tally = self.cells, self.tally
        if exchange.sent_ns >= 0:
            tally.user_s += max(0, min(exchange.end_ns, self._stopped_ns) - exchange.sent_ns) / S
        tally.token_reads += exchange.tally.token_reads
        tally.merged_reads += exchange.tally.merged_reads
        tally.late_merged_reads += exchange.tally.late_merged_reads
        tally.failed += not ok and exchange.status != "cancelled"
        cells[c.FINISHED] += 1
        cells[c.OK_COUNT if ok else c.ERRORS] += 1
        cells[c.TOKENS] = self._tokens
        after = exchange.tally.tokens - (tokens[0] if tokens else 0)
        if ok and after > 0:
            cells[c.TPOT_NS] += (times[-1] - times[0]) // after
            cells[c.TPOT_COUNT] += 1

    # ── the unusual ───────────────────────────────────────────────────────────────────────────────

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
        too_late = exchange.sent_ns >= 0 and now - exchange.sent_ns > RETRY_WITHIN_NS
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
                if not word[0] and now - last > self.job.timeout_ns:
                    self._timeout(conn, f"nothing arrived for {self.job.timeout_ns / S:g} s", now)
            elif conn.state in (CONNECTING, HANDSHAKE) and raw - conn.since_ns > self.job.connect_timeout_ns:
                self._timeout(conn, f"no connection within {self.job.connect_timeout_ns / S:g} s", now)
        self.tally.backlog_bytes = max(self.tally.backlog_bytes, waiting)
        self.cells[c.TOKENS] = self._tokens

    def _timeout(self, conn: Connection, why: str, now: int) -> None:
        exchange = conn.exchange
        if conn.datas:
            self._digest(conn)
            if conn.exchange is not exchange or conn.state == CLOSED:
                return
        self.pool.drop(conn)
        if exchange is not None:
            exchange.fail("timeout", why, now)
            self._finish(exchange)

    def _cancel_all(self, now: int) -> None:
        self.sending = False
        for conn in list(self.pool.by_fd.values()):
            exchange = conn.exchange
            if exchange is None:
                continue
            if conn.datas:
                self._digest(conn)
                if conn.exchange is not exchange or conn.state == CLOSED:
                    continue
            self.pool.drop(conn)
            exchange.fail("cancelled", "cut at the end of the level", now)
            self._finish(exchange)


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


def cpu_s() -> float:
    """User and system seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident_bytes() -> int:
    """Largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
