"""When bytes arrived: receive times from the kernel, brought onto the monotonic clock.

The kernel stamps a segment as it comes in (`SO_TIMESTAMPNS`), on the wall clock and exact to some ten
microseconds however late the client reads it. The wall clock is tied to the monotonic one by an offset
that is measured at the start, at the end, and once a second in between.
"""

from __future__ import annotations

import platform
import socket
import struct
import sys
import time

S = 1_000_000_000
ANCILLARY_BYTES = socket.CMSG_SPACE(16) if hasattr(socket, "CMSG_SPACE") else 64
TIMESPEC = struct.Struct("ll")
REMEASURE_NS = S

# The number is Linux's generic one; Python names it nowhere. PA-RISC and SPARC differ, 32-bit kernels too.
_SO_TIMESTAMPNS = 35
_KNOWN = sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64", "riscv64", "ppc64le", "s390x")


def ask_kernel(sock: socket.socket) -> bool:
    """Ask for a receive time with every read of this socket; False where the system has none."""
    if not _KNOWN:
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    except OSError:
        return False
    return True


def wall_offset_ns(rounds: int = 9) -> int:
    """Wall clock minus monotonic clock, in nanoseconds: the tightest of several bracketed readings."""
    best, offset = 1 << 62, 0
    for _ in range(rounds):
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        if after - before < best:
            best, offset = after - before, wall - (before + after) // 2
    return offset


class WallClock:
    """The offset as it was and as it is; `drift_ns` is the largest departure from the start seen."""

    __slots__ = ("_next", "drift_ns", "offset_ns", "start_ns")

    def __init__(self) -> None:
        self.start_ns = self.offset_ns = wall_offset_ns()
        self.drift_ns = 0
        self._next = time.monotonic_ns() + REMEASURE_NS

    def keep(self, now_ns: int) -> None:
        """Measure again once a second, so that a slewed or stepped wall clock does not bend the stamps."""
        if now_ns >= self._next:
            self._next = now_ns + REMEASURE_NS
            self.measure()

    def measure(self) -> None:
        self.offset_ns = wall_offset_ns(3)
        away = self.offset_ns - self.start_ns
        if abs(away) > abs(self.drift_ns):
            self.drift_ns = away
