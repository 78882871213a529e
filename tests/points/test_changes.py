"""The change log of the shipped points."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from paretoken.points.changes import DataChange, data_changes

CHANGELOG = (Path(__file__).parents[2] / "CHANGELOG.md").read_text(encoding="utf-8")


def test_changes_are_dated_and_the_newest_is_first() -> None:
    changes = data_changes()
    days = [date.fromisoformat(c.date) for c in changes]
    assert changes and days == sorted(days, reverse=True)
    assert {c.kind for c in changes} <= {"added", "corrected", "flagged"}


@pytest.mark.parametrize("change", data_changes(), ids=lambda c: c.text[:30])
def test_every_figure_stands_in_the_changelog(change: DataChange) -> None:
    assert f"## {change.release}" in CHANGELOG
    figures = re.findall(r"\d[\d,.-]*\d", change.text)
    assert all(figure in CHANGELOG for figure in figures), figures
