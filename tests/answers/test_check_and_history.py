"""The questions of `check` and `history` as JSON: made from it, answered into it, described by a schema."""

from __future__ import annotations

import pytest

from paretoken.answers.check import CheckQuestion, check
from paretoken.answers.history import HistoryQuestion, history
from paretoken.answers.points import Data
from paretoken.answers.seam import json_schema, question_from_json, to_json
from paretoken.errors import BadConfig
from paretoken.points.published import published_points
from tests.support.runs import ladder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [ladder(folder / f"run{seed}", (4, 8, 16), seed=seed) for seed in range(3)]


@pytest.mark.parametrize("kind", [CheckQuestion, HistoryQuestion])
def test_a_question_has_a_schema_and_refuses_other_keys(kind):
    assert json_schema(kind)["additionalProperties"] is False
    with pytest.raises(BadConfig, match=f"{kind.__name__}: "):
        question_from_json(kind, {"nonsense": 1})


def test_a_check_needs_both_sides():
    with pytest.raises(BadConfig, match="runs"):
        question_from_json(CheckQuestion, {"runs": [], "baselines": ["a"]})


def test_one_question_at_latency_and_at_load(runs):
    """The same runs, the same rule: equal runs do not regress in either way, and say what was compared."""
    asked = {"runs": [str(runs[0])], "baselines": [str(run) for run in runs[1:]]}
    at_latency = check(question_from_json(CheckQuestion, asked))
    at_load = check(question_from_json(CheckQuestion, asked | {"at": "load"}))
    assert at_latency.regressions == at_load.regressions == ()
    assert at_latency.comparisons == len(at_latency.changes) == 3 and at_latency.comparison is None
    assert at_load.comparisons == len(at_load.comparison.differences) > 3 and at_load.changes == ()
    changes = to_json(at_latency)["changes"]
    assert [c["change"] for c in changes] == [c.after / c.before - 1 for c in at_latency.changes]
    assert {len(to_json(at_load)["comparison"][key]) for key in ("unmatched", "failed")} == {0}


def test_several_baseline_runs_are_repeats(runs):
    one = check(CheckQuestion(runs=(runs[0],), baselines=(runs[1],), at="load"))
    two = check(CheckQuestion(runs=(runs[0],), baselines=(runs[1], runs[2]), at="load"))
    assert {d.basis for d in one.comparison.differences} == {"blocks within one run each"}
    assert "2 against 1 repeats" in {d.basis for d in two.comparison.differences}


def test_at_load_takes_no_latency(runs):
    with pytest.raises(BadConfig, match="takes no latency"):
        check(CheckQuestion(runs=(runs[0],), baselines=(runs[1],), at="load", e2e_s=(5.0,)))


def test_history_from_data_at_hand(catalog):
    data = Data(catalog, published_points())
    question = question_from_json(HistoryQuestion, {"model": "deepseek-r1", "engine": "sglang", "steps_only": True})
    answer = history(question, data)
    assert answer.series and all(s.steps for s in answer.series)
    first = to_json(answer)["series"][0]
    assert set(first) == {"of", "dates", "values", "engine_versions", "steps"}
    assert first["steps"][0]["date"] in first["dates"]
