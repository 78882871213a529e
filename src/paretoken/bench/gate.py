"""The gate of a benchmark: why a CI job must not pass."""

from __future__ import annotations

from collections.abc import Sequence

from paretoken.bench.stats.level_summary import LevelSummary


def gate_failures(levels: Sequence[LevelSummary], slo: str) -> list[str]:
    """Why the gate fails, nothing where it passes: loads that missed the SLOs, and loads that cannot be judged.

    A miss by so few requests that more could undo it, or of a hidden pace, is not judged either.
    """
    missed = [s.load.name for s in levels if s.verdict in ("missed", None)]
    failures = [f"{', '.join(missed)} missed {slo or 'the SLOs (add --slo)'}"] if missed else []
    unsure = [s for s in levels if s.load.name not in missed and s.doubts]
    return failures + [f"{s.load.name} can't be judged against {slo}: {'; '.join(s.doubts)}" for s in unsure]
