"""Sentences name fields of a question to those who ask in JSON, and options to those who type a command."""

from __future__ import annotations

import dataclasses

import orjson
import pytest
import rich_click as click

import paretoken
from paretoken.answers.ask import ask
from paretoken.answers.field_names import answer_in_fields, in_fields
from paretoken.answers.registry import VERBS
from paretoken.cli.main import SUMMARIES
from paretoken.cli.main import paretoken as root
from paretoken.errors import ParetokenError

COMMANDS = {
    "predict": ("predict", "predict-trace", "cache-worth", "predict-disaggregated", "search-disaggregated"),
    "explain": ("explain", "explain-disaggregated"),
    "rent": ("rent", "rent-market"),
    "outlook": ("outlook", "trends"),
}
"""The questions of commands that ask several; the others ask that of their own name."""
QUESTIONS = {verb: COMMANDS.get(verb, (verb,)) for verb in SUMMARIES}


def options_with_fields():
    """Every option of a command whose parameter is a field of its question: (question, option, field)."""
    for verb, names in QUESTIONS.items():
        for name in (n for n in names if n in VERBS and not VERBS[n].writes_files):
            fields = {f.name for f in dataclasses.fields(VERBS[name].question)}
            parameters = root.get_command(click.Context(root), verb).params
            for parameter in (p for p in parameters if p.name in fields):
                yield from ((name, option, parameter.name) for option in parameter.opts if option.startswith("--"))


def test_every_option_is_the_field_that_its_command_fills():
    wrong = [
        (name, option)
        for name, option, field in options_with_fields()
        if f"'{field}'" not in in_fields(option, VERBS[name].question)
    ]
    assert wrong == [] and len(list(options_with_fields())) > 300


@pytest.mark.parametrize(
    ("verb", "sentence", "words"),
    [
        ("compare", "choose one with --precision", "choose one with 'precision'"),
        (
            "compare",
            "drop --no-published, or add --include-suspicious",
            "drop 'published': false, or add 'suspicious': true",
        ),
        ("predict", "a larger --tp, or --gpu-memory-utilization", "a larger 'tp', or 'settings.memory_utilization'"),
        ("tco", "--reserved 1-year has no hours", "'own_or_rent.reserved_usd' 1-year has no hours"),
        ("predict", "leave out --dp-size of sglang", "leave out --dp-size of sglang"),
        ("fit", "a-b--model, ---model and --models", "a-b--model, ---model and --models"),
        (
            "predict-trace",
            "keep the good rows with 'paretoken import --keep-going', or --keep-going",
            "keep the good rows with 'paretoken import --keep-going', or 'keep_going': true",
        ),
        ("tco", "'paretoken tco --explain' shows every figure", "'paretoken tco --explain' shows every figure"),
        ("predict", "run paretoken bench --rate 2; leave out --rate", "run paretoken bench --rate 2; leave out 'rate'"),
    ],
)
def test_options_become_fields_as_json_has_them(verb, sentence, words):
    assert in_fields(sentence, VERBS[verb].question) == words


def test_python_has_flags_as_keywords():
    sentence = "drop --no-published, add --include-suspicious or --precision; --enforce-eager"
    assert in_fields(sentence, VERBS["compare"].question, python=True) == (
        "drop published=False, add suspicious=True or 'precision'; --enforce-eager"
    )
    assert in_fields(sentence, VERBS["predict"].question, python=True).endswith("; settings.enforce_eager=True")


def test_a_question_in_json_hears_of_json_and_one_in_python_of_python():
    question = {"accelerator": "MI300X", "against": "H200", **QUESTION}
    with pytest.raises(ParetokenError, match="'market': true or 'operator'") as refused:
        ask("breakeven", question)
    assert refused.value.on_command_line == str(refused.value)
    with pytest.raises(ParetokenError, match="market=True or 'operator'") as refused:
        paretoken.breakeven(**question)
    assert "--market or --operator" in refused.value.on_command_line


def test_commands_in_an_answer_stay():
    answer = {"notes": ["raise --concurrency"], "rows": [{"commands": ["paretoken predict --concurrency 4"]}]}
    assert answer_in_fields(answer, VERBS["predict"].question) == {**answer, "notes": ["raise 'concurrency'"]}


QUESTION = {"model": "deepseek-r1", "precision": "fp8", "workload": "chat"}


def test_a_question_hears_of_fields_and_a_command_of_options(call):
    for asked in (lambda: ask("compare", QUESTION), lambda: paretoken.compare(**QUESTION)):
        with pytest.raises(ParetokenError, match=r"no latency limit is given; give 'e2e_s' \(at most") as refused:
            asked()
        assert "--" not in str(refused.value)
    _, _, error = call("compare --model deepseek-r1 --precision fp8 --workload chat")
    assert "give --e2e (at most, in seconds), --interactivity (at least" in error
    _, _, error = call(["ask", "compare", orjson.dumps(QUESTION).decode()])
    assert "give 'e2e_s' (at most" in error and "--e2e" not in error
