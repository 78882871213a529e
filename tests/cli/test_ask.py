"""`paretoken ask` prints the answer that the envelope's command repeats."""

from __future__ import annotations

import io
import shlex

import orjson
import pytest

from paretoken.answers.ask import ask
from paretoken.answers.registry import VERBS
from paretoken.answers.seam import json_schema, question_from_json
from paretoken.cli.main import paretoken
from paretoken.serve.examples import EXAMPLES

QUESTION = '{"model": "llama-3-70b", "accelerators": ["H200"]}'
REPEATED = ["compare", "fit", "frontier", "predict", "rent"]


def test_alone_it_lists_every_verb(call):
    code, out, _ = call("ask")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[2:]] == [n for n, v in VERBS.items() if not v.writes_files]


@pytest.mark.parametrize("name", REPEATED)
def test_the_command_of_an_answer_repeats_it(call, name):
    reply = ask(name, EXAMPLES[name])
    words = shlex.split(reply.command)
    assert words[0] == paretoken.name
    code, out, _ = call(words[1:])
    assert code == 0 and orjson.loads(out) == reply.answer


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_a_question(name):
    question_from_json(VERBS[name].question, orjson.dumps(EXAMPLES[name]))


def test_every_verb_that_reads_no_file_has_an_example():
    reading = {"cache-worth", "check", "predict-trace", "study"}
    assert set(EXAMPLES) == set(VERBS) - reading


def test_the_question_may_be_a_file_or_standard_input(call, tmp_path, monkeypatch):
    file = tmp_path / "question.json"
    file.write_text(QUESTION)
    _, of_file, _ = call(f"ask fit {file}")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(QUESTION.encode())))
    _, of_input, _ = call("ask fit -")
    _, of_text, _ = call(["ask", "fit", QUESTION])
    assert of_file == of_input == of_text and orjson.loads(of_text)["rows"][0]["accelerator"] == "H200"


def test_it_prints_the_envelope_and_the_schema(call):
    _, out, _ = call(["ask", "fit", QUESTION, "--envelope"])
    assert set(orjson.loads(out)) == {"verb", "version", "question", "answer", "origins", "sources", "command"}
    _, out, _ = call("ask fit --schema")
    assert orjson.loads(out) == json_schema(VERBS["fit"].question)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("ask compar", "did you mean compare?"),
        ("ask study {}", "unknown question 'study'"),
        ("ask fit", "the question is missing; give it as JSON, a file or -"),
        ("ask fit no.json", "question no.json does not exist"),
        (["ask", "fit", '{"model": 1}'], "FitQuestion: model = 1: input should be a valid string"),
        (["ask", "fit", '{"model": "a", "isl": 1e30}'], "FitQuestion: isl: 1e+30 is out of range"),
        (["ask", "fit", '{"model": "a", "isl": NaN}'], "FitQuestion: not valid JSON"),
        ("ask fit {", "FitQuestion: not valid JSON"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(call, words, why):
    code, out, err = call(words)
    assert (code, out) == (2, "") and why in err and len(err.strip().splitlines()) == 1
