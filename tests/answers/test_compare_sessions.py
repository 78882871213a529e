"""Comparisons under workloads of sessions: predicted points, the cost of a session, and what refuses them."""

from __future__ import annotations

import shlex

import orjson
import polars as pl
import pytest

from paretoken.answers import session_points
from paretoken.answers.breakeven import BreakevenQuestion, breakeven
from paretoken.answers.compare import CompareQuestion, compare
from paretoken.answers.frontier import FrontierQuestion, frontiers
from paretoken.answers.points import Data
from paretoken.answers.seam import to_json
from paretoken.answers.session_points import session_cells, session_set
from paretoken.answers.study.config import Study
from paretoken.answers.study.run import run_study
from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig, NoData
from paretoken.points.published import published_points
from paretoken.points.schema import of_single_requests
from paretoken.sessions.label import workload_label
from tests.support.session_predictions import simulate_here

CATALOG = load_catalog()
RAG = {"model": "llama-3-70b", "precision": "fp8", "workload": "rag", "accelerators": ("H200", "MI300X")}


@pytest.fixture(scope="module")
def data() -> Data:
    """Points of two accelerators with one engine at three loads, simulated in this process."""
    with pytest.MonkeyPatch.context() as patch:
        simulate_here(patch, users=(1, 8, 64))
        data = Data(CATALOG, published_points())
        compare(CompareQuestion(**RAG, engines=("vllm",), interactivity=1), data)
    return data


@pytest.fixture
def answer(data):
    return compare(CompareQuestion(**RAG, engines=("vllm",), interactivity=30), data)


def test_candidates_are_predicted_points_of_the_workload(answer):
    assert {c.accelerator for c in answer.candidates} == {"H200", "MI300X"}
    assert {c.origin for c in (*answer.candidates, *answer.other_engines)} == {"predicted"}
    assert answer.workload == "rag" and answer.best_known is None
    assert all(c.interactivity_tok_s >= 30 for c in answer.candidates)


def test_a_session_costs_its_tokens(answer):
    for c in answer.candidates:
        s = c.session
        assert s.usd_per_session == pytest.approx(c.usd_per_mtok_total * answer.tokens_per_session / 1e6)
        assert s.usd_per_session == pytest.approx(c.usd_per_gpu_h / s.sessions_per_gpu_hour)
        assert 0 < s.cached_share <= s.possible_share < 0.3
        assert 0 < s.median_session_s <= s.p90_session_s


def test_every_row_names_a_command_that_gives_its_figures(data, answer, call):
    """Also where the price is your own: the verdict, the row and the replay are one point."""
    own = compare(
        CompareQuestion(**RAG, engines=("vllm",), interactivity=30, price_usd_per_gpu_h={"MI300X": 0.5}), data
    )
    assert (own.winner, own.candidates[0].accelerator) == ("MI300X", "MI300X")
    for c in (*answer.candidates, *own.candidates):
        program, verb, *options = shlex.split(c.session.predict_command)
        assert (program, verb) == ("paretoken", "predict")
        code, out, err = call(shlex.join([verb, *options, "--json"]))
        assert code == 0, err
        (row,) = orjson.loads(out)["rows"]
        assert (row["concurrency"], row["n_gpus"], row["tp"]) == (c.session.users, c.session.gpus, c.session.tp)
        assert row["total_tput_per_gpu_tok_s"] == pytest.approx(c.tput_per_gpu, rel=1e-12)
        assert row["usd_per_mtok"] == pytest.approx(c.usd_per_mtok_total, rel=1e-12)
        assert row["usd_per_session"] == pytest.approx(c.session.usd_per_session, rel=1e-12)
        assert row["sessions_per_gpu_h"] == pytest.approx(c.session.sessions_per_gpu_hour, rel=1e-12)
        assert row["session_s"]["p90"] == pytest.approx(c.session.p90_session_s, rel=1e-12)
        stated = {name for name, value in row["settings"].items() if value["origin"] == "stated"}
        assert len(stated) == len(c.session.settings)


def test_the_verdict_is_the_first_row(answer):
    first, second = answer.candidates
    assert answer.winner == first.accelerator
    assert answer.margin == pytest.approx(second.usd_per_mtok_total / first.usd_per_mtok_total - 1)
    assert first.usd_per_mtok_total == first.usd_per_mtok_recommended


def test_json_says_so(answer):
    dumped = to_json(answer)
    assert dumped["workload"] == "rag" and dumped["candidates"][0]["session"]["usd_per_session"] > 0
    fixed = compare(CompareQuestion(model="llama-3-70b", precision="fp8", workload="chat", e2e_s=20))
    assert "workload" not in to_json(fixed) and to_json(fixed)["candidates"][0]["session"] is None


def test_the_time_of_a_session_is_a_limit(data):
    tight = compare(CompareQuestion(**RAG, engines=("vllm",), interactivity=1, slo="session_p90=3600s"), data)
    assert all(c.session.p90_session_s <= 3600 for c in tight.candidates)
    with pytest.raises(NoData, match=r"nothing serves llama-3-70b fp8 rag with .*session time p90 at most 1 s"):
        compare(CompareQuestion(**RAG, engines=("vllm",), interactivity=1, slo="session_p90=1s"), data)


def test_points_of_fixed_lengths_never_answer_for_sessions(data):
    (of_sessions,) = data.of_sessions.values()
    rows = of_sessions.points.filter(~of_single_requests())
    label = workload_label("rag", CATALOG.session_workloads["rag"])
    assert of_sessions.sessions.label == label  # no session of it fills the context
    assert set(rows["workload"]) == {label} and set(rows["origin"]) == {"predicted"}
    assert of_sessions.points.filter(of_single_requests()).height == data.points.height


def test_points_are_kept(data, monkeypatch):
    monkeypatch.setattr(session_points, "session_set", None)
    compare(CompareQuestion(**RAG, engines=("vllm",), interactivity=20), data)


@pytest.mark.parametrize(
    ("ask", "question"),
    [
        (frontiers, FrontierQuestion(model="llama-3-70b", precision="fp8", workload="agent-code")),
        (
            breakeven,
            BreakevenQuestion(
                model="llama-3-70b",
                precision="fp8",
                workload="agent-code",
                accelerator="H200",
                against="MI300X",
                rent_usd=2.0,
            ),
        ),
    ],
)
def test_other_verbs_refuse_in_one_sentence(ask, question):
    with pytest.raises(
        BadConfig,
        match=r"agent-code is a workload of sessions, which is not possible here; compare, predict and bench take it",
    ):
        ask(question)


def test_lengths_beside_sessions_are_refused():
    with pytest.raises(BadConfig, match=r"give 'workload', or 'isl' and 'osl', not both"):
        compare(CompareQuestion(model="llama-3-70b", precision="fp8", workload="rag", isl=1024, osl=1024, e2e_s=9))


def test_cells_are_those_with_points_of_the_model():
    cells = session_cells(published_points(), CATALOG, model="llama-3-70b", precision="fp8")
    rows = published_points().filter(pl.col("model") == "llama-3-70b", pl.col("precision") == "fp8")
    assert {(c.accelerator, c.engine) for c in cells} <= set(rows.select("accelerator", "engine").iter_rows())
    assert {"H200", "MI300X", "B200"} <= {c.accelerator for c in cells}
    (own,) = session_cells(
        published_points(), CATALOG, model="llama-3-70b", precision="fp8", accelerators=("A100",), engines=("vllm",)
    )
    assert own.accelerator == "A100"


def test_one_of_several_precisions_must_be_chosen():
    with pytest.raises(BadConfig, match=r"has points in .*; choose one with --precision"):
        session_cells(published_points(), CATALOG, model="llama-3-70b", precision=None)


def test_no_room_for_a_context_says_why():
    cells = session_cells(
        published_points(), CATALOG, model="llama-3.1-405b", precision="bf16", accelerators=("L40S",), engines=("vllm",)
    )
    with pytest.raises(NoData, match=r"no deployment of llama-3.1-405b serves agent-code: L40S: "):
        session_set("agent-code", cells, CATALOG, processes=1)


def test_a_study_has_panels_of_sessions(data, monkeypatch):
    simulate_here(monkeypatch, users=(1, 8))
    study = Study(
        models=["llama-3-70b"],
        precisions=["fp8"],
        workloads=["rag"],
        accelerators=["H200"],
        engines=["vllm"],
        draws=10,
        outlooks=[],
    )
    (panel,) = run_study(study).panels
    assert panel.workload == "Retrieval-augmented answers (sessions)" and panel.selection.workload.startswith("rag#")
    assert set(panel.points["origin"]) == {"predicted"}
    assert {p.origin for p in panel.frontier} == {"predicted"}
