"""A ladder that ends once higher loads add nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from paretoken.bench.plan import Load
from paretoken.bench.run_folder import LevelOnDisk
from paretoken.bench.schedule import LadderSchedule
from paretoken.bench.stats.sweep_summary import SearchAnswer


@dataclass(slots=True)
class ClimbingLadder(LadderSchedule):
    """Levels in the order given, until throughput no longer grows and latency exceeds a limit; both must hold.

    Throughput (output tok/s) no longer grows when it is less than `growth` above the best level before. The latency is
    the median E2E latency of the level, in seconds. A level without figures counts for neither.
    """

    growth: float = 0.02
    e2e_s: float = 60.0
    best_tok_s: float = field(default=0.0, init=False)
    ended: str = field(default="", init=False)

    def next_load(self) -> Load | None:
        return None if self.ended else LadderSchedule.next_load(self)

    def observe(self, load: Load, level: LevelOnDisk) -> None:
        LadderSchedule.observe(self, load, level)
        summary = level.summary
        tok_s = summary.throughput.window.output_tok_s or 0.0
        e2e_s = summary.latency.e2e_s.p50 or 0.0
        if e2e_s > self.e2e_s and tok_s < self.best_tok_s * (1 + self.growth):
            self.ended = (
                f"throughput {tok_s:,.1f} tok/s is less than {self.growth:.0%} above {self.best_tok_s:,.1f} "
                f"and the median latency {e2e_s:.1f} s exceeds {self.e2e_s:g} s"
            )
        self.best_tok_s = max(self.best_tok_s, tok_s)

    def answer(self) -> SearchAnswer | None:
        return {"kind": "climb", "ended": self.ended} if self.ended else None
