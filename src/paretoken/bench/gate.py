"""The gate of a benchmark: why a CI job must not pass."""

from __future__ import annotations

from collections.abc import Sequence

from paretoken.bench.stats.level_summary import LevelSummary


def gate_failures(levels: Sequence[LevelSummary], slo: str) -> list[str]:
    """Why the gate fails, nothing where it passes: loads that missed the SLOs, and loads that cannot be judged."""
    missed = [s.load.name for s in levels if not s.meets_slos and not s.unseen_slos]
    failures = [f"{', '.join(missed)} missed {slo or 'the SLOs (add --slo)'}"] if missed else []
    unsure = [s for s in levels if (s.meets_slos or s.unseen_slos) and s.doubts]
    return failures + [f"{s.load.name} can't be judged against {slo}: {'; '.join(s.doubts)}" for s in unsure]
