"""Folders of made-up runs, measured once."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretoken.answers.study.result import StudyResult
from paretoken.report.html import render
from tests.support.runs import conversations, ladder, rates, troubled
from tests.support.session_levels import agent_run


@pytest.fixture(scope="session")
def run_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs named before, after, trouble, rates, talk and agents."""
    base = tmp_path_factory.mktemp("runs")
    ladder(base / "before")
    ladder(base / "after", (1, 4, 16), seed=3)
    troubled(base / "trouble")
    rates(base / "rates")
    conversations(base / "talk")
    agent_run(base / "agents")
    return base


@pytest.fixture(scope="session")
def default_page(tmp_path_factory: pytest.TempPathFactory, default_result: StudyResult) -> Path:
    """The report of the default study."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(default_result), encoding="utf-8")
    return path
