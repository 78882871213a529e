"""When a new run is a regression: the one rule behind `paretoken check` and `paretoken bench --compare`.

A comparison is a regression if the new run (B) is worse than the baseline (A) by more than noise explains and by more
than is allowed. Two ways to pair what is compared, with the same meaning and the same words:

- at equal latency (`at_latency`): throughput where both curves reach the latency, lower is worse, a drop of
  ALLOWED_DROP is allowed. The interval is widened for the number of comparisons (Bonferroni).
- at equal load (`at_load`): every figure of each load that both sides have, no change is allowed. The p-values are
  corrected for the number of comparisons (Holm).

Either way, of all checks of equal runs a share of FALSE_ALARMS reports a regression that is not there.
"""

from __future__ import annotations

from paretoken.plural import counted

FALSE_ALARMS = 0.05
ALLOWED_DROP = 0.02
"""Share of the baseline's throughput."""


def verdict(regression: bool) -> str:
    """The word that begins the line of a comparison."""
    return "REGRESSION" if regression else "ok"


def conclusion(regressions: int, comparisons: int) -> str:
    """The last line of a check."""
    return f"{regressions} of {counted(comparisons, 'comparison')} regressed"
