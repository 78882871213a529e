"""One worker: connect, wait for the start, load, drain."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from time import monotonic_ns, sleep

from paretoken.bench.client import counters as c
from paretoken.bench.client.care import ConnectionCare
from paretoken.bench.client.counters import LiveCounters
from paretoken.bench.client.fidelity import WorkerTally
from paretoken.bench.client.job import WorkerJob
from paretoken.bench.client.pace import BYTES_AHEAD, READY_AHEAD
from paretoken.bench.client.poller import COARSE_NS
from paretoken.bench.client.reader import StreamReader
from paretoken.bench.client.sender import Sender
from paretoken.bench.client.stamps import S
from paretoken.bench.client.state import WorkerState

SENDS_AT_ONCE = 8
FEW_READY = 32
"""Ready sockets below which the loop has time: to parse, or to let more gather."""
NAP_FROM_READS_S = 1_000
NAP_FROM_READS_PER_ANSWER = 16
"""Where answers are shorter, what matters is to send the next request at once."""
LONGEST_NAP_NS = 700_000
NAP_MARGIN_NS = 150_000
CHECK_NS = 20_000_000


class LoadWorker:
    """Runs one job to its end: the clockwork over a sender, a reader and the care of connections."""

    def __init__(self, job: WorkerJob, counters: LiveCounters) -> None:
        self._job = job
        self._state = WorkerState(job, counters)
        self._sender = Sender(self._state)
        self._reader = StreamReader(self._state, self._sender)
        self._care = ConnectionCare(self._state, self._sender, self._reader)
        self._nap = NapRule(self._state)
        self._parent = os.getppid()
        self._cancelled = False
        self._next_check = self._next_sweep = 0
        self._used_s = 0.0  # CPU time before the start

    def run(self) -> WorkerTally:
        """Connect, wait for the start, load, drain; every finished request is in the journal."""
        state = self._state
        try:
            state.requests.fill(READY_AHEAD, BYTES_AHEAD)
            plan = [self._job.choose(state.outstanding) for _ in range(self._job.open_ahead)]
            state.pool.open_ahead(plan, lambda: self._turn(1_000_000), self._job.connect_timeout_ns)
            self._await_start()
            self._used_s, waited = cpu_s(), cpu_wait_s()
            self._load()
            tally = state.tally
            tally.cpu_s, tally.cpu_wait_s = cpu_s() - self._used_s, cpu_wait_s() - waited
            tally.wall_s = state.now() / S
            state.clock.measure()
            tally.drift_ns = state.clock.drift_ns
            tally.rss_bytes = resident_bytes()
            tally.fresh_connections = state.pool.opened
            return tally
        finally:
            state.close()

    def _await_start(self) -> None:
        state = self._state
        state.cells[c.READY] = 1
        while not state.commands[c.GO_NS]:
            if state.commands[c.COMMAND] != c.RUN or os.getppid() != self._parent:
                break
            sleep(0.0005)
        state.pool.opened = 0
        state.t0 = state.commands[c.GO_NS] or monotonic_ns()
        while (left := -state.now()) > 0:
            sleep(left / 2e9 if left > 200_000 else 0)

    def _load(self) -> None:
        state, reader = self._state, self._reader
        maybe_ended, piled_up, lost = state.maybe_ended, state.piled_up, state.lost
        plays = state.plays
        while state.sending or state.running or plays.running:
            now = state.now()
            if state.sending:
                self._send_due(now)
            if plays.running:
                self._sender.send_calls(now)
            if now >= self._next_check:
                self._check(now)
            if not state.sending and self._drained(now):
                self._sender.cut_sessions()
                self._care.cancel_all(now)
                return
            ready = self._turn(0 if maybe_ended or piled_up or lost else self._patience(now))
            if maybe_ended or piled_up:
                reader.parse(idle=ready < FEW_READY)
            elif 0 < ready < FEW_READY:
                self._nap.take()

    def _turn(self, patience_ns: int) -> int:
        """Read what comes within that time, and see to the connections that need care; how many sockets were ready."""
        ready = self._reader.turn(patience_ns)
        if self._state.unusual or self._state.lost:
            self._care.attend()
        return ready

    def _drained(self, now: int) -> bool:
        return self._cancelled or now >= self._state.drains_ns + self._job.drain_ns

    def _patience(self, now: int) -> int:
        """How long the loop may wait for sockets."""
        # The check needs no precision, and a coarse wait is one system call where a fine one is three.
        state = self._state
        wait = max(self._next_check - now, COARSE_NS)
        soonest = state.next_ns()
        if soonest is not None:
            wait = min(wait, soonest - now)
        if wait > LONGEST_NAP_NS and (state.plays.build() or state.requests.fill(1)):
            return 0  # idle time is spent on the next prompts, one at a time
        return max(wait, 0)

    def _check(self, now: int) -> None:
        """Every 20 ms: limits, commands, counters; a few times a second: timeouts and backlog."""
        state, job = self._state, self._job
        self._next_check = now + CHECK_NS
        self._nap.choose(now)
        command = state.commands[c.COMMAND]
        if command != c.RUN or self._at_its_end(now):
            self._sender.stop(min(now, job.stop_ns) if job.stop_ns is not None else now)
            self._sender.cut_sessions()
        elif state.requests.exhausted and not state.plays.running:
            self._sender.stop(now)
        if command == c.CANCEL or os.getppid() != self._parent:
            state.sending, self._cancelled = False, True
        elif state.sending and job.stop_ns is not None:
            self._next_check = min(self._next_check, max(job.stop_ns, now + 1))
        state.clock.keep(monotonic_ns())
        if now >= self._next_sweep:
            self._next_sweep = now + min(S // 4, job.timeout_ns // 4)
            self._care.sweep(now)
            state.cells[c.CPU_NS] = round((cpu_s() - self._used_s) * S)
            state.cells[c.CPU_AT_NS] = now

    def _at_its_end(self, now: int) -> bool:
        """Whether the time, the tokens or the requests of the level are used up, which cuts sessions."""
        state, job = self._state, self._job
        return (
            (job.stop_ns is not None and now >= job.stop_ns)
            or (job.stop_tokens is not None and state.counters.total(c.TOKENS) >= job.stop_tokens)
            or state.requests.used_up
        )

    def _send_due(self, now: int) -> None:
        state, sender = self._state, self._sender
        pace = state.pace
        for _ in range(SENDS_AT_ONCE):  # answers are read in between, however many are due
            due = pace.next_ns()
            if not state.sending or due is None or due > now:
                break
            due, user = pace.pop()
            if self._job.closed:
                sender.send_for(user, due)
            else:
                item = state.requests.take()
                if item is not None:
                    sender.begin(item, user, due)
                else:
                    sender.stop(now)
            now = state.now()
        if not self._job.closed and pace.next_ns() is None:
            sender.stop(now)


class NapRule:
    """When and how long to let answers gather: the kernel stamps them, and one pass over many costs less than many."""

    def __init__(self, state: WorkerState) -> None:
        self._state = state
        self._nap_ns = 0
        self._reads = self._finished = self._at_ns = 0  # as of the last choice

    def choose(self, now: int) -> None:
        """Choose the length of naps by the rate of reads since the last choice."""
        tally, finished = self._state.tally, self._state.cells[c.FINISHED]
        reads, ended = tally.reads - self._reads, finished - self._finished
        rate = reads * S // max(now - self._at_ns, 1)
        self._reads, self._finished, self._at_ns = tally.reads, finished, now
        streams = reads >= NAP_FROM_READS_PER_ANSWER * ended and tally.stamped_reads
        self._nap_ns = min(FEW_READY * S // rate, LONGEST_NAP_NS) if streams and rate >= NAP_FROM_READS_S else 0

    def take(self) -> None:
        """Sleep, unless a request is due before the end of the nap."""
        if not self._nap_ns:
            return
        state = self._state
        due = state.next_ns()
        nap = self._nap_ns if due is None else min(self._nap_ns, due - state.now() - NAP_MARGIN_NS)
        if nap > 0:
            sleep(nap / S)


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
