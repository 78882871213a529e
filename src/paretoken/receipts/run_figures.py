"""What a run says of its levels together: repeats, operating points, the answer of a search."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
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
from paretoken.receipts.differences import NOTHING, Comparison, copied_values, recomputed_values
from paretoken.receipts.figures import is_point_figure


def check_run_files(
    run: Path, recorded: Sequence[LevelSummary], recomputed: Sequence[LevelSummary], config: BenchConfig
) -> Comparison:
    """The summary and the points of a run: its levels against those on disk, all else against the recomputed ones."""
    return _check_sweep(run, recorded, recomputed, config) + _check_points(run, recomputed)


def answer_as_recorded(run: Path, config: BenchConfig, summaries: Sequence[LevelSummary]) -> str | None:
    """What of a run's answer had to be taken as recorded; None where all of it follows from the levels."""
    if not (run / SUMMARY).is_file():
        return None
    answer = SweepSummary.read(run / SUMMARY).answer
    if config.search is None:
        return "why the climb of the campaign ended" if _is_end_of_climb(answer) else None
    if answer is None and _expected_answer(config, None, summaries) is None:
        return "that the search was cut: it has no answer, and its levels do not end it"
    return None


def _check_sweep(
    run: Path, recorded: Sequence[LevelSummary], summaries: Sequence[LevelSummary], config: BenchConfig
) -> Comparison:
    if not (run / SUMMARY).is_file():
        return NOTHING
    sweep = SweepSummary.read(run / SUMMARY)
    before = {"repeats": sweep.repeats, "answer": sweep.answer}
    after = {"repeats": repeated(summaries), "answer": _expected_answer(config, sweep.answer, summaries)}
    return copied_values(SUMMARY, sweep.levels, recorded, "levels") + recomputed_values(SUMMARY, before, after)


def _expected_answer(
    config: BenchConfig, answer: SearchAnswer | None, summaries: Sequence[LevelSummary]
) -> SearchAnswer | None:
    """The answer that a run should state: the settings decide which, whatever kind the recorded one claims.

    Without a search there is none, but for why the climb of a campaign ended. A search that was cut has none yet.
    The answer of `quick`, whose settings are those of a search, has no doubts of its own.
    """
    search = search_of(config)
    if search is None:
        return answer if _is_end_of_climb(answer) else None
    observed = _observed(config, summaries)
    if answer is not None and config.search == "slo" and "doubts" not in answer:
        return climb_answer({s.load.users or 0: s for s in observed}, config.slo)
    outcome = SearchOutcome(search, config.slo)
    for summary in observed:
        outcome.observe(int(summary.load.size) if search.whole else summary.load.size, summary)
    stopped = len(observed) < len(summaries)
    return outcome.answer() if answer is not None or stopped or search.next_load() is None else None


def _is_end_of_climb(answer: SearchAnswer | None) -> bool:
    """Whether an answer only says why a climb ended: it has no load that anybody could compare."""
    return answer is not None and set(answer) == {"kind", "ended"} and answer.get("kind") == "climb"


def _observed(config: BenchConfig, summaries: Sequence[LevelSummary]) -> list[LevelSummary]:
    """The levels that a search takes in: with `on_error` stop it ends at the first that failed."""
    return list(takewhile(lambda s: not (s.failed and config.on_error == "stop"), summaries))


def _check_points(run: Path, summaries: Sequence[LevelSummary]) -> Comparison:
    if not (run / POINTS).is_file():
        return NOTHING
    recorded = conform(read_points(run / POINTS, keep_going=True)[0])
    rows = [point for point in merged_points(summaries) if point["osl"] is not None]
    return recomputed_values(POINTS, recorded.to_dicts(), points_frame(rows).to_dicts(), is_point_figure)
