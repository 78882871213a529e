"""The grade of every warning that a run can raise, and what its size makes of it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import paretoken
from paretoken.bench.stats.warnings import TITLES, WarningThresholds, client_warnings
from paretoken.report.run.grades import GRADES, RULES, grade_of
from paretoken.report.run.reading import read_run
from paretoken.report.run.warnings import by_grade, warnings_of
from tests.support.runs import proof

BENCH = Path(paretoken.__file__).parent / "bench"
DERIVED = {"emulated", "accuracy", "unfinished", "failed", "too_short"}
"""Codes that the report gives itself."""


def level_warnings() -> dict[str, list[str]]:
    """The source of every `LevelWarning(code, …)` under bench/, by its code."""
    sources: dict[str, list[str]] = {}
    for file in BENCH.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "LevelWarning":
                assert isinstance(node.args[0], ast.Constant), f"{file}: a code that is no constant"
                sources.setdefault(node.args[0].value, []).append(ast.get_source_segment(text, node) or "")
    return sources


def test_every_code_has_a_rule_and_every_rule_a_code():
    assert set(level_warnings()) | DERIVED == set(RULES)
    assert set(TITLES) <= set(RULES)


@pytest.mark.parametrize(
    ("code", "text", "grade"),
    [
        ("emulated", "a simulated engine set the pace", "wrong"),
        ("accuracy", "Strict: 3 of 100 sentences differ", "wrong"),
        ("failed", "11 % of requests failed, more than --max-error-rate 5 %", "wrong"),
        ("client_limited", "client-limited: a worker used 97% of its core (limit 90%)", "wrong"),
        ("buffered", "the stream arrives in one piece (80 of 100 requests)", "wrong"),
        ("cache_hits", "the server answered 6.0% of prompt tokens from its prefix cache", "wrong"),
        ("no_steady_state", "TPOT still rising 12% per window", "wrong"),
        ("too_short", "the last request began before warm-up was over", "careful"),
        ("unfinished", "1 level was started but not finished", "careful"),
        ("cut", "the end of the window cut off 3 requests", "careful"),
        ("partly_buffered", "some answers arrive in one piece (12 of 200 requests)", "careful"),
        ("errors", "11 of 450 requests failed (2.4%): 11 http_5xx", "careful"),
        ("errors", "50 of 450 requests failed (11.1%): 50 http_5xx", "wrong"),
        ("short_output", "outputs are 3.1% shorter than planned (97 of 100 tokens on average)", "careful"),
        ("short_output", "outputs are 43.0% shorter than planned (57 of 100 tokens on average)", "wrong"),
        ("long_output", "3 requests have more output tokens than max_tokens allows", "careful"),
        ("no_usage", "the server sent no usage for 100.0% of requests", "careful"),
        ("drafts", "the server drafted tokens, though speculative is none", "careful"),
        ("left_out", "3 of 100 sessions of the trace (3%) exceed the server's context", "careful"),
        ("left_out", "40 of 100 sessions of the trace (40%) exceed the server's context", "wrong"),
        ("answers_lost", "4 answers of the server too long or unreadable to be kept", "careful"),
        ("count_mismatch", "client and server disagree on 1.2% of output tokens", "footnote"),
        ("count_mismatch", "client and server disagree on 12.0% of output tokens", "careful"),
        ("input_mismatch", "the server counted +1.3% input tokens relative to the plan", "footnote"),
        ("input_mismatch", "the server counted -8.0% input tokens relative to the plan", "careful"),
        ("ttft_merged", "so the mean TTFT is up to 0.31 ms (1.9%) too high", "footnote"),
        ("ttft_merged", "so the mean TTFT is up to 310 ms (41.0%) too high", "careful"),
        ("coalesced", "6.0% of chunks were read together with a later one", "footnote"),
        ("coalesced", "60.0% of chunks were read together with a later one", "careful"),
        ("preemptions", "the server preempted 4 requests because the KV cache was full", "footnote"),
        ("hidden_reasoning", "40.0 of 90.0 output tokens on average are reasoning", "footnote"),
        ("sent_again", "3 requests sent again on a fresh connection", "footnote"),
        ("no_acceptance", "acceptance length not measured: too few drafts", "footnote"),
        ("draft_length", "2.40 tokens drafted a step on average", "footnote"),
        ("quantile_unsupported", "p99 of TTFT left out: p99 needs 100 requests in the window", "footnote"),
        ("quantile_thin", "approximate: fewer than 5 samples lie above p99", "footnote"),
        ("of_a_newer_version", "anything", "careful"),
    ],
)
def test_the_grade_of_each(code, text, grade):
    assert grade_of(code, text) == grade


def test_a_rule_with_a_size_is_of_a_sentence_that_has_one():
    """A change of wording without a percentage would leave the rule without effect."""
    sources = level_warnings()
    sized = {code: rule for code, rule in RULES.items() if rule.at is not None}
    assert all("%}" in source for code in sized for source in sources[code])
    assert WarningThresholds().errors < RULES["errors"].at
    assert WarningThresholds().late_ttft < RULES["ttft_merged"].at


def test_a_limited_client_is_the_worst_and_no_warning_is_lost(run_folders):
    (limited,) = client_warnings(proof(8, limited=True))
    assert grade_of(limited.code, limited.text) == "wrong"
    warned = warnings_of([read_run(run_folders / "trouble")])
    groups = by_grade(warned)
    assert list(groups) == list(GRADES) and [w for group in groups.values() for w in group] == warned
