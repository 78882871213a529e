"""The client's own proof: how far the instrument itself can be trusted at a load level.

Each worker tallies what it saw of itself; the tallies add up exactly, and the verdict is taken on the sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

STEP_NS = 10_000
STEPS = 4_096
"""Histograms of delays: 10 µs wide up to 41 ms, the last bin holds what is longer."""

CPU_SHARE_LIMIT = 0.90
SEND_LATENESS_LIMIT_S = 0.005
LOOP_LAG_LIMIT_S = 0.010
USER_LAG_LIMIT_S = 0.001
LATE_MERGED_LIMIT = 0.05
LATE_FIRST_LIMIT = 0.05
ACHIEVED_LIMIT = 0.95
STEAL_LIMIT = 0.05
CROWDED_SHARE, CROWDED_CPU = 0.05, 0.5
"""Waiting this much for a core while using less than that of one: neighbours are the trouble, not the load."""
CLOCK_DRIFT_LIMIT_S = 0.001


class Delays:
    """A histogram of delays that merges exactly; quantiles to 10 µs."""

    __slots__ = ("bins", "longest_ns")

    def __init__(self, bins: Sequence[int] | None = None, longest_ns: int = 0) -> None:
        self.bins = list(bins) if bins is not None else [0] * STEPS
        self.longest_ns = longest_ns

    def add(self, delay_ns: int) -> None:
        step = delay_ns // STEP_NS
        self.bins[step if 0 <= step < STEPS else (0 if step < 0 else STEPS - 1)] += 1
        if delay_ns > self.longest_ns:
            self.longest_ns = delay_ns

    def merge(self, other: Delays) -> None:
        self.bins = [a + b for a, b in zip(self.bins, other.bins, strict=True)]
        self.longest_ns = max(self.longest_ns, other.longest_ns)

    @property
    def count(self) -> int:
        return sum(self.bins)

    def quantile_s(self, q: float) -> float:
        """The delay that a share q of all do not exceed (upper edge of its bin)."""
        rank, seen = q * self.count, 0
        for step, n in enumerate(self.bins):
            seen += n
            if n and seen >= rank:
                return ((step + 1) * STEP_NS if step < STEPS - 1 else self.longest_ns) / 1e9
        return 0.0

    def sparse(self) -> list[list[int]]:
        return [[step, n] for step, n in enumerate(self.bins) if n]


@dataclass(slots=True)
class WorkerTally:
    """What one worker saw of itself. Sums, so that workers add up."""

    lag: Delays = field(default_factory=Delays)
    lateness: Delays = field(default_factory=Delays)
    reads: int = 0
    stamped_reads: int = 0
    token_reads: int = 0
    merged_reads: int = 0
    late_merged_reads: int = 0
    late_firsts: int = 0  # requests whose first token came in such a read
    cpu_s: float = 0.0
    cpu_wait_s: float = 0.0  # ready to run, while others had the core
    wall_s: float = 0.0
    sending_s: float = 0.0
    user_s: float = 0.0  # integral of running requests while sending
    started: int = 0
    failed: int = 0
    asked: float = 0.0  # due requests (open loop) or user-seconds (closed)
    fresh_connections: int = 0
    sent_again: int = 0
    backlog_bytes: int = 0
    drift_ns: int = 0
    rss_bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values, histograms as [bin, count] pairs."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name not in ("lag", "lateness")}
        for name in ("lag", "lateness"):
            delays = getattr(self, name)
            plain[name] = {"longest_ns": delays.longest_ns, "bins": delays.sparse()}
        return plain

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> WorkerTally:
        values = dict(plain)
        for name in ("lag", "lateness"):
            delays = Delays(longest_ns=plain[name]["longest_ns"])
            for step, n in plain[name]["bins"]:
                delays.bins[step] = n
            values[name] = delays
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How far to trust one load level. Seconds, fractions of 1, `achieved` as a share of what was asked."""

    kernel_stamps: bool
    loop_lag_p50_s: float
    loop_lag_p99_s: float
    loop_lag_max_s: float
    send_lateness_p99_s: float
    send_lateness_max_s: float
    cpu_share: float  # of the busiest worker's core
    cpu_s: float
    cpu_wait_share: float  # of the time of the worker that waited most for a core that others had
    steal: float
    coalesced_read_fraction: float
    late_coalesced_fraction: float
    late_first_fraction: float
    backlog_bytes: int
    achieved: float
    failed_fraction: float  # failing users rest, which lowers the load by intent
    asked_unit: str  # "users" or "requests"
    clock_drift_s: float
    fresh_connections: int
    sent_again: int
    rss_bytes: int
    workers: int
    workers_lost: int
    client_limited: bool
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"reasons": list(self.reasons)}


def judge(tallies: Sequence[WorkerTally], *, closed: bool, steal: float, lost: int = 0) -> Fidelity:
    """Add the workers up and hold the sum against the bounds above."""
    lag, lateness = Delays(), Delays()
    for tally in tallies:
        lag.merge(tally.lag)
        lateness.merge(tally.lateness)
    figures = {
        "kernel_stamps": bool(tallies) and all(2 * t.stamped_reads >= t.reads for t in tallies),
        "loop_lag_p50_s": lag.quantile_s(0.5),
        "loop_lag_p99_s": lag.quantile_s(0.99),
        "loop_lag_max_s": lag.longest_ns / 1e9,
        "send_lateness_p99_s": lateness.quantile_s(0.99),
        "send_lateness_max_s": lateness.longest_ns / 1e9,
        "cpu_share": max((_share(t.cpu_s, t.wall_s) for t in tallies), default=0.0),
        "cpu_s": sum(t.cpu_s for t in tallies),
        "cpu_wait_share": max((_share(t.cpu_wait_s, t.wall_s) for t in tallies), default=0.0),
        "steal": steal,
        "coalesced_read_fraction": _of(tallies, "merged_reads", "token_reads"),
        "late_coalesced_fraction": _of(tallies, "late_merged_reads", "token_reads"),
        "late_first_fraction": _of(tallies, "late_firsts", "started"),
        "backlog_bytes": max((t.backlog_bytes for t in tallies), default=0),
        "achieved": _of(tallies, "user_s" if closed else "started", "asked", empty=1.0),
        "failed_fraction": _of(tallies, "failed", "started"),
        "asked_unit": "users" if closed else "requests",
        "clock_drift_s": max((abs(t.drift_ns) for t in tallies), default=0) / 1e9,
        "fresh_connections": sum(t.fresh_connections for t in tallies),
        "sent_again": sum(t.sent_again for t in tallies),
        "rss_bytes": sum(t.rss_bytes for t in tallies),
        "workers": len(tallies) + lost,
        "workers_lost": lost,
    }
    limits = tuple(_limits(figures))
    return Fidelity(**figures, client_limited=bool(limits), reasons=limits)


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def _of(tallies: Sequence[WorkerTally], part: str, whole: str, empty: float = 0.0) -> float:
    below = sum(getattr(t, whole) for t in tallies)
    return sum(getattr(t, part) for t in tallies) / below if below > 0 else empty


def _limits(f: dict[str, Any]) -> list[str]:
    """Every bound that was passed, each with what to do about it."""
    more = f"use --workers {2 * max(f['workers'], 1)} or a machine with more free cores"
    if f["cpu_wait_share"] > CROWDED_SHARE and f["cpu_share"] < CROWDED_CPU:
        more = f"for {f['cpu_wait_share']:.0%} of the time other programs had its core: give it one of its own"
    passed = []
    if f["workers_lost"]:
        passed.append(f"{f['workers_lost']} of {f['workers']} workers died during the level: repeat it")
    if f["cpu_share"] > CPU_SHARE_LIMIT:
        passed.append(f"a worker used {f['cpu_share']:.0%} of its core (limit {CPU_SHARE_LIMIT:.0%}): {more}")
    lag_limit = LOOP_LAG_LIMIT_S if f["kernel_stamps"] else USER_LAG_LIMIT_S
    if f["loop_lag_p99_s"] > lag_limit:
        passed.append(
            f"answers waited {f['loop_lag_p99_s'] * 1e3:.1f} ms (p99) to be read (limit {lag_limit * 1e3:.0f}): {more}"
        )
    if f["send_lateness_p99_s"] > SEND_LATENESS_LIMIT_S and f["asked_unit"] == "requests":
        passed.append(
            f"requests were sent {f['send_lateness_p99_s'] * 1e3:.1f} ms late (p99, limit "
            f"{SEND_LATENESS_LIMIT_S * 1e3:.0f}): {more}"
        )
    if f["late_coalesced_fraction"] > LATE_MERGED_LIMIT:
        passed.append(
            f"{f['late_coalesced_fraction']:.0%} of reads came late and held several chunks, so gaps are lost: {more}"
        )
    if f["late_first_fraction"] > LATE_FIRST_LIMIT:
        passed.append(
            f"{f['late_first_fraction']:.0%} of first tokens were read late and together with later ones, so TTFT is "
            f"too high: {more}"
        )
    if f["achieved"] < ACHIEVED_LIMIT and not f["failed_fraction"]:
        what = "due requests were sent" if f["asked_unit"] == "requests" else "users were kept busy"
        passed.append(f"only {f['achieved']:.0%} of the {what}: {more}")
    if f["steal"] > STEAL_LIMIT:
        passed.append(f"the host took {f['steal']:.0%} of this machine's CPU time: use a machine of its own")
    if f["clock_drift_s"] > CLOCK_DRIFT_LIMIT_S:
        passed.append(
            f"the wall clock moved {f['clock_drift_s'] * 1e3:.1f} ms against the monotonic one: stop time "
            "synchronisation from stepping it"
        )
    return passed


def fidelity_line(f: Fidelity) -> str:
    """The proof in one line."""
    stamps = "kernel stamps" if f.kernel_stamps else "user-space stamps (the system gives no receive times)"
    parts = [
        stamps,
        f"read lag p50 {f.loop_lag_p50_s * 1e3:.2f} p99 {f.loop_lag_p99_s * 1e3:.2f} ms",
        f"sends late p99 {f.send_lateness_p99_s * 1e3:.2f} ms",
        f"core {f.cpu_share:.0%}",
        f"coalesced {f.coalesced_read_fraction:.1%}",
        f"{f.achieved:.1%} of asked {f.asked_unit}",
    ]
    if f.steal >= 0.005:
        parts.append(f"steal {f.steal:.1%}")
    verdict = "CLIENT LIMITED: " + "; ".join(f.reasons) if f.client_limited else "client ok"
    return f"{verdict} · {' · '.join(parts)}"
