"""Fixtures that several tests share."""

from __future__ import annotations

import os
import shutil
import sys
from datetime import date

import pytest
from hypothesis import settings

from paretoken.catalog.loader import Catalog, load_catalog

settings.register_profile("busy", deadline=None)
settings.load_profile("busy")


@pytest.fixture(autouse=True)
def _the_day_of_the_data(monkeypatch):
    """Commands that ask for today's market get a day on which the shipped prices are not yet out of date."""
    monkeypatch.setattr("paretoken.cli.options.today", lambda: date(2026, 11, 24))


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
def call(capsys, monkeypatch, tmp_path):
    """Run a command line in an empty folder: (exit code, stdout, stderr)."""
    from paretoken.cli.main import main

    def run(line: str) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["paretoken", *line.split()])
        try:
            main()
        except SystemExit as e:
            return e.code or 0, *capsys.readouterr()
        return 0, *capsys.readouterr()

    return run
