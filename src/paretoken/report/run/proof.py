"""The client's own proof as a table: what it saw of itself at each level, against the bounds it set itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paretoken.bench.client import fidelity as bound
from paretoken.report.numbers import shown
from paretoken.report.run.figures import Summary

Proof = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """One column: its heading, its bound in words, how it is written, and whether it is past its bound."""

    name: str
    bound: str
    text: Callable[[Proof], str]
    past: Callable[[Proof], bool] = lambda _: False


def _ms(key: str) -> Callable[[Proof], str]:
    return lambda p: shown(p[key] * 1000, 2)


def _share(key: str, decimals: int = 1) -> Callable[[Proof], str]:
    return lambda p: f"{p[key] * 100:.{decimals}f}\u00a0%"


def _lag_limit(p: Proof) -> float:
    return bound.LOOP_LAG_LIMIT_S if p["kernel_stamps"] else bound.USER_LAG_LIMIT_S


FIGURES = (
    Figure("Receive times", "", lambda p: "kernel" if p["kernel_stamps"] else "user space"),
    Figure(
        "Core, busiest worker",
        f"≤ {bound.CPU_SHARE_LIMIT:.0%}",
        _share("cpu_share", 0),
        lambda p: p["cpu_share"] > bound.CPU_SHARE_LIMIT,
    ),
    Figure("Waited for a core", "", _share("cpu_wait_share")),
    Figure(
        "Read lag p99, ms",
        f"≤ {bound.LOOP_LAG_LIMIT_S * 1000:g} (user space {bound.USER_LAG_LIMIT_S * 1000:g})",
        _ms("loop_lag_p99_s"),
        lambda p: p["loop_lag_p99_s"] > _lag_limit(p),
    ),
    Figure(
        "Sent late p99, ms",
        f"≤ {bound.SEND_LATENESS_LIMIT_S * 1000:g} (open loop)",
        _ms("send_lateness_p99_s"),
        lambda p: p["asked_unit"] == "requests" and p["send_lateness_p99_s"] > bound.SEND_LATENESS_LIMIT_S,
    ),
    Figure(
        "Of the load asked",
        f"≥ {bound.ACHIEVED_LIMIT:.0%}",
        _share("achieved"),
        lambda p: p["achieved"] < bound.ACHIEVED_LIMIT and not p["failed_fraction"],
    ),
    Figure("Reads merged", "", _share("coalesced_read_fraction")),
    Figure(
        "Of them late",
        f"≤ {bound.LATE_MERGED_LIMIT:.0%}",
        _share("late_coalesced_fraction"),
        lambda p: p["late_coalesced_fraction"] > bound.LATE_MERGED_LIMIT,
    ),
    Figure("Steal", f"≤ {bound.STEAL_LIMIT:.0%}", _share("steal"), lambda p: p["steal"] > bound.STEAL_LIMIT),
    Figure(
        "Clock drift, ms",
        f"≤ {bound.CLOCK_DRIFT_LIMIT_S * 1000:g}",
        _ms("clock_drift_s"),
        lambda p: p["clock_drift_s"] > bound.CLOCK_DRIFT_LIMIT_S,
    ),
    Figure("Backlog, kB", "", lambda p: shown(p["backlog_bytes"] / 1000, 2)),
    Figure("Memory, MB", "", lambda p: shown(p["rss_bytes"] / 1e6, 3)),
    Figure("Workers lost", "0", lambda p: f"{p['workers_lost']} of {p['workers']}", lambda p: p["workers_lost"] > 0),
)


@dataclass(frozen=True, slots=True)
class ProofRow:
    """One level: (text, past its bound) for each figure, and the verdict."""

    name: str
    cells: tuple[tuple[str, bool], ...]
    verdict: str
    limited: bool


def proof_row(name: str, summary: Summary) -> ProofRow:
    """The level's proof; a level without one says so."""
    proof = summary.get("fidelity")
    if not proof:
        return ProofRow(name, tuple(("–", False) for _ in FIGURES), "not recorded", False)
    cells = tuple(_cell(figure, proof) for figure in FIGURES)
    limited = bool(proof.get("client_limited"))
    return ProofRow(name, cells, "client limited" if limited else "ok", limited)


def _cell(figure: Figure, proof: Proof) -> tuple[str, bool]:
    """A figure that this result does not hold, or that another version wrote otherwise, is a dash."""
    try:
        return figure.text(proof), figure.past(proof)
    except (KeyError, TypeError):
        return "–", False


def worst_line(summaries: list[Summary]) -> str:
    """The worst of all levels in one line, for the foot of a shared table."""
    proofs = [p for s in summaries if (p := s.get("fidelity"))]
    if not proofs:
        return "client’s own proof: not recorded"

    def worst(key: str) -> float:
        return max((p.get(key) or 0.0 for p in proofs), default=0.0)

    stamps = "kernel receive stamps" if all(p.get("kernel_stamps") for p in proofs) else "user-space stamps"
    n = sum(bool(p.get("client_limited")) for p in proofs)
    verdict = "client ok" if not n else f"client limited at {n} of {len(summaries)} levels"
    return (
        f"{verdict} (worst level: {stamps}, read lag p99 {worst('loop_lag_p99_s') * 1000:.2f} ms, sends late p99 "
        f"{worst('send_lateness_p99_s') * 1000:.2f} ms, core {worst('cpu_share'):.0%}, steal {worst('steal'):.1%})"
    )
