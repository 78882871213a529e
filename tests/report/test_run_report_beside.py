"""What a page of runs says beside their figures: what differs, the change at equal load, what is published."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

import click
import pytest

from paretoken.answers.check import CheckQuestion, check
from paretoken.cli.main import paretoken
from paretoken.report.run.change import change
from paretoken.report.run.differences import differences, question_of, questions
from paretoken.report.run.published import published_beside
from paretoken.report.run.reading import MeasuredRun, read_run, read_runs
from tests.report.test_run_report import words
from tests.support.html_pages import data_of, page_of
from tests.support.runs import COLUMNS, ladder, slower


def altered(run: MeasuredRun, config: dict | None = None, **columns: object) -> MeasuredRun:
    """The run with other settings and columns."""
    levels = tuple(replace(x, summary=replace(x.summary, columns={**x.summary.columns, **columns})) for x in run.levels)
    metadata = replace(run.metadata, config={**run.config, **(config or {})})
    return replace(run, levels=levels, metadata=metadata)


@pytest.fixture(scope="module")
def run(run_folders) -> MeasuredRun:
    return read_run(run_folders / "before")


@pytest.mark.parametrize(
    ("columns", "config", "row"),
    [
        ({"model": "qwen3-32b"}, {}, ("Question", "Model", ("llama-3-70b", "qwen3-32b"))),
        ({"precision": "bf16"}, {}, ("Question", "Precision", ("FP8", "BF16"))),
        ({"isl": 8192}, {}, ("Question", "Workload", ("ISL 1024, OSL 1024", "ISL 8192, OSL 1024"))),
        ({}, {"turns": "4"}, ("Question", "Workload", ("ISL 1024, OSL 1024", "ISL 1024, OSL 1024, 4 turns"))),
        ({"accelerator": "MI300X"}, {}, ("System", "Accelerator", ("H200", "MI300X"))),
        ({"engine_version": "0.12.0"}, {}, ("System", "Engine", ("vllm 0.11.0", "vllm 0.12.0"))),
        ({"tp": 4}, {}, ("System", "Tensor parallelism", ("8", "4"))),
        ({"speculative": "mtp"}, {}, ("System", "Speculative decoding", ("not stated", "mtp"))),
        ({}, {"workers": 4}, ("Measurement", "Client processes", ("1", "4"))),
        ({}, {"ignore_eos": False}, ("Measurement", "End-of-sequence ignored", ("yes", "no"))),
        (
            {},
            {"extra_body": '{"api_key": "sk-verysecret123"}'},
            ("Measurement", "Extra fields of the request", ("not stated", '{"api_key": "…"}')),
        ),
    ],
)
def test_each_difference_is_named_with_both_values(run, columns, config, row):
    (difference,) = differences([run, altered(run, config, **columns)])
    assert (difference.kind, difference.name, difference.values) == row
    assert len(questions([run, altered(run, config, **columns)])) == (2 if row[0] == "Question" else 1)


def test_equal_runs_differ_in_nothing_and_the_question_comes_first(run):
    assert differences([run, run]) == [] and differences([run]) == []
    rows = differences([run, altered(run, {"workers": 2}, tp=4, model="qwen3-32b")])
    assert [row.kind for row in rows] == ["Question", "System", "Measurement"]
    assert question_of(run) == "llama-3-70b FP8, ISL 1024, OSL 1024"


def test_runs_of_different_questions_are_not_in_one_chart(run_folders):
    page = page_of(run_folders / "before", run_folders / "talk")
    text = words(page)
    assert "These runs answer 2 different questions" in text
    assert text.index("What differs") < text.index("Best throughput") < text.index("Throughput against latency")
    assert [q["runs"] for q in data_of(page)["questions"]] == [[0], [1]]
    same = page_of(run_folders / "before", run_folders / "after")
    assert "All runs answer one question: llama-3-70b FP8, ISL 1024, OSL 1024." in words(same)
    assert [q["runs"] for q in data_of(same)["questions"]] == [[0, 1]]


def test_the_change_at_equal_load_is_that_of_check(run_folders):
    before, after = read_runs([run_folders / "before", run_folders / "after"])
    rows = change(before, after).rows
    question = CheckQuestion(baselines=(run_folders / "before",), runs=(run_folders / "after",), at="load")
    expected = check(question).comparison.differences
    assert len(rows) == len(expected) and {r.load for r in rows} == {"1 user", "4 users", "16 users"}
    for row, one in zip(rows, expected, strict=True):
        assert row.change.startswith(f"{one.change * 100:+.1f}".replace("-", "−"))
        assert row.verdict.split()[0] == ("within" if not one.significant else "better" if one.better else "worse")
    assert rows[0].figure == "Output throughput, tok/s" and "Median TTFT, ms" in {r.figure for r in rows}


def test_two_runs_lead_with_their_change(run_folders, tmp_path):
    """A run that takes half as long again is worse in all; equal runs differ in nothing, unlike ones have no lead."""
    ladder(tmp_path / "before", (8, 16))
    slower(tmp_path / "after", (8, 16))
    before, after = read_runs([tmp_path / "before", tmp_path / "after"])
    answer = change(before, after)
    n = len(answer.rows)
    lead = answer.lead.replace("\u00a0", " ")
    assert lead.startswith(f"at equal load: worse in {n} of {n} figures, better in none. At 16 users")
    assert re.search(r"output throughput .3\d\.\d %, median TTFT \+\d+\.\d %, median E2E \+", lead)
    assert "no difference beyond noise in" in change(*read_runs([run_folders / "before", run_folders / "after"])).lead
    page = words(page_of(tmp_path / "before", tmp_path / "after"))
    assert page.index("at equal load: worse") < page.index("What differs") < page.index("Best throughput")
    assert "at equal load:" not in words(page_of(run_folders / "before", run_folders / "talk"))


def test_runs_without_a_load_in_common_have_no_change(run_folders):
    before, rates = read_runs([run_folders / "before", run_folders / "rates"])
    assert "no load with enough requests in common" in change(before, rates).absent


def test_the_command_of_the_page_runs_and_has_the_runs_points(run_folders, run, call):
    beside = published_beside(run)
    line = shlex.split(beside.command)
    assert line[:2] == ["paretoken", "compare"] and line[-2:] == ["--points", str(run_folders / "before")]
    e2e = float(line[line.index("--e2e") + 1])
    best = run.levels[-1].summary.latency.e2e_s.p50
    assert best <= e2e <= best * 1.1
    code, out, err = call(" ".join(line[1:]))
    assert code == 0, err
    assert "H200" in out and "measured" in out
    assert f"<code>{beside.command}</code>" in page_of(run_folders / "before")


def test_published_points_are_those_of_the_run_s_accelerator_with_their_source(run):
    curves = published_beside(run).curves
    assert {c.label for c in curves} == {"H200 trtllm, published", "H200 vllm, published"}
    for curve in curves:
        for points in curve.points.values():
            assert all(p["total"] > 0 and any("inferencex" in line for line in p["about"]) for p in points)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"accelerator": "unknown"}, "measure with --accelerator."),
        ({"precision": None, "model": None}, "measure with --catalog-model and --precision."),
        ({"accelerator": "Moon 9"}, "no accelerator Moon 9"),
        ({"isl": 77}, "No published points to draw behind the run: no operating point of llama-3-70b at 77/1024"),
    ],
)
def test_why_nothing_is_published_is_said(run, columns, reason):
    beside = published_beside(altered(run, **columns))
    assert reason in beside.absent and not beside.curves


def test_a_run_that_drafts_is_compared_with_those_that_do(run):
    assert "--speculative any" in published_beside(altered(run, **COLUMNS, speculative="mtp")).command


def test_the_report_s_command_is_parsed(run):
    assert paretoken.get_command(click.Context(paretoken), "compare").make_context(
        "compare", shlex.split(published_beside(run).command)[2:]
    )
