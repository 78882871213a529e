"""A check as JUnit XML, as annotations of GitHub Actions, and as a code quality report of GitLab.

Names come from files and servers: control characters are shown as escapes, and each format's own escaping is applied,
so that no name ends a line, an attribute or a command.

JUnit: the elements and attributes of Jenkins' junit-10.xsd. GitHub: workflow commands, with the escaping of
actions/toolkit. GitLab: the six properties that its code quality report requires.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypedDict
from xml.etree import ElementTree as Xml

from paretoken.foreign_text import visible
from paretoken.history.check_cases import CheckCase
from paretoken.plural import counted

SUITE = "paretoken check"
MOST_ANNOTATIONS = 10
"""Errors of one step that GitHub shows."""
GITLAB_FILE = "gl-code-quality-report.json"


class _Lines(TypedDict):
    begin: int


class _Location(TypedDict):
    path: str
    lines: _Lines


class CodeQualityIssue(TypedDict):
    """One entry of GitLab's report."""

    description: str
    check_name: str
    fingerprint: str
    severity: str
    location: _Location


def junit_xml(cases: Sequence[CheckCase]) -> bytes:
    """The cases as one test suite; a regression is a failure, a comparison with too few requests is skipped."""
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.regression for case in cases)),
        "errors": "0",
    }
    root = Xml.Element("testsuites", {"name": SUITE, **counts})
    suite = Xml.SubElement(root, "testsuite", {"name": SUITE, **counts, "skipped": str(sum(c.skipped for c in cases))})
    for case in cases:
        name = {"classname": visible(case.of), "name": visible(case.name), "time": "0"}
        element = Xml.SubElement(suite, "testcase", name)
        text = visible(case.text)
        if case.regression:
            Xml.SubElement(element, "failure", {"message": text, "type": "regression"}).text = text
        elif case.skipped:
            Xml.SubElement(element, "skipped", {"message": text}).text = text
        else:
            Xml.SubElement(element, "system-out").text = text
    Xml.indent(root)
    document: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def github_annotations(cases: Sequence[CheckCase]) -> list[str]:
    """An error command for each regression; the last one counts those that GitHub would not show."""
    worse = [case for case in cases if case.regression]
    shown = worse if len(worse) <= MOST_ANNOTATIONS else worse[: MOST_ANNOTATIONS - 1]
    lines = [f"::error title={_property(f'Regression: {c.name}, {c.of}')}::{_data(c.text)}" for c in shown]
    if hidden := len(worse) - len(shown):
        lines.append(f"::error title=Regression::{_data(counted(hidden, 'more regression'))}")
    return lines


def gitlab_code_quality(cases: Sequence[CheckCase], path: str) -> list[CodeQualityIssue]:
    """An issue for each regression at `path`, which is relative to the root of the repository.

    The fingerprint is of what was compared, not of the figures, so that GitLab follows a regression over pipelines.
    """
    return [
        {
            "description": visible(case.text),
            "check_name": f"{SUITE}: {visible(case.name)}",
            "fingerprint": hashlib.sha256(f"{case.of}\n{case.name}".encode()).hexdigest(),
            "severity": "major",
            "location": {"path": path, "lines": {"begin": 1}},
        }
        for case in cases
        if case.regression
    ]


def _data(text: str) -> str:
    """The message of a workflow command."""
    return visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """The value of a property of a workflow command."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
