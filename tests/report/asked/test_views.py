"""What a reader sees of an answer: the sentences of the command line, charts with their figures, whole tables."""

from __future__ import annotations

import math

import orjson
import pytest
from click.testing import CliRunner

from paretoken.answers.ask import envelope_of, verb_named
from paretoken.answers.seam import question_from_json
from paretoken.cli.main import paretoken
from paretoken.report.asked.generic import MOST_ROWS, tables_of
from paretoken.report.asked.labels import head
from paretoken.report.asked.page import render_answer
from paretoken.report.asked.views import VIEWS, view_of
from paretoken.report.page import MOST_PLOTS
from paretoken.serve.ask.questions import FIRST_QUESTIONS
from paretoken.serve.workers.job_names import SLOW

POINTS = {"model": "deepseek-r1", "precision": "fp8", "workload": "chat"}
OPTIONS = ["--model", "deepseek-r1", "--precision", "fp8", "--workload", "chat"]


@pytest.fixture(scope="module")
def answered():
    """The question, the answer and the view of each verb's first question, each computed once."""
    kept = {}

    def of(verb, question=None):
        if question is None and verb in kept:
            return kept[verb]
        entry = verb_named(verb)
        read = question_from_json(entry.question, FIRST_QUESTIONS[verb] if question is None else question)
        answer = entry.function(read)
        result = (read, answer, view_of(verb, answer, read))
        if question is None:
            kept[verb] = result
        return result

    return of


def numbers(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from () if key == "about" else numbers(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from numbers(inner)
    elif isinstance(value, float):
        yield value


@pytest.mark.parametrize("verb", [verb for verb in FIRST_QUESTIONS if verb not in SLOW])
def test_a_view_is_whole(answered, verb):
    _, _, view = answered(verb)
    plain = orjson.loads(orjson.dumps(view.to_json()))
    assert verb not in VIEWS or (plain["lead"] and plain["plots"])
    assert plain["tables"]
    for table in plain["tables"]:
        assert table["title"]
        assert {len(row) for row in table["rows"]} == {len(table["heads"])}
    for plot in plain["plots"]:
        assert plot["title"]
        assert plot["lines"] or plot["marks"] or plot["bars"]
        assert plot["table"]["rows"]
        assert all(map(math.isfinite, numbers(plot)))
        assert plot["x"]["min"] < plot["x"]["max"]
    assert len(plain["plots"]) <= MOST_PLOTS


@pytest.mark.parametrize(
    ("verb", "question", "options"),
    [
        ("compare", {**POINTS, "e2e_s": 15}, [*OPTIONS, "--e2e", "15"]),
        ("selfhost", {**POINTS, "interactivity": 40}, [*OPTIONS, "--interactivity", "40"]),
        (
            "breakeven",
            {**POINTS, "accelerator": "MI355X", "against": "B200", "rent_usd": 3},
            [*OPTIONS, "--accelerator", "MI355X", "--against", "B200", "--rent", "3"],
        ),
    ],
)
def test_the_words_are_those_of_the_command_line(answered, verb, question, options):
    _, _, view = answered(verb, question)
    printed = " ".join(CliRunner().invoke(paretoken, [verb, *options]).output.casefold().split())
    words = [line.casefold().removesuffix(".").rpartition(" serving, ")[2] for line in view.lead]
    repeated = [line for line in words if line.split(": ", 1)[-1] in printed]
    assert len(repeated) >= 2
    assert len(repeated) >= len(words) / 2


def test_a_chart_reads_as_the_answer(answered):
    """At the limit the lowest line of cost is the winner's, at the cost that the ranking states."""
    question, answer, view = answered("compare")
    plot = view.plots[0]
    ends = []
    for line in plot["lines"]:
        near = [p for p in line["points"] if p and p[0] <= question.e2e_s]
        if near:
            ends.append((near[-1][1], line["group"]))
    assert min(ends)[1] == answer.candidates[0].accelerator
    assert min(ends)[0] == pytest.approx(answer.candidates[0].usd_per_mtok_total, rel=0.05)


def test_a_prediction_is_drawn_with_its_interval(answered):
    question = {"accelerator": "H200", "model": "llama-3-70b", "engine": "vllm", "isl": 1024, "osl": 512, "tp": 4}
    _, answer, view = answered("predict", question)
    (band,) = view.plots[0]["bands"]
    ends = {(low, high) for _, low, high in band["points"]}
    assert ends == {(r.total_tput_per_gpu_tok_s_lo, r.total_tput_per_gpu_tok_s_hi) for r in answer.rows}


def test_the_file_has_the_words_and_nothing_hostile(answered):
    question, answer, view = answered("compare")
    envelope = envelope_of("compare", question, answer)
    page = render_answer(envelope, view, "</script><script>alert(1)</script>")
    assert "<script>alert" not in page
    assert page.count("<h1>") == 1
    assert "src=" not in page.replace("createElement", "").partition("<body>")[2].partition("<script")[0]


def test_a_table_of_anything_is_bounded():
    answer = {"n": 1, "rows": [{"a_usd": i, "inner": {"b": "x" * 500}} for i in range(MOST_ROWS + 3)], "empty": []}
    facts, rows = tables_of(answer)
    assert facts.rows == (("Number of", 1),)
    assert (rows.heads, len(rows.rows)) == (("A, USD", "Inner b"), MOST_ROWS)
    assert len(rows.rows[0][1]) < 200
    assert rows.note == "3 more rows: the JSON has all"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("e2e_s", "End-to-end latency, s"),
        ("usd_per_mtok_total", "Total, USD per M tokens"),
        ("median_ttft_ms", "Median TTFT, ms"),
        ("break_even_usd_per_gpu_h", "Break even, USD per GPU-hour"),
        ("accelerator", "Accelerator"),
        ("tput_per_gpu", "Throughput, tok/s/GPU"),
    ],
)
def test_labels(name, words):
    assert head(name) == words
