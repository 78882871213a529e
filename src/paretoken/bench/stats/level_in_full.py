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

    Without output tokens, as of embeddings, the requests per second decide. None without a level that counts, and where
    loads were repeated, since one repeat does not represent the others.
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
        number = max(within)[2]
        return LevelInFull(number, "the highest load within the SLOs" + _doubt(summaries[number]))
    windows = [(i, s.throughput.window) for i, s in counted]
    if any(window.output_tok_s for _, window in windows):
        return LevelInFull(max(windows, key=lambda w: w[1].output_tok_s or 0.0)[0], "the highest output throughput")
    return LevelInFull(max(windows, key=lambda w: w[1].requests_s or 0.0)[0], "the most requests per second")


def _doubt(summary: LevelSummary) -> str:
    return ", on too few requests to settle it" if summary.unsettled else ""
