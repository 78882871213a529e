"""What a run says of its levels together: its answer by its settings, and which values count as figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from paretoken.bench.quick_climb import climb_answer
from paretoken.bench.run_folder import SUMMARY, RunFolder
from paretoken.bench.schedule import SearchOutcome, search_of
from paretoken.receipts.differences import _leaves, plain
from paretoken.receipts.figures import is_figure, is_point_figure
from paretoken.receipts.verify import _AS_RECORDED, verify_run
from tests.support.sealed_runs import (
    CONFIG,
    edit,
    figures,
    forge,
    sealed_run,
)


def test_the_answer_of_a_search_follows_from_its_levels(tmp_path):
    run = searched(tmp_path / "run")
    assert RunFolder(run).search_answer()["users"] == 4 and verify_run(run).verdict == "verified"
    edit(run / SUMMARY, lambda s: s["answer"].update(users=2))
    assert figures(verify_run(run)) == {"answer.users"}


def test_the_answer_of_quick_follows_from_its_levels(tmp_path):
    config = replace(CONFIG, search="slo", slo="ttft_p90=1s,tpot_p50=1s")
    run = sealed_run(tmp_path / "run", (1, 2), config=config)
    answer = climb_answer({level.summary.load.users: level.summary for level in RunFolder(run).levels()}, config.slo)
    RunFolder(run).refresh(answer)
    assert answer["users"] == 2 and verify_run(run).verdict == "verified"
    edit(run / SUMMARY, lambda s: s["answer"].update(users=4))
    assert figures(verify_run(run)) == {"answer.users"}


def searched(path: Path, users: tuple[int, ...] = (1, 2, 4)) -> Path:
    """A run of a search that ended, its answer the greatest of these loads."""
    config = replace(CONFIG, search="slo", concurrency="1:4:x2", slo="ttft_p90=1s")
    run = sealed_run(path, users, config=config)
    outcome = SearchOutcome(search_of(config), config.slo)
    for level in RunFolder(run).levels():
        outcome.observe(level.summary.load.users, level.summary)
    RunFolder(run).refresh(outcome.answer())
    return run


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {"kind": "climb", "users": 9999},
        {"kind": "climb", "ended": "throughput no longer grows"},
        {"kind": "knee", "users": 9999},
        {"kind": "knee", "users": 4, "steps": 3, "doubts": []},
        {"kind": "slo", "users": 9999, "steps": 3, "slo": "ttft_p90=1s"},
    ],
)
def test_no_other_answer_of_a_search_is_taken_as_recorded(tmp_path, answer):
    run = searched(tmp_path / "run")
    edit(run / SUMMARY, lambda s: s.update(answer=answer))
    forge(run)
    result = verify_run(run)
    assert not result.hashes.faults and result.verdict == "differs"
    assert all(figure.startswith("answer") for figure in figures(result))


def test_a_search_that_was_cut_has_no_answer_and_says_so(tmp_path):
    run = searched(tmp_path / "run", (1,))
    edit(run / SUMMARY, lambda s: s.update(answer=None))
    forge(run)
    result = verify_run(run)
    assert result.verdict == "verified" and any("no answer" in taken for taken in result.taken)


@pytest.mark.parametrize("answer", [{"kind": "climb", "users": 9999, "ended": "x"}, {"kind": "slo", "users": 9999}])
def test_a_run_without_a_search_has_no_answer_with_a_load(run, answer):
    edit(run / SUMMARY, lambda s: s.update(answer=answer))
    forge(run)
    assert verify_run(run).verdict == "differs"
    edit(run / SUMMARY, lambda s: s.update(answer={"kind": "climb", "ended": "throughput no longer grows"}))
    forge(run)
    result = verify_run(run)
    assert result.verdict == "verified" and any("climb" in taken for taken in result.taken)


def test_only_recomputed_numbers_count_as_figures(sound):
    """One more level adds its numbers once, however often summary.json repeats it."""
    result = verify_run(sound)
    numbers = [
        (path, value)
        for summary in result.summaries
        for path, value in _leaves(plain(summary), "")
        if is_figure(path, value) and path.split(".")[0] not in _AS_RECORDED
    ]
    rows = pl.read_parquet(sound / "points.parquet").to_dicts()
    of_points = [name for row in rows for name, value in row.items() if is_point_figure(name, value)]
    assert result.figures == len(numbers) + len(of_points)
    copies = json.loads((sound / SUMMARY).read_text())["levels"]
    assert result.copies == len(list(_leaves(copies, "levels")))
    paths = {path.partition("[")[0] for path, _ in numbers}
    assert not {p for p in paths if p.startswith(("config", "warnings", "seed", "n_gpus", "load", "columns", "SCHEMA"))}


def test_a_changed_copy_of_a_figure_differs(run):
    edit(run / SUMMARY, lambda s: s["levels"][0]["latency"]["ttft_s"].update(mean=1.0))
    forge(run)
    assert figures(verify_run(run)) == {"levels[0].latency.ttft_s.mean"}
