"""What a run says of its levels together: repeats, operating points, the answer of a search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from paretoken.bench.config import BenchConfig
from paretoken.bench.quick_climb import climb_answer
from paretoken.bench.run_folder import POINTS, SUMMARY
from paretoken.bench.schedule import SearchOutcome, search_of
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.point import points_frame
from paretoken.bench.stats.repeats import merged_points, repeated
from paretoken.bench.stats.sweep_summary import SearchAnswer, SweepSummary
from paretoken.points.files import read_points
from paretoken.points.schema import conform
from paretoken.receipts.differences import NOTHING, Comparison, compared


def check_run_files(
    run: Path, recorded: Sequence[LevelSummary], recomputed: Sequence[LevelSummary], config: BenchConfig
) -> Comparison:
    """The summary and the points of a run: its levels against those on disk, all else against the recomputed ones."""
    return _check_sweep(run, recorded, recomputed, config) + _check_points(run, recomputed)


def recomputes_answer(config: BenchConfig, answer: SearchAnswer | None) -> bool:
    """Whether the answer of a run follows from its levels and its settings: why the climb
    of a campaign ended does not."""
    return answer is None or (config.search is not None and answer.get("kind") == config.search)


def _check_sweep(
    run: Path, recorded: Sequence[LevelSummary], summaries: Sequence[LevelSummary], config: BenchConfig
) -> Comparison:
    if not (run / SUMMARY).is_file():
        return NOTHING
    sweep = SweepSummary.read(run / SUMMARY)
    answer = sweep.answer
    if answer is not None and recomputes_answer(config, answer):
        answer = _answer(config, summaries, of_climb="doubts" not in answer)
    whole = SweepSummary(levels=tuple(recorded), repeats=tuple(repeated(summaries)), answer=answer)
    return compared(SUMMARY, sweep, whole)


def _answer(config: BenchConfig, summaries: Sequence[LevelSummary], *, of_climb: bool) -> SearchAnswer | None:
    """The answer of a search after these levels; that of the climb of `quick` has no doubts of its own."""
    if of_climb:
        return climb_answer({s.load.users or 0: s for s in summaries}, config.slo)
    search = search_of(config)
    if search is None:
        return None
    outcome = SearchOutcome(search, config.slo)
    for summary in summaries:
        outcome.observe(int(summary.load.size) if search.whole else summary.load.size, summary)
    return outcome.answer()


def _check_points(run: Path, summaries: Sequence[LevelSummary]) -> Comparison:
    if not (run / POINTS).is_file():
        return NOTHING
    recorded = conform(read_points(run / POINTS, keep_going=True)[0])
    rows = [point for point in merged_points(summaries) if point["osl"] is not None]
    return compared(POINTS, recorded.to_dicts(), points_frame(rows).to_dicts())
