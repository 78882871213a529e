"""How much of a core the processes of the load use, read from outside: they do nothing for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

WINDOW_S = 2.0
"""The system counts in hundredths of a second."""


class CpuShares:
    """The share of the busiest process over the last seconds; None where the system does not say."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, proc: Path = Path("/proc")) -> None:
        self._clock, self._proc = clock, proc
        self._at, self._used = 0.0, dict[int, float]()
        self.busiest: float | None = None

    def see(self, pids: tuple[int, ...]) -> None:
        """Read their times, if the last reading is old enough."""
        now = self._clock()
        if now - self._at < WINDOW_S and self._used.keys() == set(pids):
            return
        used = {pid: s for pid in pids if (s := self._cpu_s(pid)) is not None}
        shares = [(s - self._used[pid]) / (now - self._at) for pid, s in used.items() if pid in self._used]
        self.busiest = max(shares, default=None)
        self._at, self._used = now, used

    def _cpu_s(self, pid: int) -> float | None:
        try:
            # The name of the process, in brackets, may hold spaces.
            fields = (self._proc / str(pid) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError, IndexError):
            return None
