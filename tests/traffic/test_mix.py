"""A day of traffic by hand: rates, lengths, day curves, peaks, arrivals, sessions, prefixes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from paretoken.bench.workload.length_text import parse_length
from paretoken.bench.workload.prompts import Prefixes
from paretoken.errors import BadConfig, ParetokenError
from paretoken.traffic import mix as mix_module
from paretoken.traffic.day_curves import DAY_CURVES, DayRate, RatePeak, parse_day_curve, parse_peak
from paretoken.traffic.mix import BLOCK_TOKENS, TrafficMix, draw_day
from paretoken.traffic.rates import clock, parse_period_s, parse_rate_s
from paretoken.traffic.traffic import DAY_S

FLAT = DAY_CURVES["flat"]


def a_day(rate_s=1.0, weights=FLAT, peaks=(), seed=1, isl="500", osl="100", **more):
    mix = TrafficMix(rate=DayRate(rate_s, weights, peaks), isl=parse_length(isl), osl=parse_length(osl), **more)
    return draw_day(mix, seed, "a mix")


def by_hour(traffic):
    return np.bincount(traffic.hour_of(), minlength=24)


def in_windows(traffic, seconds=60.0):
    return np.histogram(traffic.time_s, np.arange(0, DAY_S + 1, seconds))[0]


@pytest.mark.parametrize(
    ("text", "rate"),
    [("2000/min", 2000 / 60), ("5", 5), ("0.5/s", 0.5), ("36/h", 0.01), ("86400/day", 1), ("1e6 / d", 1e6 / 86400)],
)
def test_rates(text, rate):
    assert parse_rate_s(text) == pytest.approx(rate)


@pytest.mark.parametrize("text", ["", "x", "0", "-3/s", "5/week", "nan", "inf/s", "5/", "/s", "3/min/s"])
def test_what_is_no_rate(text):
    with pytest.raises(BadConfig, match="2000/min"):
        parse_rate_s(text)


def test_periods():
    assert parse_period_s("7d", "--since") == 604_800
    assert parse_period_s("24h", "--since") == 86_400
    for text in ("0s", "5", "d", "-1h", "1.2.3d"):
        with pytest.raises(BadConfig):
            parse_period_s(text, "--since")


def test_the_day_lasts_a_day_and_has_the_rate():
    traffic = a_day(rate_s=2.0)
    assert traffic.span_s == DAY_S and traffic.day_start_s == 0
    assert len(traffic) == pytest.approx(2 * DAY_S, rel=0.01)


def test_lengths_have_their_law():
    traffic = a_day(isl="lognormal:1800:1.1", osl="uniform:200:0.5")
    assert traffic.input_tokens.mean() == pytest.approx(1800, rel=0.03)
    assert traffic.output_tokens.min() == 100 and traffic.output_tokens.max() == 200


@pytest.mark.parametrize("name", list(DAY_CURVES))
def test_hours_follow_the_curve_and_keep_the_mean_rate(name):
    weights = np.array(DAY_CURVES[name])
    traffic = a_day(rate_s=3.0, weights=DAY_CURVES[name])
    expected = 3.0 * 3600 * weights / weights.mean()
    assert len(weights) == 24
    assert (np.abs(by_hour(traffic) - expected) < 5 * np.sqrt(expected) + 1).all()


def test_the_page_shows_the_curves_as_they_are():
    page = (Path(__file__).parents[2] / "docs" / "traffic.md").read_text(encoding="utf-8")
    for name, weights in DAY_CURVES.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        assert row.endswith(f"| {' '.join(f'{w:g}' for w in weights)} |")


def test_assumed_curves_say_so_with_their_numbers():
    notes = a_day(weights=DAY_CURVES["office"]).notes
    assert any("assumed, not measured" in note and "100 95 70" in note for note in notes)
    assert any("published" in note for note in a_day(weights=DAY_CURVES["campus"]).notes)


def test_a_peak_multiplies_its_minutes_alone():
    peak = parse_peak("3x@14:30/30m")
    assert peak == RatePeak(3.0, 14.5 * 3600, 1800.0)
    traffic = a_day(rate_s=3.0, peaks=(peak,))
    windows = in_windows(traffic, 1800.0)
    assert windows[29] == pytest.approx(3 * 3.0 * 1800, rel=0.05)
    assert np.delete(windows, 29).max() < 1.1 * 3.0 * 1800
    assert any("+4.2%" in note for note in traffic.notes)


def test_a_peak_goes_on_past_midnight():
    windows = in_windows(a_day(rate_s=2.0, peaks=(parse_peak("5x@23:30/1h"),)), 1800.0)
    assert windows[0] > 4 * windows[1] and windows[47] > 4 * windows[46]


def test_a_closed_hour_has_no_requests():
    weights = (0,) * 8 + (1,) * 10 + (0,) * 6
    hours = by_hour(a_day(weights=weights))
    assert hours[:8].sum() == hours[18:].sum() == 0
    assert hours[8:18].min() > 0


@pytest.mark.parametrize(("burstiness", "low", "high"), [(1.0, 0.9, 1.1), (0.25, 3.2, 4.6), (8.0, 0.05, 0.25)])
def test_burstiness_is_variance_over_mean(burstiness, low, high):
    windows = in_windows(a_day(rate_s=1.0, burstiness=burstiness), 300.0)
    assert low * 0.8 < windows.var() / windows.mean() < high * 1.2


def test_the_same_seed_gives_the_same_day_and_sessions_move_no_arrival():
    a, b = a_day(seed=5), a_day(seed=5, requests_per_session=3, prefixes=Prefixes(0.5, 4))
    assert (a.time_s == b.time_s).all() and (a.input_tokens == b.input_tokens).all()
    assert len(a_day(seed=6)) != len(a)


def test_sessions_have_their_mean_number_of_requests_within_an_hour():
    traffic = a_day(rate_s=0.5, requests_per_session=3.4)
    sizes = np.bincount(traffic.session)
    assert set(sizes[sizes > 0]) <= {1, 2, 3, 4}
    assert len(traffic) / len(sizes) == pytest.approx(3.4, rel=0.01)
    for session in range(0, len(sizes), 500):
        assert len(set(traffic.hour_of()[traffic.session == session])) == 1
    assert (a_day().session == -1).all()


def test_prefixes_are_shared_blocks():
    traffic = a_day(rate_s=0.2, isl="uniform:1000:0.5", prefixes=Prefixes(0.4, 3))
    blocks = traffic.prefixes
    assert blocks.tokens == BLOCK_TOKENS
    used = Counter(block for ids in blocks.ids for block in ids)
    shared = [[block for block in ids if used[block] > 1] for ids in blocks.ids]
    for ids, begin, tokens in zip(blocks.ids, shared, traffic.input_tokens, strict=True):
        assert len(ids) == tokens // BLOCK_TOKENS
        assert len(begin) == pytest.approx(0.4 * tokens / BLOCK_TOKENS, abs=0.51)
        assert list(ids[: len(begin)]) == begin
    assert set(Counter(begin[0] for begin in shared)) == {0, 1_000_000, 2_000_000}
    longest = {begin[0]: begin for begin in sorted(shared, key=len)}
    assert all(begin == longest[begin[0]][: len(begin)] for begin in shared)


def test_many_prompts_have_larger_blocks_and_the_same_share(monkeypatch):
    monkeypatch.setattr(mix_module, "_FEW_IDS", 100_000)
    traffic = a_day(rate_s=0.2, isl="uniform:1000:0.5", prefixes=Prefixes(0.4, 3))
    used = Counter(block for ids in traffic.prefixes.ids for block in ids)
    shared = sum(used[block] > 1 for ids in traffic.prefixes.ids for block in ids)
    assert traffic.prefixes.tokens == 128
    assert shared * 128 / traffic.input_tokens.sum() == pytest.approx(0.4, rel=0.05)
    monkeypatch.setattr(mix_module, "_MOST_IDS", 1000)
    traffic = a_day(rate_s=0.2, isl="uniform:1000:0.5", prefixes=Prefixes(0.4, 3))
    assert sum(map(len, traffic.prefixes.ids)) == shared


def test_a_session_keeps_its_prefix():
    traffic = a_day(rate_s=0.2, requests_per_session=5, prefixes=Prefixes(0.4, 50))
    for session in range(40):
        rows = np.flatnonzero(traffic.session == session)
        assert len({traffic.prefixes.ids[row][0] for row in rows}) == 1


def test_too_many_requests_are_refused_with_what_to_do():
    with pytest.raises(BadConfig, match="more than the 5,000,000 that a plan takes; lower --rate"):
        a_day(rate_s=60.0)
    with pytest.raises(BadConfig, match="raise --rate"):
        a_day(rate_s=1e-9)


def test_curves_by_numbers_and_by_file(tmp_path):
    numbers = tuple(float(n) for n in range(1, 25))
    assert parse_day_curve(",".join(map(str, numbers))) == numbers
    file = tmp_path / "day.csv"
    file.write_text("hour,share\n" + "\n".join(f"{h},{h + 1}" for h in reversed(range(24))), encoding="utf-8")
    assert parse_day_curve(str(file)) == numbers
    assert parse_day_curve(" Flat ") == (1.0,) * 24


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ofice", "did you mean office"),
        ("1,2,3", "has 3 weights; give 24"),
        ("", "unknown day curve ''"),
        ("a" * 5000, "unknown day curve"),
        (",".join(["0"] * 24), "0 in every hour"),
        (",".join(["1"] * 23 + ["-1"]), "a weight of -1"),
        (",".join(["1"] * 23 + ["nan"]), "a weight of nan"),
        (",".join(["1"] * 23 + ["x"]), "'x' is not a number"),
        ("none.csv", "does not exist"),
    ],
)
def test_what_is_no_day_curve(text, words):
    with pytest.raises(ParetokenError, match=words):
        parse_day_curve(text)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["0,1"], "has 1 hour"),
        (["0,1", "0,2"], "row 2 must be hour,share"),
        (["24,1"], "row 1 must be hour,share"),
        (["0;1"], "has 0 hours"),
        (["0,1", "²,1"], "row 2 must be"),
        (["0,1", "a,b"], "row 2 must be"),
    ],
)
def test_files_that_are_no_day_curve(tmp_path, rows, words):
    file = tmp_path / "day.csv"
    file.write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(ParetokenError, match=words):
        parse_day_curve(str(file))


@pytest.mark.parametrize(
    "text",
    ["3x", "3@14:00/30m", "x@14:00/30m", "3x@24:00/30m", "3x@14:60/1m", "3x@14:00/0s", "3x@14:00/25h", "..x@1:00/1m"],
)
def test_what_is_no_peak(text):
    with pytest.raises(BadConfig, match=r"peak|duration"):
        parse_peak(text)


def test_clock():
    assert clock(14.5 * 3600) == "14:30"
    assert clock(DAY_S) == "00:00"
