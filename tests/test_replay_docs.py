"""The replays that a page shows are run, and its tables hold their figures."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from paretoken.cli.main import main

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "replay.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^```\n\$ (paretoken .*?)^```\n\n(\|.*?\n)\n", PAGE, re.DOTALL | re.MULTILINE)


def table(text: str) -> list[list[float | None]]:
    """The figures of a Markdown table, without its first column; None for an empty cell."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")][1:] for line in text.splitlines()[2:]]
    return [[_figure(cell) for cell in row] for row in rows]


def _figure(cell: str) -> float | None:
    cell = cell.replace(",", "").replace("\u2212", "-")
    return None if not cell else float(cell.removesuffix("%")) / (100 if cell.endswith("%") else 1)


def close(row: list[float | None]) -> list[object]:
    return [None if figure is None else pytest.approx(figure, rel=0.02, abs=1e-4) for figure in row]


@pytest.fixture
def answers(monkeypatch, capsys):
    """The JSON of each command that the page shows."""

    def run(command: str) -> dict:
        monkeypatch.chdir(ROOT)
        monkeypatch.setattr(sys, "argv", [*shlex.split(command.replace("\\\n", " ")), "--json"])
        try:
            main()
        except SystemExit as e:
            assert not e.code
        return json.loads(capsys.readouterr().out)

    return run


@pytest.mark.slow
def test_the_replay_has_the_figures_of_its_table(answers):
    command, shown = SHOWN[0]
    rows = answers(command)["rows"]
    figures = [
        [
            row["session_s"]["p50"],
            row["model_share"],
            row["ttft_ms"]["all"]["p50"],
            row["tpot_ms"]["p50"],
            row["total_tput_per_gpu_tok_s"],
            row["sessions_per_gpu_h"],
            sum(row["hit_tokens"].values()) / row["prompt_tokens"],
            row["possible_hit_tokens"] / row["prompt_tokens"],
        ]
        for row in rows
    ]
    assert figures == [close(row) for row in table(shown)]


@pytest.mark.slow
def test_the_worth_has_the_figures_of_its_table(answers):
    command, shown = SHOWN[1]
    keys = ("sessions_per_gpu_h", "hit_share", "usd_per_session", "computed_usd_per_mtok", "hit_usd_per_mtok")
    keys = (*keys, "tier_usd_per_gpu_h", "tier_usd_per_gb_month")
    caches = answers(command)["rows"][0]["caches"]
    figures = [[cache["ttft_ms"]["p50"], *(cache[key] for key in keys)] for cache in caches]
    assert figures == [close(row) for row in table(shown)]


@pytest.mark.slow
@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_python_of_the_page_runs(code, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    exec(compile(code, "replay.md", "exec"), {})
    assert capsys.readouterr().out
