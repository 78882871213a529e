"""Flips between two states of the data, planted: which verdict, its margins, and by whose software."""

from __future__ import annotations

import pytest

from paretoken.answers.data_diff import DataDiffQuestion, data_diff
from paretoken.errors import NoData, UnknownName
from paretoken.points.files import write_points
from tests.support.points import row, table

USERS = (4, 8, 16, 32, 64)


def curve(accelerator: str, scale: float, **changes):
    """A concave curve: E2E from 4 s up, throughput per GPU as the scale says."""
    return [
        row(
            accelerator=accelerator,
            concurrency=float(n),
            median_e2e_s=2 * n**0.5,
            median_tpot_s=0.002 * n**0.5,
            median_ttft_s=0.05,
            total_tput_per_gpu_tok_s=scale * 30 * n**0.5,
            **changes,
        )
        for n in USERS
    ]


@pytest.fixture
def states(tmp_path):
    """Two files: the MI355X is behind with vLLM 0.10 and ahead with 0.12; the H200 is the same."""
    h200 = curve("H200", 1.0, engine_version="0.10.0", date="2026-01-05")
    old = curve("MI355X", 0.5, engine_version="0.10.0", date="2026-01-05")
    new = curve("MI355X", 3.0, engine_version="0.12.0", date="2026-04-01")
    write_points(table(*h200, *old), tmp_path / "before.parquet")
    write_points(table(*h200, *new), tmp_path / "after.parquet")
    (tmp_path / "study.toml").write_text(
        'models = ["llama-3-70b"]\nworkloads = ["chat"]\ne2e_s = [8.0]\ninteractivity_tok_s = [100.0]\n'
    )
    return tmp_path


def diff(folder, before="before.parquet", after="after.parquet"):
    return data_diff(
        DataDiffQuestion(before=str(folder / before), after=str(folder / after), study=str(folder / "study.toml"))
    )


def test_a_planted_flip_names_the_accelerator_and_its_releases(states):
    answer = diff(states)
    flips = [c for c in answer.changes if c.kind == "flipped"]
    assert answer.flipped == len(flips) >= 2 and {c.axis for c in flips} == {"e2e", "interactivity"}
    for change in flips:
        assert change.before.winner == "H200" and change.after.winner == "MI355X"
        assert change.by.accelerator == "MI355X" and change.by.throughput == pytest.approx(6.0)
        assert "0.10.0" in change.by.software_before and "0.12.0" in change.by.software_after
        assert change.before.margin > 0 and change.after.margin > 0


def test_there_and_back_flips_the_same_verdicts(states):
    forth, back = diff(states), diff(states, "after.parquet", "before.parquet")
    assert forth.flipped == back.flipped and forth.compared == back.compared
    assert back.changes[0].by.throughput == pytest.approx(1 / 6)


def test_a_state_does_not_differ_from_itself(states):
    answer = diff(states, after="before.parquet")
    assert not answer.changes and answer.compared >= 2


def test_a_winner_without_data_before_is_the_reason(states):
    write_points(table(*curve("H200", 1.0)), states / "alone.parquet")
    (first, *_) = diff(states, before="alone.parquet").changes
    assert first.kind == "flipped" and first.by.accelerator == "MI355X"
    assert first.by.engine_before is None and first.by.throughput is None


def test_margins_that_move_are_listed_after_the_flips(states):
    faster = curve("MI355X", 3.6, engine_version="0.13.0", date="2026-05-01")
    write_points(table(*curve("H200", 1.0), *faster), states / "later.parquet")
    answer = diff(states, before="after.parquet", after="later.parquet")
    assert {c.kind for c in answer.changes} == {"margin"} and answer.flipped == 0
    assert answer.changes[0].by.throughput == pytest.approx(1.2)


def test_a_cell_that_only_one_state_has(states):
    write_points(table(*curve("H200", 1.0, model="llama-3.1-405b")), states / "other.parquet")
    (states / "study.toml").write_text('workloads = ["chat"]\ne2e_s = [8.0]\ninteractivity_tok_s = [100.0]\n')
    kinds = {(c.model, c.kind) for c in diff(states, after="other.parquet").changes}
    assert kinds == {("llama-3-70b", "gone"), ("llama-3.1-405b", "new")}


def test_days_of_the_shipped_points():
    answer = data_diff(DataDiffQuestion(before="2026-02-01", after="2026-06-01"))
    assert answer.compared > 50 and answer.flipped == sum(c.kind == "flipped" for c in answer.changes) > 0


def test_names_that_are_no_state_are_refused(states):
    with pytest.raises(UnknownName, match="bundle, day or file"):
        data_diff(DataDiffQuestion(before="2026-02-01", after="junee"))


def test_a_study_without_a_cell_in_either(states):
    (states / "study.toml").write_text('models = ["llama-3-70b"]\nworkloads = ["8k/1k"]\n')
    with pytest.raises(NoData, match="neither"):
        diff(states)
