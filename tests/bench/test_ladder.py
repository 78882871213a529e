"""The notation of levels and ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.bench.workload.arrivals import Ramp
from paretoken.bench.workload.ladder import (
    Until,
    UserRamp,
    parse_duration_s,
    parse_fraction,
    parse_ramp,
    parse_rates,
    parse_until,
    parse_users,
)
from paretoken.errors import BadConfig


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("4", (4,)),
        ("1,2,4,8", (1, 2, 4, 8)),
        (" 1 , 2 ", (1, 2)),
        ("1:256:x2", (1, 2, 4, 8, 16, 32, 64, 128, 256)),
        ("1:100:x2", (1, 2, 4, 8, 16, 32, 64, 100)),
        ("1:100:*10", (1, 10, 100)),
        ("1:64:+8", (1, 9, 17, 25, 33, 41, 49, 57, 64)),
        ("2:10:x1.5", (2, 3, 4, 7, 10)),
        ("1:4:x2,3,4,100", (1, 2, 4, 3, 100)),
        ("8,1,8", (8, 1)),
        ("5:5:x2", (5,)),
        ("2, ramp:1:64:60s", (2, UserRamp(1, 64, 60))),
    ],
)
def test_users(text, levels):
    assert parse_users(text) == levels


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("0.5:8:x2", (0.5, 1, 2, 4, 8)),
        ("0.1:0.3:+0.1", (0.1, 0.2, 0.3)),
        ("1e2, .5", (100, 0.5)),
        ("1,ramp:1:10:60s", (1, Ramp(1, 10, 60))),
    ],
)
def test_rates(text, levels):
    assert parse_rates(text) == pytest.approx(levels) if "ramp" not in text else parse_rates(text) == levels


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0", "concurrency 0 must be 1 or more users"),
        ("1,-4", "concurrency -4 must be 1 or more users"),
        ("ramp:8:1:10s", "must rise"),
        ("ramp:1:8", "ramp:FROM:TO:DURATION"),
        ("ramp:0:8:5s", "must be 1 or more users"),
        ("ramp:1.5:8:5s", "not a whole number of users"),
        ("ramp:1:8:5", "write 5s or 5ms"),
        ("", "write levels like 1,2,4"),
        ("1,,2", "cannot be read at ''"),
        ("1:256", "give the step, as in 1:256:x2"),
        ("1:256:2", "the step '2' must be like x2 or +8"),
        ("256:1:x2", "the range is falling; write its lower end first"),
        ("1:8:x1", "does not rise"),
        ("1:8:+0", "does not rise"),
        ("1.5", "'1.5' is not a whole number of users"),
        ("many", "'many' is not a whole number of users"),
        ("1:1000000:+1", "more than 1,000 levels"),
        ("1:2:x2:3", "cannot be read"),
    ],
)
def test_bad_users_are_one_sentence(text, says):
    with pytest.raises(BadConfig) as caught:
        parse_users(text)
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["0", "-1", "x", "nan", "inf", "0:8:x2", "ramp:1:2", "ramp:1:2:3", "ramp:0:0:3s"])
def test_bad_rates_are_refused(text):
    with pytest.raises(BadConfig):
        parse_rates(text)


@given(st.integers(1, 500), st.integers(0, 2000), st.floats(1.05, 10))
def test_a_range_rises_from_its_first_to_its_last(first, more, factor):
    levels = parse_users(f"{first}:{first + more}:x{factor:.3f}")
    assert levels[0] == first and levels[-1] == first + more
    assert list(levels) == sorted(set(levels))


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=20))
def test_a_list_of_levels_reads_back(levels):
    assert parse_users(",".join(map(str, levels))) == tuple(dict.fromkeys(levels))


def test_a_ramp():
    assert parse_ramp("0.5:8:2m") == Ramp(0.5, 8, 120)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("2m", 120), ("500ms", 0.5), ("1.5h", 5400), ("2 min", 120), ("10us", 1e-5)]
)
def test_durations(text, seconds):
    assert parse_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize(("text", "says"), [("30", "write 30s or 30ms"), ("-2s", "like 30s"), ("2 days", "like 30s")])
def test_bad_durations(text, says):
    with pytest.raises(BadConfig, match=says):
        parse_duration_s(text)


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("2%", Until(precision=0.02)),
        ("60s", Until(seconds=60)),
        ("0.5%, 2m", Until(precision=0.005, seconds=120)),
        ("1000 requests,1e6 tokens,1h", Until(requests=1000, tokens=10**6, seconds=3600)),
    ],
)
def test_ends(text, until):
    assert parse_until(text) == until


@pytest.mark.parametrize("text", ["", "0s", "0%", "100%", "1s,2s", "1.5 requests", "0 tokens", "5"])
def test_bad_ends_are_refused(text):
    with pytest.raises(BadConfig):
        parse_until(text)


def test_a_share_needs_its_sign():
    with pytest.raises(BadConfig, match="write it like 2%"):
        parse_fraction("0.02")
