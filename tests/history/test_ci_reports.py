"""What a check leaves for CI systems: each format as its reader defines it, whatever the names are."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from xml.etree import ElementTree as Xml

import pytest

from paretoken.answers.check import CheckQuestion, check
from paretoken.history.at_latency import ThroughputChange
from paretoken.history.check_cases import CheckCase, check_cases
from paretoken.history.ci_reports import github_annotations, gitlab_code_quality, junit_xml
from tests.support.runs import ladder

EVIL = 'a"<b>&\n::error::x\r\x1b[2J%0A, :]]>\u202e'
CASES = [
    CheckCase("8 users", "median TPOT", "median TPOT at 8 users: 10.0% higher in B, worse", regression=True),
    CheckCase("8 users", "median TTFT", "median TTFT at 8 users: no significant difference"),
    CheckCase("8 users", "p99 TTFT", "8 users: p99 TTFT not compared: p99 needs 299 requests", skipped=True),
    CheckCase(EVIL, EVIL, EVIL, regression=True),
]
SUITE = {"name", "tests", "failures", "errors"}
ALLOWED = {
    "testsuites": (SUITE | {"time"}, set(), {"testsuite"}),
    "testsuite": (
        SUITE | {"skipped", "time", "timestamp", "hostname", "id", "package", "file"},
        SUITE,
        {"testcase", "properties", "system-out", "system-err"},
    ),
    "testcase": (
        {"name", "classname", "time", "group"},
        {"name"},
        {"failure", "skipped", "errors", "system-out", "system-err"},
    ),
    "failure": ({"message", "type"}, set(), set()),
    "skipped": ({"message", "type"}, set(), set()),
    "system-out": (set(), set(), set()),
}
"""Of junit-10.xsd (xunit plugin of Jenkins, MIT): attributes that an element may have, must have, and its children."""


def test_junit_has_the_form_that_its_schema_allows():
    root = Xml.fromstring(junit_xml(CASES))
    assert root.tag == "testsuites"
    for element in root.iter():
        may, must, children = ALLOWED[element.tag]
        assert must <= set(element.keys()) <= may, element.tag
        assert {child.tag for child in element} <= children
    (suite,) = root
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "2", "1")
    assert [[child.tag for child in case] for case in suite] == [["failure"], ["system-out"], ["skipped"], ["failure"]]
    assert suite[0][0].text == CASES[0].text == suite[0][0].get("message")


def test_names_end_no_attribute_and_control_no_terminal():
    evil = Xml.fromstring(junit_xml(CASES))[0][3]
    assert evil.get("name") == evil[0].text == r'a"<b>&\n::error::x\r\x1b[2J%0A, :]]>\u202e'
    (_, line) = github_annotations(CASES)
    assert "\n" not in line and "\r" not in line and "\x1b" not in line
    assert re.fullmatch(r"::error title=[^:,]*::.*", line)
    assert json.dumps(gitlab_code_quality(CASES, "runs/b")).isprintable()


def test_github_gets_an_error_for_each_regression_with_its_escapes():
    assert github_annotations(CASES[:3]) == [
        "::error title=Regression%3A median TPOT%2C 8 users::median TPOT at 8 users: 10.0%25 higher in B, worse"
    ]
    assert github_annotations(CASES[1:3]) == []


@pytest.mark.parametrize(("regressions", "lines"), [(10, 10), (11, 10), (200, 10)])
def test_github_shows_ten_and_the_last_counts_the_rest(regressions, lines):
    many = [CheckCase("8 users", f"f{n}", "t", regression=True) for n in range(regressions)]
    found = github_annotations(many)
    assert len(found) == lines
    if regressions > lines:
        assert found[-1] == f"::error title=Regression::{regressions - 9} more regressions"


def test_gitlab_gets_what_its_report_requires():
    first, evil = gitlab_code_quality(CASES, "runs/b")
    assert set(first) == {"description", "check_name", "fingerprint", "severity", "location"}
    assert first["severity"] in ("info", "minor", "major", "critical", "blocker")
    assert first["location"] == {"path": "runs/b", "lines": {"begin": 1}}
    assert first["fingerprint"] != evil["fingerprint"]
    worse_still = CheckCase("8 users", "median TPOT", "12 % higher", regression=True)
    assert gitlab_code_quality([worse_still], "x")[0]["fingerprint"] == first["fingerprint"]


def test_every_comparison_of_a_check_is_one_case_with_a_name_of_its_own(tmp_path):
    runs = [ladder(tmp_path / f"run{seed}", (4, 8), seed=seed) for seed in (0, 1)]
    for at in ("latency", "load"):
        answer = check(CheckQuestion(runs=(runs[0],), baselines=(runs[1],), at=at))
        cases = check_cases(answer.changes, answer.comparison)
        assert len({(c.of, c.name) for c in cases}) == len(cases)
        assert sum(not c.skipped for c in cases) == answer.comparisons
    skipped = [c for c in cases if c.skipped]
    assert {c.of for c in skipped} == {"4 users"} and "p99 needs 299 requests in the window, A has" in skipped[0].text
    assert [c.name for c in skipped] == ["p99 TTFT", "p99 TPOT", "p99 E2E"]


def test_every_regression_is_a_case(tmp_path):
    runs = [ladder(tmp_path / f"run{seed}", (4, 8), seed=seed) for seed in (0, 1)]
    answer = check(CheckQuestion(runs=(runs[0],), baselines=(runs[1],), at="load"))
    broken = replace(answer.comparison, failed=("4 users",), hidden=("4 users", "8 users"))
    answer = replace(answer, comparison=broken, regressions=broken.regressions)
    cases = check_cases((), broken)
    assert sum(c.regression for c in cases) == len(answer.regressions) == 3
    assert [c.text for c in cases if c.regression] == list(answer.regressions)
    assert sum(not c.skipped for c in cases) == answer.comparisons == len(broken.differences) + 3
    assert len({(c.of, c.name) for c in cases}) == len(cases)
    assert Xml.fromstring(junit_xml(cases)).get("failures") == "3" == str(len(github_annotations(cases)))


def test_a_failed_case_at_a_latency_names_its_configuration():
    of = {"accelerator": "H200", "engine": "vllm", "isl": 1024, "osl": 128, "origin": "measured"}
    change = ThroughputChange(
        of=of, axis="e2e", at=4.2, before=100.0, after=80.0, low=-0.25, high=-0.15, allowed=0.02, runs=(1, 1),
        change=-0.2, regression=True,
    )  # fmt: skip
    assert check_cases([change], None) == [
        CheckCase("H200 vllm 1024/128", "throughput at 4.2 s E2E", str(change), regression=True)
    ]
    assert change.verdict == "worse"
