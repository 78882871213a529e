"""What a tier says: pass, fail, or not applicable, with the sentence why and the figures behind it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

PASS, FAIL, NA = "pass", "fail", "not applicable"
TITLES = {
    "T0": "capability",
    "T1": "repeatability",
    "T2": "self-consistency",
    "T3": "pair",
    "T4": "task",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One tier's result. `stopped` says that, and where, the endpoint broke off; the figures hold what came before."""

    tier: str
    verdict: str
    why: str
    figures: dict[str, Any] = field(default_factory=dict)
    stopped: str | None = None

    @property
    def title(self) -> str:
        return f"{self.tier} {TITLES[self.tier]}"


def judged(tier: str, faults: Iterable[str], good: str, figures: dict[str, Any], stopped: str | None = None) -> Verdict:
    """Fail with every fault, not applicable where the endpoint broke off without one, else pass."""
    found = [f for f in faults if f]
    if found:
        return Verdict(tier, FAIL, "; ".join(found), figures, stopped)
    if stopped:
        return Verdict(tier, NA, "not finished", figures, stopped)
    return Verdict(tier, PASS, good, figures)


def overall(verdicts: Iterable[Verdict]) -> str:
    """Fail if any tier failed; pass only if one that looks at tokens (T2 to T4) passed."""
    found = {v.tier: v.verdict for v in verdicts}
    if FAIL in found.values():
        return FAIL
    return PASS if any(found.get(t) == PASS for t in ("T2", "T3", "T4")) else NA
