"""Live counters in shared memory: workers write, the parent reads, neither waits for the other.

One row of int64 per worker and a row for the parent's commands. A row has one writer, and an aligned
8-byte store is atomic, so no lock is needed; values may be a poll of the loop old.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass

from paretoken.bench.stats.metrics_reading import MetricsReading

ROW = 32
(
    READY,
    RUNNING,
    SENT,
    FINISHED,
    OK_COUNT,
    ERRORS,
    TOKENS,
    TTFT_NS,
    TTFT_COUNT,
    TPOT_NS,
    TPOT_COUNT,
    DONE_SENDING,
    SESSIONS_BEGUN,
    SESSIONS_ENDED,
    SESSIONS_FAILED,
    CPU_NS,
    CPU_AT_NS,
) = range(17)
GO_NS, COMMAND = 0, 1
RUN, DRAIN, CANCEL = range(3)
CPU_WINDOW_NS = 2_000_000_000
"""Time over which the use of a core is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The state of a level now. Sums run from the start; a live view shows the change between two of them.

    `cpu_share` is that of the busiest worker's core over the last seconds, and `server` the latest reading of the
    servers' metrics, None where they have none.
    """

    elapsed_s: float
    running: int
    sent: int
    finished: int
    ok: int
    errors: int
    tokens: int
    ttft_sum_s: float
    ttft_count: int
    tpot_sum_s: float
    tpot_count: int
    sending: bool
    sessions_begun: int = 0
    sessions_ended: int = 0
    sessions_failed: int = 0
    cpu_share: float = 0.0
    server: MetricsReading | None = None


class LiveCounters:
    """The block; made before the workers are forked, which inherit it."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._map = mmap.mmap(-1, 8 * ROW * (workers + 1))
        self.cells = memoryview(self._map).cast("q")
        self._cpu_before = [(0, 0)] * workers
        self._cpu_shares = [0.0] * workers

    def row(self, worker: int) -> memoryview:
        """The cells of one worker."""
        return self.cells[ROW * (worker + 1) : ROW * (worker + 2)]

    def total(self, cell: int) -> int:
        """One counter, summed over the workers."""
        return sum(self.cells[ROW * (w + 1) + cell] for w in range(self.workers))

    def progress(self, now_ns: int) -> Progress:
        """What the workers have counted so far."""
        start = self.cells[GO_NS]
        elapsed_ns = max(0, now_ns - start) if start else 0
        return Progress(
            elapsed_s=elapsed_ns / 1e9,
            running=self.total(RUNNING),
            sent=self.total(SENT),
            finished=self.total(FINISHED),
            ok=self.total(OK_COUNT),
            errors=self.total(ERRORS),
            tokens=self.total(TOKENS),
            ttft_sum_s=self.total(TTFT_NS) / 1e9,
            ttft_count=self.total(TTFT_COUNT),
            tpot_sum_s=self.total(TPOT_NS) / 1e9,
            tpot_count=self.total(TPOT_COUNT),
            sending=self.total(DONE_SENDING) < self.workers,
            sessions_begun=self.total(SESSIONS_BEGUN),
            sessions_ended=self.total(SESSIONS_ENDED),
            sessions_failed=self.total(SESSIONS_FAILED),
            cpu_share=max(self._cpu_share(w, elapsed_ns) for w in range(self.workers)),
        )

    def _cpu_share(self, worker: int, elapsed_ns: int) -> float:
        """How much of its core a worker used over the last window; of the first one, so far. 0 once it has ended."""
        row = self.row(worker)
        at_ns, used_ns = row[CPU_AT_NS], row[CPU_NS]
        if not at_ns or elapsed_ns - at_ns > CPU_WINDOW_NS:
            return 0.0
        before_ns, used_before_ns = self._cpu_before[worker]
        took_ns = at_ns - before_ns
        if took_ns >= CPU_WINDOW_NS or not before_ns:
            self._cpu_shares[worker] = (used_ns - used_before_ns) / took_ns
        if took_ns >= CPU_WINDOW_NS:
            self._cpu_before[worker] = at_ns, used_ns
        return self._cpu_shares[worker]

    def close(self) -> None:
        self.cells.release()
        self._map.close()
