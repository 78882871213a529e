"""Counts and amounts: the noun agrees."""

from __future__ import annotations

import pytest

from paretoken.plural import counted, listed, quantity


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 users"), (1, "1 user"), (1.2, "1 user"), (2, "2 users"), (1200, "1,200 users")]
)
def test_a_count_and_its_noun(count: float, text: str) -> None:
    assert counted(count, "user") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1 token"),
        (1.0, "1 token"),
        (1.38, "1.38 tokens"),
        (0.5, "0.5 tokens"),
        (62.54, "62.5 tokens"),
        (99.96, "100 tokens"),
        (12_400.4, "12,400 tokens"),
        (1e6, "1,000,000 tokens"),
    ],
)
def test_an_amount_and_its_noun(value: float, text: str) -> None:
    assert quantity(value, "token") == text


def test_irregular_plurals() -> None:
    assert counted(2, "series", "series") == "2 series"
    assert quantity(0.5, "entry", "entries") == "0.5 entries"


def test_lists() -> None:
    assert [listed(list("ABC"[:n])) for n in range(4)] == ["", "A", "A and B", "A, B and C"]
