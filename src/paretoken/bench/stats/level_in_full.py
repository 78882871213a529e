"""Which level of a run is shown in full beside the table of all: the one that its reader asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paretoken.bench.plan import load_name
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.sweep_summary import SearchAnswer, load_found


@dataclass(frozen=True, slots=True)
class LevelInFull:
    """The place of the level among the summaries, and why it is this one; no reason where there is no other."""

    place: int
    why: str


def level_in_full(summaries: Sequence[LevelSummary], answer: SearchAnswer | None = None) -> LevelInFull | None:
    """The answer of a search, else the highest load within the SLOs, else the highest output throughput.

    None without a level that counts, and where the loads were repeated: one repeat stands for no other.
    """
    counted = [(i, s) for i, s in enumerate(summaries) if not s.failed]
    if len({s.load.name for _, s in counted}) < len(counted) or not counted:
        return None
    if len(summaries) == 1:
        return LevelInFull(0, "")
    if answer and (load := load_found(answer)):
        named = [i for i, s in counted if load_name(s.load.kind, s.load.size) == load]
        if named:
            return LevelInFull(named[-1], "the answer of the search")
    within = [(s.verdict == "met", s.load.size, i) for i, s in counted if s.meets_slos]
    if within:
        place = max(within)[2]
        return LevelInFull(place, "the highest load within the SLOs" + _doubt(summaries[place]))
    place, _ = max(counted, key=lambda level: level[1].throughput.window.output_tok_s or 0.0)
    return LevelInFull(place, "the highest output throughput")


def _doubt(summary: LevelSummary) -> str:
    return ", on too few requests to settle it" if summary.unsettled else ""
