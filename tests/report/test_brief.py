"""The few lines of `paretoken study`: the counts of the report's headline, whoever meets whom."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from paretoken.answers.study.result import StudyResult
from paretoken.points.files import write_points
from paretoken.report.brief import MOST_PLACES, BriefBound, Place, brief, brief_lines
from paretoken.report.text import answer
from tests.support.planted import STEADY, curve, planted_study, times
from tests.support.points import table

Plant = Callable[..., StudyResult]
ONE_KIND = {"scenarios": ["like-for-like"], "e2e_s": [5.0, 20.0]}


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return partial(planted_study, tmp_path / "points.parquet", **ONE_KIND)


def lines_of(result: StudyResult) -> list[str]:
    return [line.replace("\u00a0", " ") for line in brief_lines(brief(result))]


def test_the_vendor_that_wins_and_by_how_much(plant: Plant) -> None:
    """B200 gives four times the tokens for more money; both limits are its own."""
    result = plant(curve("B200", times(STEADY, 4)), curve("MI355X", STEADY))
    (bound,) = brief(result).bounds
    prices = result.tariffs[0].usd_per_gpu_h
    assert [(w.name, w.count) for w in bound.wins] == [("NVIDIA", 2)]
    assert bound.wins[0].margin == pytest.approx(4 * prices["MI355X"] / prices["B200"] - 1)
    assert lines_of(result)[0] == (
        "NVIDIA has the cheapest tokens in 2 of 2 comparisons between vendors with plain serving."
    )


def test_where_the_other_vendor_wins_is_named(plant: Plant) -> None:
    flat = [(5, 2000), (10, 2100), (20, 2200), (40, 2300)]
    rising = times(STEADY, 5)
    limits = {"e2e_s": [5.0, 6.0, 40.0], "scenarios": ["everything"]}
    result = plant(curve("B200", flat), curve("MI355X", rising), **limits)
    (bound,) = brief(result).bounds
    first, other = bound.wins
    assert (first.count, other.count) == (2, 1)
    (place,) = bound.places[other.name]
    assert (place.wins, place.comparisons) == (1, 3)
    assert f"Where {other.name} wins: Llama 3.1/3.3 70B FP8 (1 of 3) with the best known serving." in lines_of(result)


def test_one_vendor_alone_is_compared_by_accelerator(plant: Plant) -> None:
    result = plant(curve("B200", times(STEADY, 4)), curve("H200", STEADY))
    assert brief(result).between == "accelerators"
    assert lines_of(result)[0] == (
        "B200 has the cheapest tokens in 2 of 2 comparisons between accelerators with plain serving."
    )


def test_one_accelerator_has_no_one_to_be_compared_with(plant: Plant) -> None:
    headline, basis = lines_of(plant(curve("B200", STEADY)))
    assert headline == "No limit of end-to-end latency has data of two accelerators that can be compared."
    assert "4 points" in basis


def test_equal_cost_is_a_tie(plant: Plant) -> None:
    prices = plant(curve("B200", STEADY)).tariffs[0].usd_per_gpu_h
    level = times(STEADY, prices["MI355X"] / prices["B200"])
    (bound,) = brief(result := plant(curve("B200", STEADY), curve("MI355X", level))).bounds
    assert (bound.wins, bound.ties) == ((), 2)
    assert lines_of(result)[:2] == [
        "Tokens cost the same in 2 of 2 comparisons between vendors with plain serving.",
        "Plain serving: 2 ties.",
    ]


def test_more_places_than_are_named_are_counted(monkeypatch: pytest.MonkeyPatch, plant: Plant) -> None:
    from paretoken.report import brief as module

    places = tuple(Place(f"model {i}", 2, 5) for i in range(MOST_PLACES + 2))
    bound = BriefBound(scenario="like-for-like", comparisons=30, wins=(), places={"AMD": places})
    (line,) = module._places_line([bound])
    assert line.endswith("model 3 (2 of 5) and 4 elsewhere with plain serving.")


def test_the_counts_are_those_of_the_reports_headline(default_result: StudyResult) -> None:
    sentences = " ".join(answer(default_result)).replace("\u00a0", " ")
    for bound in brief(default_result).bounds:
        assert f"{bound.wins[0].count} of {bound.comparisons}" not in ("0 of 0", "")
        assert f"in {bound.wins[0].count} of {bound.comparisons}" in sentences
        assert f"{bound.fragile} of {bound.comparisons}" in sentences
        for vendor in bound.wins[1:]:
            assert f"{vendor.name} in {vendor.count}" in sentences


def test_the_default_study_is_answered_in_seven_lines(default_result: StudyResult) -> None:
    lines = [*lines_of(default_result), "Report: out/report.html"]
    assert 5 <= len(lines) <= 7
    assert sum(len(textwrap.wrap(line, 80)) for line in lines) <= 14


def test_the_verb_prints_the_lines_and_with_all_the_table(call, tmp_path: Path) -> None:
    write_points(table(*curve("B200", times(STEADY, 4)), *curve("MI355X", STEADY)), tmp_path / "p.parquet")
    study = tmp_path / "s.toml"
    own = 'published = false\nsuspicious = true\npoints = ["p.parquet"]\n'
    study.write_text(f'name = "s"\nmodels = ["llama-3-70b"]\ndraws = 100\n{own}')
    code, short, err = call(f"study {study} --out {tmp_path / 'out'}")
    assert code == 0, err
    assert short.startswith("NVIDIA has the cheapest tokens in ")
    assert short.rstrip().endswith(f"Report: {tmp_path / 'out' / 'report.html'} (--all prints the table)")
    assert len(short.splitlines()) <= 7
    code, whole, _ = call(f"study {study} --out {tmp_path / 'out'} --all")
    assert code == 0
    assert "cheapest tokens by end-to-end latency limit" in whole
    assert short.splitlines()[0] in whole
    code, out, _ = call(f"study {study} --out {tmp_path / 'out'} --json")
    assert code == 0
    assert json.loads(out)["answer"]["between"] == "vendors"
