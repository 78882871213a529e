"""The plan of a short ladder: loads and lengths that separate the terms, within the time given."""

from __future__ import annotations

import pytest

from paretoken.bench.short_ladder_plan import (
    LEVEL_OVERHEAD_S,
    REQUESTS_PER_LEVEL,
    RequestPace,
    most_users,
    plan_ladder,
)
from paretoken.errors import BadConfig

CHAT = (1024, 1024)


def pace(users: int = 16, ttft_s: float = 0.1, tpot_s: float = 0.01) -> RequestPace:
    return RequestPace(users=users, ttft_s=ttft_s, tpot_s=tpot_s)


def test_one_user_the_highest_load_and_one_between_at_two_prompts():
    plan = plan_ladder(*CHAT, 5, pace())
    assert [(p.isl, p.users) for p in plan.pairs] == [(1024, (1, 4, 16)), (256, (1, 4, 16))]
    assert plan.notes == ()


@pytest.mark.parametrize("minutes", [0.5, 2, 5, 30])
@pytest.mark.parametrize("tpot_s", [0.001, 0.01, 0.05])
def test_the_levels_fit_into_the_time_and_are_long_enough(minutes, tpot_s):
    measured = pace(tpot_s=tpot_s)
    plan = plan_ladder(*CHAT, minutes, measured)
    for pair in plan.pairs:
        highest = measured.at(pair.users[-1])
        assert pair.seconds >= (REQUESTS_PER_LEVEL - 1) * highest.e2e_s(pair.osl) * 0.99 or pair.osl == 16
    whole_s = sum((p.seconds + measured.at(p.users[-1]).e2e_s(p.osl)) * len(p.users) for p in plan.pairs)
    levels = sum(len(p.users) for p in plan.pairs)
    assert whole_s <= 60 * minutes + levels * LEVEL_OVERHEAD_S


def test_a_fast_server_keeps_the_answers_of_the_question_and_a_slow_one_gets_shorter_ones():
    assert plan_ladder(*CHAT, 10, pace(tpot_s=0.005)).pairs[0].osl == 1024
    assert plan_ladder(*CHAT, 2, pace(tpot_s=0.05)).pairs[0].osl == 64


def test_users_are_fewer_where_even_short_answers_take_too_long_and_that_is_noted():
    plan = plan_ladder(*CHAT, 2, pace(users=64, ttft_s=10, tpot_s=0.5))
    assert max(plan.pairs[0].users) < 64
    assert "64 users need --minutes" in plan.notes[0]


def test_a_slow_server_that_is_left_with_one_user_is_measured_at_three_prompts():
    plan = plan_ladder(*CHAT, 2, pace(users=16, ttft_s=30, tpot_s=0.5))
    assert [(p.isl, p.users) for p in plan.pairs] == [(1024, (1,)), (256, (1,)), (640, (1,))]


def test_too_slow_for_the_time_is_refused_with_the_time_that_is_enough():
    with pytest.raises(BadConfig, match=r"1 minutes are too few: .* use --minutes \d+, or a shorter --isl"):
        plan_ladder(*CHAT, 1, pace(users=1, ttft_s=30))


def test_a_server_of_one_request_at_a_time_is_measured_at_three_prompts():
    plan = plan_ladder(*CHAT, 5, pace(users=most_users((1, 64), slots=1)))
    assert [(p.isl, p.users) for p in plan.pairs] == [(1024, (1,)), (256, (1,)), (640, (1,))]


@pytest.mark.parametrize(
    ("concurrency", "slots", "most"), [((1,), None, 4), ((8, 64), None, 64), ((64,), 16, 16), ((1,), 2, 2)]
)
def test_the_highest_load_is_that_of_the_question_or_of_the_server(concurrency, slots, most):
    assert most_users(concurrency, slots) == most


def test_a_short_prompt_is_compared_with_a_longer_one():
    assert [p.isl for p in plan_ladder(32, 64, 5, pace()).pairs] == [32, 128]
