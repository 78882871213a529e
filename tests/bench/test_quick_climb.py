"""The climb of `quick`, on summaries whose cause is known: pure, by a clock of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest

from paretoken.bench.plan import Closed
from paretoken.bench.quick_climb import QuickClimb, verdict
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.warnings import LevelWarning
from tests.support.summaries import judged, limited, not_steady, summary

LIMITED = limited("a worker used 99 % of its core")
LATE = {"fidelity": replace(LIMITED["fidelity"], loop_lag_p99_s=0.2)}
DRIFTING = not_steady("no steady state: TPOT still rises", enough=True)
SHORT = not_steady("no steady state: 6 requests", enough=False)
HELD_BACK = {"warnings": (LevelWarning("buffered", "in one piece"),), "met": False}


@dataclass
class LoadsOfUsers:
    """The part of a setup that a climb uses."""

    config = SimpleNamespace(slo="ttft_p50=1s")

    def closed_load(self, users: int) -> Closed:
        return Closed(users)


Level = Callable[[int, int], LevelSummary]
"""The summary of a load at its n-th try, from 0."""


def climb(level: Level, budget_s: float = 600.0, beside_s: float = 0.0, **more: int) -> tuple[list[int], QuickClimb]:
    """The loads in the order tried, and the climb at its end."""
    now = [0.0]
    steps = QuickClimb(LoadsOfUsers(), budget_s, clock=lambda: now[0], **more)
    tried: list[int] = []
    while (load := steps.next_load()) is not None:
        now[0] += steps.seconds + beside_s
        steps.observe(load, SimpleNamespace(summary=level(load.users, tried.count(load.users))))
        tried.append(load.users)
    return tried, steps


def up_to(most: int, **more: object) -> Level:
    return lambda users, _: summary(users, 50.0 * min(users, 64), met=users <= most, **more)


def test_users_double_and_then_the_gap_is_halved():
    assert climb(up_to(10))[0] == [1, 2, 4, 8, 16, 12, 10]


def test_the_climb_ends_at_the_most_users():
    tried, steps = climb(up_to(10_000), most_users=64)
    assert tried == [1, 2, 4, 8, 16, 32, 64] and steps.needs_s is None


def test_the_climb_keeps_to_its_time_and_says_what_it_needs():
    tried, steps = climb(up_to(10_000), budget_s=60, beside_s=6)
    assert tried == [1, 2, 4, 8, 16] and steps.needs_s == pytest.approx(72)


def test_where_not_one_user_is_within_the_slos_it_climbs_to_the_knee():
    tried, steps = climb(lambda users, _: summary(users, 50.0 * min(users, 4), met=False))
    assert tried == [1, 2, 4, 8] and steps.answer()["users"] is None


def test_streams_in_one_piece_are_climbed_to_the_knee():
    assert climb(lambda users, _: summary(users, 50.0 * min(users, 2), **HELD_BACK))[0] == [1, 2, 4]


def test_a_busy_client_does_not_end_the_climb():
    def level(users: int, tries: int) -> LevelSummary:
        return summary(users, 50.0 * users, met=users <= 4, **(LATE if users == 1 else {}))

    assert climb(level)[0] == [1, 2, 4, 8, 6, 5]
    tried, steps = climb(lambda users, _: summary(users, 50.0 * users, **(LATE if users > 4 else {})))
    assert tried == [1, 2, 4, 8, 16] and steps.answer()["users"] == 4


def test_a_level_too_short_is_repeated_for_longer_where_it_decides():
    seconds: list[float] = []

    def level(users: int, tries: int) -> LevelSummary:
        seconds.append(users)
        short = SHORT if users == 2 and not tries else {}
        return summary(users, 50.0 * users, met=users <= 2, **short)

    tried, steps = climb(level)
    assert tried == [1, 2, 4, 3, 2]
    assert not steps.tried[2].doubts


def test_a_trend_gets_one_more_try():
    def level(users: int, tries: int) -> LevelSummary:
        return summary(users, 50.0 * users, met=users < 8, **(DRIFTING if users in (4, 8) and not tries else {}))

    tried, steps = climb(level)
    assert tried[:5] == [1, 2, 4, 8, 4] and tried.count(8) == 2 and steps.answer()["users"] == 7


def test_a_load_that_misses_by_far_misses_whatever_the_client_did():
    level = summary(4, 100.0, met=False, **LATE)
    objective = level.goodput.objectives[0]

    def missing(value_s: float) -> LevelSummary:
        missed = replace(objective, met=False, value_s=value_s)
        return replace(level, goodput=replace(level.goodput, objectives=(missed,)))

    bound_s = objective.slo.bound_s
    assert verdict(missing(2 * bound_s)) == "missed" and verdict(missing(1.1 * bound_s)) == "unclear"


def test_a_try_for_which_there_is_no_time_does_not_end_the_climb():
    def level(users: int, tries: int) -> LevelSummary:
        return summary(users, 50.0 * users, met=users <= 4, **(SHORT if users == 4 else {}))

    tried, steps = climb(level, budget_s=38)
    assert tried == [1, 2, 4, 8, 6, 5] and steps.needs_s > 38


def test_slow_answers_get_longer_levels():
    assert climb(up_to(1, e2e_s=4.0))[1].seconds == pytest.approx(18.0)
    assert climb(up_to(1, e2e_s=90.0))[1].seconds == 30.0


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "met"),
        ({"met": False}, "missed"),
        (LIMITED, "met"),
        (LATE, "unclear"),
        ({**LIMITED, "met": False}, "unclear"),
        (DRIFTING, "unclear"),
        (SHORT, "met"),
        ({"failed": "20 % of requests failed"}, "missed"),
        (HELD_BACK, "unclear"),
    ],
)
def test_the_verdict_on_a_level(more, expected):
    assert verdict(summary(4, 100.0, **more)) == expected


FEW = ("ttft_p95=2s", False, 1)


def test_one_slow_request_of_few_decides_nothing_and_is_repeated():
    """Eight requests at one user, one of them slow: the load is tried again, and the climb goes on."""

    def level(users: int, tries: int) -> LevelSummary:
        if users == 1 and not tries:
            return judged(1, FEW, tried=8)
        return judged(users, ("ttft_p95=2s", users <= 4, 0 if users <= 4 else 50), tried=100)

    tried, steps = climb(level)
    assert tried[:3] == [1, 2, 4] and steps.answer()["users"] == 4

    always = climb(lambda users, _: judged(users, FEW, tried=8))
    assert always[0].count(1) == 2 and always[1].answer()["users"] is None
    assert not any(verdict(s) == "missed" for s in always[1].tried.values())


def test_what_few_requests_miss_for_certain_ends_the_climb():
    tried, steps = climb(lambda users, _: judged(users, ("ttft_p95=2s", False, 5), tried=8))
    assert verdict(steps.tried[1]) == "missed" and tried.count(1) == 1
