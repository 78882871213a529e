"""The client's own measurements of itself at each level, against their limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from paretoken.bench.client import fidelity as limit
from paretoken.bench.client.fidelity import Fidelity
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.plural import counted
from paretoken.report.numbers import shown


@dataclass(frozen=True, slots=True)
class ProofColumn:
    """One column: its heading, its limit in words, how it is written, and whether it is past its limit."""

    name: str
    bound: str
    text: Callable[[Fidelity], str]
    past: Callable[[Fidelity], bool] = lambda _: False


def _share(value: float, decimals: int = 1) -> str:
    return "–" if math.isnan(value) else f"{value * 100:.{decimals}f}\u00a0%"


def _lag_limit(f: Fidelity) -> float:
    return limit.LOOP_LAG_LIMIT_S if f.kernel_stamps else limit.USER_LAG_LIMIT_S


FIGURES = (
    ProofColumn("Receive times", "", lambda f: "kernel" if f.kernel_stamps else "user space"),
    ProofColumn(
        "Core, busiest worker",
        f"≤ {limit.CPU_SHARE_LIMIT:.0%}",
        lambda f: _share(f.cpu_share, 0),
        lambda f: f.cpu_share > limit.CPU_SHARE_LIMIT,
    ),
    ProofColumn("CPU wait", "", lambda f: _share(f.cpu_wait_share)),
    ProofColumn(
        "Read lag p99, ms",
        f"≤ {limit.LOOP_LAG_LIMIT_S * 1000:g} (user space {limit.USER_LAG_LIMIT_S * 1000:g})",
        lambda f: shown(f.loop_lag_p99_s * 1000, 2),
        lambda f: f.loop_lag_p99_s > _lag_limit(f),
    ),
    ProofColumn(
        "Sent late p99, ms",
        f"≤ {limit.SEND_LATENESS_LIMIT_S * 1000:g} (open loop)",
        lambda f: shown(f.send_lateness_p99_s * 1000, 2),
        lambda f: f.asked_unit == "requests" and f.send_lateness_p99_s > limit.SEND_LATENESS_LIMIT_S,
    ),
    ProofColumn(
        "Load achieved",
        f"≥ {limit.ACHIEVED_LIMIT:.0%}",
        lambda f: _share(f.achieved),
        lambda f: f.achieved < limit.ACHIEVED_LIMIT and not f.failed_fraction,
    ),
    ProofColumn("Merged reads", "", lambda f: _share(f.coalesced_read_fraction)),
    ProofColumn(
        "Late merged reads",
        f"≤ {limit.LATE_MERGED_LIMIT:.0%}",
        lambda f: _share(f.late_coalesced_fraction),
        lambda f: f.late_coalesced_fraction > limit.LATE_MERGED_LIMIT,
    ),
    ProofColumn(
        "Steal", f"≤ {limit.STEAL_LIMIT:.0%}", lambda f: _share(f.steal), lambda f: f.steal > limit.STEAL_LIMIT
    ),
    ProofColumn(
        "Clock drift, ms",
        f"≤ {limit.CLOCK_DRIFT_LIMIT_S * 1000:g}",
        lambda f: shown(f.clock_drift_s * 1000, 2),
        lambda f: f.clock_drift_s > limit.CLOCK_DRIFT_LIMIT_S,
    ),
    ProofColumn("Backlog, kB", "", lambda f: shown(f.backlog_bytes / 1000, 2)),
    ProofColumn("Memory, MB", "", lambda f: shown(f.rss_bytes / 1e6, 3)),
    ProofColumn("Workers lost", "0", lambda f: f"{f.workers_lost} of {f.workers}", lambda f: f.workers_lost > 0),
)


@dataclass(frozen=True, slots=True)
class ProofRow:
    """One level: (text, past its limit) for each column, and the verdict."""

    name: str
    cells: tuple[tuple[str, bool], ...]
    verdict: str
    limited: bool


def proof_row(name: str, fidelity: Fidelity | None) -> ProofRow:
    """The client's measurements of itself at a level; a figure that an older result does not hold is a dash."""
    if fidelity is None:
        return ProofRow(name, tuple(("–", False) for _ in FIGURES), "not recorded", False)
    cells = tuple((figure.text(fidelity), figure.past(fidelity)) for figure in FIGURES)
    return ProofRow(name, cells, "client-limited" if fidelity.client_limited else "ok", fidelity.client_limited)


def worst_line(summaries: Sequence[LevelSummary]) -> str:
    """The worst of all levels in one line, for the foot of a shared table."""
    proofs = [s.fidelity for s in summaries if s.fidelity]
    if not proofs:
        return "client’s own measurements: not recorded"

    def worst(values: Sequence[float]) -> float:
        return max((v for v in values if not math.isnan(v)), default=0.0)

    # In a closed loop a late send delays no latency: a request is due when it is sent. Nothing is limited there.
    lateness = [p.send_lateness_p99_s for p in proofs if p.asked_unit == "requests"]
    late = f"send lateness p99 {worst(lateness) * 1000:.2f} ms, " if lateness else ""
    stamps = "kernel receive stamps" if all(p.kernel_stamps for p in proofs) else "user-space stamps"
    n = sum(p.client_limited for p in proofs)
    verdict = "client ok" if not n else f"client-limited at {n} of {counted(len(summaries), 'level')}"
    return (
        f"{verdict} (worst level: {stamps}, read lag p99 {worst([p.loop_lag_p99_s for p in proofs]) * 1000:.2f} ms, "
        f"{late}core {worst([p.cpu_share for p in proofs]):.0%}, steal {worst([p.steal for p in proofs]):.1%})"
    )
