"""The client's own proof: how far the instrument itself can be trusted at a load level.

Each worker tallies what it saw of itself; the tallies add up exactly, and the verdict is taken on the sum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from paretoken.bench.documents import OMIT_NONE
from paretoken.errors import BadFile, quoted
from paretoken.foreign_text import one_line
from paretoken.plural import counted

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
"""Waiting this much for a core while using less than that of one: other programs are the cause, not the load."""
CLOCK_DRIFT_LIMIT_S = 0.001
LARGEST = 2.0**63


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
        rank, counted = q * self.count, 0
        for step, n in enumerate(self.bins):
            counted += n
            if n and counted >= rank:
                return ((step + 1) * STEP_NS if step < STEPS - 1 else self.longest_ns) / 1e9
        return 0.0

    def to_json(self) -> dict[str, object]:
        return {"longest_ns": self.longest_ns, "bins": [[step, n] for step, n in enumerate(self.bins) if n]}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Delays:
        delays = cls(longest_ns=_amount(plain["longest_ns"]))
        for step, n in plain["bins"]:
            delays.bins[step] = _amount(n)
        return delays


def _amount(value: object) -> Any:
    """A number of a tally; ValueError for what is none, or none that was counted."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < LARGEST:
        raise ValueError(f"{quoted(value)} is not a number")
    return value


_NO_SUMS = ("lag", "lateness", "own_fault")


@dataclass(slots=True, kw_only=True)
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
    due: float = 0.0  # requests (open loop) or user-seconds (closed)
    fresh_connections: int = 0
    sent_again: int = 0
    own_faults: int = 0  # requests that this machine could not send, and for want of what
    own_fault: str = ""
    answers_lost: int = 0  # answers of the server that could not be kept for later prompts
    backlog_bytes: int = 0
    drift_ns: int = 0
    rss_bytes: int = 0

    def to_json(self) -> dict[str, object]:
        """Plain values, histograms as [bin, count] pairs."""
        return asdict(self) | {"lag": self.lag.to_json(), "lateness": self.lateness.to_json()}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> WorkerTally:
        try:
            lag, lateness = Delays.from_json(plain["lag"]), Delays.from_json(plain["lateness"])
            sums = {name: _amount(value) for name, value in plain.items() if name not in _NO_SUMS}
            return cls(lag=lag, lateness=lateness, own_fault=str(plain.get("own_fault", "")), **sums)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as e:
            raise BadFile(f"the tally of a worker is damaged ({one_line(str(e))}); measure the level again") from e


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """How far to trust one load level. Seconds, fractions of 1, `achieved` as a share of the load that was due."""

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
    asked_unit: str  # of `achieved`: "users" or "requests"
    clock_drift_s: float
    fresh_connections: int
    sent_again: int
    rss_bytes: int
    workers: int
    workers_lost: int
    client_limited: bool
    reasons: tuple[str, ...]
    own_faults: int | None = field(default=None, metadata=OMIT_NONE)  # requests that this machine could not send
    own_fault: str | None = field(default=None, metadata=OMIT_NONE)  # for want of what
    answers_lost: int | None = field(default=None, metadata=OMIT_NONE)  # that could not be kept for later prompts

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"reasons": list(self.reasons)}


def judge(tallies: Sequence[WorkerTally], *, closed: bool, steal: float, lost: int = 0) -> Fidelity:
    """Add the workers up and compare the sum with the limits above."""
    lag, lateness = Delays(), Delays()
    for tally in tallies:
        lag.merge(tally.lag)
        lateness.merge(tally.lateness)
    token_reads, started = sum(t.token_reads for t in tallies), sum(t.started for t in tallies)
    achieved = sum(t.user_s for t in tallies) if closed else started
    fidelity = Fidelity(
        kernel_stamps=bool(tallies) and all(2 * t.stamped_reads >= t.reads for t in tallies),
        loop_lag_p50_s=lag.quantile_s(0.5),
        loop_lag_p99_s=lag.quantile_s(0.99),
        loop_lag_max_s=lag.longest_ns / 1e9,
        send_lateness_p99_s=lateness.quantile_s(0.99),
        send_lateness_max_s=lateness.longest_ns / 1e9,
        cpu_share=max((_ratio(t.cpu_s, t.wall_s) for t in tallies), default=0.0),
        cpu_s=sum(t.cpu_s for t in tallies),
        cpu_wait_share=max((_ratio(t.cpu_wait_s, t.wall_s) for t in tallies), default=0.0),
        steal=steal,
        coalesced_read_fraction=_ratio(sum(t.merged_reads for t in tallies), token_reads),
        late_coalesced_fraction=_ratio(sum(t.late_merged_reads for t in tallies), token_reads),
        late_first_fraction=_ratio(sum(t.late_firsts for t in tallies), started),
        backlog_bytes=max((t.backlog_bytes for t in tallies), default=0),
        achieved=_ratio(achieved, sum(t.due for t in tallies), empty=1.0),
        failed_fraction=_ratio(sum(t.failed for t in tallies), started),
        asked_unit="users" if closed else "requests",
        clock_drift_s=max((abs(t.drift_ns) for t in tallies), default=0) / 1e9,
        fresh_connections=sum(t.fresh_connections for t in tallies),
        sent_again=sum(t.sent_again for t in tallies),
        own_faults=sum(t.own_faults for t in tallies) or None,
        answers_lost=sum(t.answers_lost for t in tallies) or None,
        own_fault=next((t.own_fault for t in tallies if t.own_fault), None),
        rss_bytes=sum(t.rss_bytes for t in tallies),
        workers=len(tallies) + lost,
        workers_lost=lost,
        client_limited=False,
        reasons=(),
    )
    reasons = tuple(_limits_passed(fidelity))
    return replace(fidelity, client_limited=bool(reasons), reasons=reasons)


def without_merges(fidelity: Fidelity) -> Fidelity:
    """The verdict without merged reads: an answer in one piece is read at once however fast the client is."""
    reasons = tuple(_limits_passed(replace(fidelity, late_coalesced_fraction=0.0, late_first_fraction=0.0)))
    return replace(fidelity, client_limited=bool(reasons), reasons=reasons)


def _ratio(part: float, whole: float, empty: float = 0.0) -> float:
    return part / whole if whole > 0 else empty


def _limits_passed(f: Fidelity) -> list[str]:
    """Every limit that was exceeded, with its remedy; a remedy that several share follows the last of them."""
    passed = _passed(f)
    later = [{remedy for _, remedy in passed[k + 1 :]} for k in range(len(passed))]
    return [what if remedy in rest else f"{what}: {remedy}" for (what, remedy), rest in zip(passed, later, strict=True)]


def _passed(f: Fidelity) -> list[tuple[str, str]]:
    """Each limit that was passed, and the remedy."""
    remedy = f"use --workers {2 * max(f.workers, 1)} or a machine with more free cores"
    if f.cpu_wait_share > CROWDED_SHARE and f.cpu_share < CROWDED_CPU:
        remedy = f"other programs used its core for {f.cpu_wait_share:.0%} of the time: pin the client to an idle core"
    open_loop = f.asked_unit == "requests"
    passed: list[tuple[str, str]] = []
    if f.workers_lost:
        passed.append((f"{f.workers_lost} of {counted(f.workers, 'worker')} died during the level", "repeat it"))
    if f.own_faults:
        failed = f"{counted(f.own_faults, 'request')} failed on this machine, not at the server ({f.own_fault})"
        passed.append((failed, "raise that limit here, or share the load out over --workers or --nodes"))
    if f.cpu_share > CPU_SHARE_LIMIT:
        passed.append((f"a worker used {f.cpu_share:.0%} of its core (limit {CPU_SHARE_LIMIT:.0%})", remedy))
    lag_limit = LOOP_LAG_LIMIT_S if f.kernel_stamps else USER_LAG_LIMIT_S
    if f.loop_lag_p99_s > lag_limit:
        waited = f"responses waited {f.loop_lag_p99_s * 1e3:.1f} ms (p99) to be read (limit {lag_limit * 1e3:.0f})"
        passed.append((waited, remedy))
    if f.send_lateness_p99_s > SEND_LATENESS_LIMIT_S and open_loop:
        late, limit = f.send_lateness_p99_s * 1e3, SEND_LATENESS_LIMIT_S * 1e3
        passed.append((f"requests were sent {late:.1f} ms late (p99, limit {limit:.0f})", remedy))
    if f.late_coalesced_fraction > LATE_MERGED_LIMIT:
        merged = f"{f.late_coalesced_fraction:.0%} of reads came late and merged several chunks, so gaps are lost"
        passed.append((merged, remedy))
    if f.late_first_fraction > LATE_FIRST_LIMIT:
        late_firsts = f"{f.late_first_fraction:.0%} of first tokens were read late and together with later ones"
        passed.append((f"{late_firsts}, so TTFT is too high", remedy))
    if f.achieved < ACHIEVED_LIMIT and not f.failed_fraction:
        share = "due requests were sent" if open_loop else "users were kept busy"
        passed.append((f"only {f.achieved:.0%} of the {share}", remedy))
    if f.steal > STEAL_LIMIT:
        passed.append((f"the host took {f.steal:.0%} of this machine's CPU time", "use a dedicated machine"))
    if f.clock_drift_s > CLOCK_DRIFT_LIMIT_S:
        moved = f"the wall clock moved {f.clock_drift_s * 1e3:.1f} ms against the monotonic clock"
        passed.append((moved, "keep time synchronisation from stepping it"))
    return passed
