"""The verdict of a tier: pass, fail, or not applicable, with the reason and the figures behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

PASS, FAIL, NA = "pass", "fail", "not applicable"
TITLES = {
    "T0": "capability",
    "T1": "repeatability",
    "T2": "self-consistency",
    "T3": "pair",
    "T4": "task",
}


@dataclass(frozen=True, slots=True)
class TierVerdict:
    """One tier's result. `stopped` says where the endpoint broke off; the figures cover what came before."""

    tier: str
    verdict: str
    why: str
    figures: Mapping[str, object] = field(default_factory=dict)
    stopped: str | None = None

    @property
    def title(self) -> str:
        return f"{self.tier} {TITLES[self.tier]}"

    def number(self, *path: str) -> float:
        """A number among the figures, by its keys; LookupError if there is none."""
        value: object = self.figures
        for key in path:
            value = value[key] if isinstance(value, Mapping) else None
        if not isinstance(value, int | float):
            raise LookupError(f"{self.tier} has no figure {'.'.join(path)}")
        return float(value)


def judged(
    tier: str, faults: Iterable[str], good: str, figures: Mapping[str, object], stopped: str | None = None
) -> TierVerdict:
    """Fail with every fault, not applicable where the endpoint broke off without one, else pass with `good`."""
    real = [fault for fault in faults if fault]
    if real:
        return TierVerdict(tier, FAIL, "; ".join(real), figures, stopped)
    if stopped:
        return TierVerdict(tier, NA, "not finished", figures, stopped)
    return TierVerdict(tier, PASS, good, figures)


def overall(verdicts: Iterable[TierVerdict]) -> str:
    """Fail if any tier failed; pass only if one that looks at tokens (T2 to T4) passed."""
    of_tier = {v.tier: v.verdict for v in verdicts}
    if FAIL in of_tier.values():
        return FAIL
    return PASS if any(of_tier.get(t) == PASS for t in ("T2", "T3", "T4")) else NA
