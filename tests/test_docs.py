"""What the documents show is run, and what is generated is up to date."""

from __future__ import annotations

import doctest
import re
import shlex
import sys
from pathlib import Path

import pytest

import paretoken.answers.compare
from paretoken.cli.main import main
from paretoken.prices.market.book import shipped_prices

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_readme_says_of_which_day_the_rents_are():
    newest = str(shipped_prices()["date"].max())
    assert newest in README and newest in (ROOT / "docs" / "economics.md").read_text(encoding="utf-8")


def test_api_examples_run():
    assert doctest.testmod(paretoken.answers.compare).failed == 0


@pytest.mark.parametrize("code", blocks("python"))
def test_readme_python_runs(code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out


@pytest.mark.parametrize("line", [x for b in blocks("sh") for x in b.splitlines() if x.startswith("paretoken ")])
def test_readme_commands_run(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", shlex.split(line.split("#")[0]))
    try:
        main()
    except SystemExit as e:
        assert not e.code
    assert capsys.readouterr().out


def test_schema_page_is_current():
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from schema_page import page
    finally:
        sys.path.pop(0)
    assert (ROOT / "docs" / "schema.md").read_text(encoding="utf-8") == page()
