"""More of the same traffic, less of it, and its busiest day."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from paretoken.errors import BadConfig
from paretoken.traffic.growth import SHIFT_S, busiest_day, grown
from paretoken.traffic.traffic import PrefixBlocks, Traffic


def some_traffic(n=4000, span_s=6 * 3600.0, sessions=0, seed=1, **more):
    rng = np.random.default_rng(seed)
    rate = rng.choice([0.2, 1.0], n)
    return Traffic(
        time_s=np.sort(rng.uniform(0, span_s, n) ** rate * span_s ** (1 - rate)),
        input_tokens=rng.integers(1, 5000, n),
        output_tokens=rng.integers(1, 500, n),
        session=rng.integers(0, sessions, n) if sessions else np.full(n, -1),
        span_s=span_s,
        source="made up",
        **more,
    )


def rows_of(traffic):
    return Counter(zip(traffic.time_s, traffic.input_tokens, traffic.output_tokens, strict=True))


@pytest.mark.parametrize("factor", [1.3, 2.0, 3.5])
def test_growth_keeps_every_request_and_adds_copies(factor):
    traffic = some_traffic()
    more = grown(traffic, factor, 7)
    assert len(more) == pytest.approx(factor * len(traffic), rel=0.002)
    assert not rows_of(traffic) - rows_of(more)
    assert more.span_s == traffic.span_s


def test_a_doubling_doubles_every_hour_and_every_length():
    traffic = some_traffic()
    double = grown(traffic, 2.0, 7)
    assert (np.bincount(double.hour_of()) == 2 * np.bincount(traffic.hour_of())).all()
    assert (np.sort(double.input_tokens) == np.repeat(np.sort(traffic.input_tokens), 2)).all()


def test_copies_are_moved_by_minutes():
    traffic = some_traffic(200)
    double = grown(traffic, 2.0, 7)
    copies = rows_of(double) - rows_of(traffic)
    source = {(i, o): t for t, i, o in rows_of(traffic)}
    shifts = np.array([t - source[i, o] for t, i, o in copies])
    assert np.abs(shifts).max() <= SHIFT_S
    assert np.median(np.abs(shifts)) > 60


@pytest.mark.parametrize("factors", [(0.2, 0.5), (1.2, 1.7), (1.7, 2.0), (2.0, 2.4)])
def test_more_growth_has_all_of_less(factors):
    traffic = some_traffic(sessions=700)
    less, more = (grown(traffic, factor, 3) for factor in factors)
    assert not rows_of(less) - rows_of(more)
    assert len(less) < len(more)


def test_a_share_has_the_hours_and_is_no_regular_thinning():
    traffic = some_traffic(8000)
    half = grown(traffic, 0.5, 3)
    assert np.abs(np.bincount(half.hour_of()) - np.bincount(traffic.hour_of()) / 2).max() <= 1
    kept = np.isin(traffic.time_s, half.time_s)
    assert 0.4 < (kept[1:] == kept[:-1]).mean() < 0.6


def test_sessions_stay_whole_and_copies_are_others():
    traffic = some_traffic(sessions=300)
    sizes = np.bincount(traffic.session)
    half, double = grown(traffic, 0.5, 3), grown(traffic, 2.0, 3)
    for session in set(half.session.tolist()):
        assert (half.session == session).sum() == sizes[session]
    assert len(set(double.session.tolist())) == 2 * len(set(traffic.session.tolist()))
    first = {s: np.diff(double.time_s[double.session == s]) for s in (0, traffic.session.max() + 1)}
    assert np.allclose(*first.values())


def test_a_session_alone_never_vanishes():
    traffic = some_traffic(5, sessions=1)
    assert len(grown(traffic, 0.001, 1)) == 5


def test_a_copy_shares_what_sessions_shared_and_no_more():
    traffic = replace(some_traffic(3, sessions=0), session=np.array([0, 0, 1]))
    blocks = PrefixBlocks(ids=((1, 2), (1, 2, 3), (1, 9)), tokens=16)
    double = grown(replace(traffic, prefixes=blocks), 2.0, 3)
    originals = [ids for ids, session in zip(double.prefixes.ids, double.session, strict=True) if session < 2]
    copies = [ids for ids, session in zip(double.prefixes.ids, double.session, strict=True) if session >= 2]
    assert sorted(originals) == sorted(blocks.ids)
    assert {ids[0] for ids in copies} == {1}
    own = {block for ids in copies for block in ids[1:]}
    assert not own & {1, 2, 3, 9}
    assert len(own) == 3
    assert sorted(map(len, copies)) == [2, 2, 3]


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_growth(factor):
    with pytest.raises(BadConfig, match="growth is"):
        grown(some_traffic(10), factor, 1)


def test_too_much_growth():
    with pytest.raises(BadConfig, match="smaller --growth"):
        grown(some_traffic(1000), 1e6, 1)


def test_a_day_or_less_stays():
    traffic = some_traffic(span_s=86_400.0)
    assert busiest_day(traffic) is traffic


def days_of(counts, day_start_s):
    """Traffic with `counts[k]` requests on calendar day k, one input and one output token each."""
    days = np.repeat(np.arange(len(counts)), counts)
    time_s = np.sort(days * 86_400 + np.random.default_rng(1).uniform(0, 86_400, len(days)))
    n = len(time_s)
    ones = np.ones(n, dtype=int)
    end = len(counts) * 86_400.0
    keep = time_s >= day_start_s
    return Traffic(
        time_s=time_s[keep] - day_start_s,
        input_tokens=ones[keep],
        output_tokens=ones[keep],
        session=-ones[keep],
        span_s=end - day_start_s,
        day_start_s=day_start_s,
        source="days",
    )


def test_the_busiest_24_hours_of_a_week_begin_on_a_full_hour():
    week = days_of([500, 900, 300, 880], 36_000.0)
    day = busiest_day(week)
    windows = [
        ((week.time_s >= start) & (week.time_s < start + 86_400)).sum()
        for start in range(0, 3 * 86_400 - 36_000 + 1, 3600)
    ]
    assert len(day) == max(windows) >= 900
    assert day.span_s == 86_400 and day.day_start_s % 3600 == 0
    assert day.time_s.min() >= 0 and day.time_s.max() <= 86_400
    (note,) = day.notes
    assert f"the 24 hours from {day.day_start_s / 3600:02.0f}:00 on day" in note and "its 3.58 days" in note


def cut(traffic, start_s, end_s):
    """The part of a traffic between two times."""
    keep = (traffic.time_s >= start_s) & (traffic.time_s <= end_s)
    part = traffic.take(keep)
    return replace(part, time_s=part.time_s - start_s, span_s=end_s - start_s, day_start_s=start_s % 86_400)


@pytest.mark.parametrize(
    ("counts", "named"), [([2000, 2000, 20_000], "23:59 on day 2"), ([20_000, 2000, 2000], "00:00 on day 1")]
)
def test_a_day_that_the_log_cuts_by_seconds_is_no_less_the_busiest(counts, named):
    log = cut(days_of(counts, 0.0), 20.0, 3 * 86_400 - 40.0)
    day = busiest_day(log)
    assert len(day) == pytest.approx(20_000, rel=0.005) and day.span_s == 86_400
    assert day.time_s.min() >= 0 and day.time_s.max() <= 86_400
    assert day.notes == (
        f"the 24 hours from {named} of the source, which have the most tokens; the rest of its 3 days is left out",
    )


def test_a_busy_night_is_not_cut_at_midnight():
    traffic = days_of([1000, 1000, 1000], 0.0)
    night = np.abs(traffic.time_s - 2 * 86_400) < 6 * 3600
    busy = replace(traffic, input_tokens=np.where(night, 500, 1))
    day = busiest_day(busy)
    assert day.input_tokens.sum() >= busy.input_tokens[night].sum()
    assert 6 <= day.day_start_s / 3600 <= 18


def test_where_the_time_of_day_is_unknown_hours_count_from_the_start():
    short = replace(days_of([100, 900], 36_000.0), day_start_s=None)
    day = busiest_day(short)
    assert day.span_s == 86_400 and day.day_start_s is None
    assert len(day) >= 890
    assert any("24 hours from hour 14" in note for note in day.notes)
