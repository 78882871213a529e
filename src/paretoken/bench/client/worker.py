"""One worker: connect, wait for the start, load, drain."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from time import monotonic_ns, sleep

from paretoken.bench.client import counters as c
from paretoken.bench.client.fidelity import WorkerTally
from paretoken.bench.client.pace import READY_AHEAD
from paretoken.bench.client.poller import COARSE_NS
from paretoken.bench.client.stamps import S
from paretoken.bench.client.upkeep import Upkeep

SENDS_AT_ONCE = 8
FEW_READY = 32
"""Ready sockets below which the loop has time: to parse, or to let more gather."""
NAP_FROM_READS_S = 1_000
NAP_FROM_READS_PER_ANSWER = 16
"""Where answers are shorter, what matters is to send the next request at once."""
LONGEST_NAP_NS = 700_000
NAP_MARGIN_NS = 150_000
CHECK_NS = 20_000_000


class Worker(Upkeep):
    """Runs one job to its end: the clockwork over sending, receiving and upkeep."""

    def run(self) -> WorkerTally:
        """Connect, wait for the start, load, drain; every finished request is in the journal."""
        try:
            self.requests.fill(READY_AHEAD)
            plan = [self.job.choose(self.outstanding) for _ in range(self.job.open_ahead)]
            self.pool.open_ahead(plan, lambda: self._turn(1_000_000), self.job.connect_timeout_ns)
            self._await_start()
            used, waited = cpu_s(), cpu_wait_s()
            self._load()
            self.tally.cpu_s, self.tally.cpu_wait_s = cpu_s() - used, cpu_wait_s() - waited
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
        ended = self.cells[c.FINISHED] - self._ended_then
        rate = reads * S // max(now - self._checked_ns, 1)
        self._reads_then, self._ended_then, self._checked_ns = self.tally.reads, self.cells[c.FINISHED], now
        streams = reads >= NAP_FROM_READS_PER_ANSWER * ended and self.tally.stamped_reads
        self._nap_ns = min(FEW_READY * S // rate, LONGEST_NAP_NS) if streams and rate >= NAP_FROM_READS_S else 0

    def _patience(self, now: int) -> int:
        """How long the loop may wait for sockets."""
        # The check needs no precision, and a coarse wait is one system call where a fine one is three.
        wait = max(self._next_check - now, COARSE_NS)
        due = self.pace.next_ns() if self.sending else None
        if due is not None:
            wait = min(wait, due - now)
        if wait > LONGEST_NAP_NS and self.requests.fill(1):
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


def cpu_s() -> float:
    """User and system seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cpu_wait_s() -> float:
    """Seconds that this process was ready to run and had no CPU, so far; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/schedstat").read_text(encoding="ascii").split()[1]) / S
    except (OSError, IndexError, ValueError):
        return 0.0


def resident_bytes() -> int:
    """Largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
