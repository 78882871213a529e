"""Fixtures that several tests share."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from hypothesis import settings

from paretoken.catalog.loader import Catalog, load_catalog
from tests.support.terminals import FakeTerminal

settings.register_profile("default", deadline=None, max_examples=25)
settings.register_profile("nightly", deadline=None, max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

SLOW_FIXTURES = {"browser", "default_result"}
SLOW_FILES = {
    "accuracy/test_accuracy",
    "accuracy/test_hostile_server",
    "answers/test_data_diff",
    "answers/test_money_questions",
    "answers/test_pools",
    "answers/test_study",
    "bench/test_bench",
    "bench/test_bench_mistakes",
    "bench/test_client_faults",
    "bench/test_client_limits",
    "bench/test_client_run",
    "bench/test_client_truth",
    "bench/test_fault_kinds",
    "bench/test_fleet",
    "bench/test_fleet_ray",
    "bench/test_quick",
    "bench/test_resume",
    "bench/test_server_kinds",
    "bench/test_share",
    "bench/test_steady",
    "bench/test_stream_forms_served",
    "bench/test_traps",
    "campaign/test_campaign_mistakes",
    "campaign/test_campaign_run",
    "campaign/test_campaign_slurm",
    "cli/test_calibrate_url",
    "cli/test_hostile_names",
    "emulate/test_emulate",
    "emulate/test_emulate_hostile",
    "emulate/test_emulate_pace",
    "emulate/test_emulate_pools",
    "engines/test_engines",
    "engines/test_launch",
    "engines/test_tiny_model",
    "fuzz/test_fuzz",
    "history/test_at_load",
    "history/test_history",
    "points/test_importers_hostile",
    "plan/test_plan_emulated",
    "predict/pools/test_search",
    "predict/pools/test_simulated",
    "predict/test_calibration",
    "predict/test_own_server",
    "predict/test_predict",
    "predict/test_predict_asked",
    "predict/test_predict_crude",
    "predict/test_predict_pipeline",
    "predict/test_predict_terms",
    "predict/test_ranks",
    "predict/test_scheduler",
    "predict/test_serving",
    "predict/test_simulation",
    "predict/test_simulation_pools",
    "predict/test_tune_deviations",
    "report/test_ecosystem_report",
    "report/test_report",
    "report/test_run_grades",
    "report/test_run_report",
    "report/test_run_report_beside",
    "report/test_run_report_figures",
    "test_docs",
    "test_wheel",
    "traffic/test_prometheus_server",
}
"""Files whose tests start servers, clusters or processes, or compute for long: `make test-fast` leaves them out."""


def pytest_configure(config: pytest.Config) -> None:
    """No test sees the bundles or the configuration of a developer."""
    os.environ["PARETOKEN_DATA"] = tempfile.mkdtemp(prefix="paretoken-tests-")
    os.environ["XDG_CONFIG_HOME"] = os.environ["PARETOKEN_DATA"]


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(os.environ["PARETOKEN_DATA"], ignore_errors=True)


STUDY_FILES = {
    "answers/test_study",
    "report/test_brief",
    "report/test_report",
    "report/test_report_access",
    "report/test_report_browser",
    "report/test_report_firefox",
    "report/test_report_layout",
    "report/test_report_twin",
}
"""Files that share the default study: one worker computes it once."""


def _group(node_id: str) -> str:
    file = node_id.split("::", 1)[0].removeprefix("tests/").removesuffix(".py")
    return "study" if file in STUDY_FILES else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """The tests of a file, which share fixtures, go to one worker. Marks of xdist_group would not: xdist 3.8 writes
    them into node ids where pytest 9.2 no longer looks."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid)

    return Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow, and put the longest groups first: workers take them in order, so that none is left at the
    end."""
    root, slow = Path(__file__).parent, set[str]()
    groups: dict[str, list[pytest.Item]] = {}
    for item in items:
        file = item.path.relative_to(root).with_suffix("").as_posix()
        fixtures = set(getattr(item, "fixturenames", ()))
        group = _group(item.nodeid)
        if file in SLOW_FILES or SLOW_FIXTURES & fixtures:
            item.add_marker(pytest.mark.slow)
        groups.setdefault(group, []).append(item)
        if item.get_closest_marker("slow"):
            slow.add(group)
    items[:] = [item for name in sorted(groups, key=lambda g: (g != "study", g not in slow)) for item in groups[name]]


@pytest.fixture(autouse=True)
def _the_day_of_the_data(monkeypatch):
    """Commands that ask for today's market get a day on which the shipped prices are not yet out of date."""
    monkeypatch.setattr("paretoken.cli.context.today", lambda: date(2026, 11, 24))


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture(scope="session")
def default_result():
    """The default study, computed once."""
    from paretoken import load_study, run_study

    return run_study(load_study())


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium; without it the tests that need it are skipped, but fail in CI."""
    chromium = shutil.which("chromium")
    if chromium is None:
        reason = "Debian's chromium is not installed; apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    args = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    )
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=list(args))
        yield launched
        launched.close()


@pytest.fixture
def terminal(monkeypatch):
    """`with terminal(80) as screen:` makes stdout a terminal of 80 columns; `screen.text` is what it shows."""

    @contextmanager
    def of(width: int) -> Iterator[FakeTerminal]:
        screen = FakeTerminal()
        with monkeypatch.context() as patch:
            patch.setenv("COLUMNS", str(width))
            patch.setenv("LINES", "40")
            patch.setattr(sys, "stdout", screen)
            yield screen

    return of


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    """Run a command line, or its words, in an empty folder: (exit code, stdout, stderr)."""
    from paretoken.cli.main import main

    def run(line: str | list[str]) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["paretoken", *(line.split() if isinstance(line, str) else line)])
        try:
            main()
        except SystemExit as e:
            return e.code or 0, *capsys.readouterr()
        return 0, *capsys.readouterr()

    return run
