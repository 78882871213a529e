"""Verdicts between curves that draft tokens: at like acceptance only, and never in silence."""

from __future__ import annotations

import pytest

from paretoken.frontier.verdict import curve_grid, segments, verdict_at
from tests.frontier.test_verdict import curves_of, scaled


def verdict(b200: dict, mi355x: dict):
    drawn = curves_of(*scaled("B200", 1.3, **b200), *scaled("MI355X", 1.0, **mi355x))
    return verdict_at(drawn, 4.0), segments(curve_grid(drawn))


def drafts(length: float | None = None, tokens: int | None = 3, method: str = "mtp") -> dict:
    return {"speculative": method, "speculative_tokens": tokens, "acceptance_length": length}


PLAIN = {"speculative": "none"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (PLAIN, PLAIN),
        (PLAIN, drafts(2.9)),
        (drafts(2.9), drafts(2.8)),
        (drafts(2.9), drafts(2.8, method="eagle3")),
        (drafts(1.8, 1), drafts(2.44, 2)),
    ],
)
def test_like_acceptance_is_ranked(one, other):
    at, parts = verdict(one, other)
    assert (at.winner, at.withheld, at.acceptance) == ("B200", None, None)
    assert all(s.withheld is None for s in parts)


@pytest.mark.parametrize(("one", "other"), [(drafts(2.9), drafts(2.5)), (drafts(1.8, 1), drafts(3.6, 3))])
def test_unlike_acceptance_gives_no_verdict_and_one_sentence(one, other):
    at, parts = verdict(one, other)
    assert at.withheld.startswith("unlike acceptance: B200 drafts with MTP K=")
    assert "more than 5 % apart" in at.withheld and at.acceptance is None
    assert all(s.withheld for s in parts if s.runner_up)


@pytest.mark.parametrize(
    ("one", "other", "names"),
    [
        (drafts(), drafts(2.5), "B200 (MTP)"),
        (drafts(), PLAIN, "B200 (MTP)"),
        (drafts(), drafts(), "B200 (MTP) and MI355X (MTP)"),
    ],
)
def test_an_acceptance_that_is_not_stated_is_named(one, other, names):
    at, parts = verdict(one, other)
    assert at.withheld is None
    assert at.acceptance == f"acceptance length not stated for {names}; on another text the ranking may differ"
    assert all(s.acceptance for s in parts if s.runner_up)


def test_segments_end_where_acceptance_stops_being_alike():
    low = scaled("MI355X", 1.0, **drafts(2.9))
    for i, point in enumerate(low):
        point["acceptance_length"] = 2.9 if i < 4 else 2.0
    parts = segments(curve_grid(curves_of(*scaled("B200", 1.3, **drafts(2.9)), *low)))
    assert [bool(s.withheld) for s in parts if s.runner_up] == [False, True]
    assert parts[0].high_s == pytest.approx(4.0, rel=0.02)
