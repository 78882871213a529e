"""Disaggregated frontiers of a study: only where it asks, against its own points, and part of no verdict."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from paretoken.answers.study import pooled
from paretoken.answers.study.config import Predicted, Study, load_study
from paretoken.answers.study.pooled import pooled_cells, pooled_table
from paretoken.answers.study.run import run_study
from paretoken.answers.study.tables import study_tables, verdicts
from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig, NoData
from paretoken.points.published import published_points
from tests.support.planted import TODAY
from tests.support.pooled import planted_frontiers

MATRIX = {
    "models": [("deepseek-r1", "fp4")],
    "workloads": ["8192/1024"],
    "accelerators": ["GB200"],
    "engines": ["trtllm"],
    "disaggregated_gpus": 8,
}


@pytest.fixture
def searches(monkeypatch):
    """The questions of the searches, which are not run."""
    questions = []
    monkeypatch.setattr(pooled, "search_disaggregated", lambda question, _: questions.append(question))
    monkeypatch.setattr(pooled, "search_frontiers", lambda *_: planted_frontiers())
    return questions


def cells(**changed):
    return pooled_cells(published_points(), Predicted(**{**MATRIX, **changed}), load_catalog())


def test_nothing_is_searched_unless_the_study_asks(searches):
    assert pooled_cells(published_points(), None, load_catalog()) == ()
    assert cells(disaggregated_gpus=None) == () and searches == []


def test_a_cell_for_each_engine_that_disaggregates_there_once(searches):
    one, two = cells(engines=["trtllm", "dynamo-trtllm", "sglang", "vllm"], accelerators=["GB200"])[:2]
    assert (one.engine, two.engine) == ("dynamo-trtllm", "dynamo-sglang")
    assert [q.engine for q in searches][:2] == ["dynamo-trtllm", "dynamo-sglang"]
    assert {(q.gpus, q.isl, q.osl, q.length_range_ratio) for q in searches} == {(8, 8192, 1024, 0.8)}


def test_an_accelerator_without_such_an_engine_says_why(searches):
    (cell,) = cells(accelerators=["MI355X"])
    assert searches == [] and cell.frontiers is None
    assert "does not serve disaggregated on AMD" in cell.why_not


@pytest.mark.parametrize("error", [NoData("nothing meets it"), BadConfig("does not fit")])
def test_a_search_without_result_says_why(monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr(pooled, "search_disaggregated", refuse)
    (cell,) = cells()
    assert cell.frontiers is None and cell.why_not == str(error)


def test_points_over_the_curve_are_those_of_the_study(searches):
    cell = published_points().filter(accelerator="GB200", model="deepseek-r1", precision="fp4", isl=8192, osl=1024)
    own = cell.filter(disaggregated=True, speculation="none").with_columns(origin=pl.lit("measured"))
    (cell,) = pooled_cells(own, Predicted(**MATRIX), load_catalog())
    assert {r.origin for r in cell.frontiers.measured} == {"measured"}
    (cell,) = pooled_cells(own.clear(), Predicted(**MATRIX), load_catalog())
    assert cell.frontiers.measured == ()


def test_the_table_has_a_row_for_every_point_with_its_serving_and_origin(searches):
    (cell,) = cells()
    rows = pooled_table((replace(cell, frontiers=planted_frontiers()), replace(cell, frontiers=None, why_not="…")))
    assert [(r["serving"], r["origin"]) for r in rows] == [
        *[("disaggregated", "predicted")] * 3,
        *[("aggregated", "predicted")] * 2,
        ("disaggregated", "published"),
        ("disaggregated", "measured"),
        ("aggregated", "published"),
    ]
    assert rows[0]["layout"] == "4xDEP4+1xDEP32" and rows[0]["n_gpus"] == 48
    assert rows[0]["total_tput_per_gpu_tok_s_lo"] < rows[0]["total_tput_per_gpu_tok_s"]
    assert rows[5]["total_tput_per_gpu_tok_s_lo"] is None and rows[5]["source"] == "somebody"
    assert len({tuple(r) for r in rows}) == 1


@pytest.mark.parametrize("gpus", [1, 100_000])
def test_a_count_of_gpus_out_of_range_is_refused(tmp_path, gpus):
    path = tmp_path / "study.toml"
    fields = "".join(f"{k} = []\n" for k in ("models", "workloads", "accelerators", "engines"))
    path.write_text(f"[predict]\n{fields}disaggregated_gpus = {gpus}\n", encoding="utf-8")
    with pytest.raises(BadConfig, match="disaggregated_gpus"):
        load_study(path)


def test_the_search_has_the_limits_of_the_study_or_the_default_one(searches):
    cells()
    cells(disaggregated_slo="ttft=2s,interactivity=20")
    assert [q.slo_in_force() for q in searches] == ["ttft=5s", "ttft=2s,interactivity=20"]
    with pytest.raises(BadConfig, match="unknown SLO metric"):
        cells(disaggregated_slo="speed=3")


@pytest.mark.slow
def test_no_verdict_rests_on_a_disaggregated_prediction():
    base = Study(models=["deepseek-r1"], precisions=["fp4"], workloads=["8192/1024"], draws=200, outlooks=[])
    off, on = (
        run_study(
            base.model_copy(update={"predict": Predicted(**{**MATRIX, "users": [64], "disaggregated_gpus": gpus})}),
            today=TODAY,
        )
        for gpus in (None, 8)
    )
    assert off.pooled == () and "disaggregated" not in study_tables(off)
    (cell,) = on.pooled
    assert all(r.n_gpus <= 8 and r.origin == "predicted" for r in cell.frontiers.predicted)
    assert {r.origin for r in cell.frontiers.measured} == {"published"}
    assert study_tables(on)["disaggregated"]
    assert verdicts(on) == verdicts(off) and on.n_predicted == off.n_predicted
