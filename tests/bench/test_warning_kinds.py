"""The warnings of a run: one line for each kind, the gravest first, in every order of levels."""

from __future__ import annotations

from paretoken.bench.stats.warning_kinds import kinds_of_warning
from paretoken.bench.stats.warnings import TITLES, LevelWarning, by_gravity, grade_of
from tests.support.summaries import summary

LOST = LevelWarning("coalesced", "7.2% of chunks were read together")
LIMITED = LevelWarning("client_limited", "client-limited: a busy core")
SHORT = LevelWarning("short_output", "outputs are 60% shorter than planned")


def levels(**warnings: tuple[LevelWarning, ...]):
    return [
        (f"{name[1:]} users", summary(int(name[1:]), 1.0, warnings=of_level)) for name, of_level in warnings.items()
    ]


def test_one_line_for_each_kind_the_gravest_first():
    kinds = kinds_of_warning(levels(u2=(LOST, SHORT), u4=(LOST,), u8=(LOST, LIMITED)))
    assert [kind.line for kind in kinds] == [
        "8 users: client-limited: a busy core",
        "2 users: outputs are 60% shorter than planned",
        "8 users: 7.2% of chunks were read together (also 2 users, 4 users)",
    ]


def test_many_levels_are_counted():
    kinds = kinds_of_warning(levels(u1=(LOST,), u2=(LOST,), u4=(LOST,), u8=(LOST,), u16=(LOST,)))
    assert [kind.line for kind in kinds] == ["16 users: 7.2% of chunks were read together (also 4 other levels)"]


def test_failures_are_kept_apart_and_codes_can_be_left_out():
    failed = [(f"{n} users", summary(n, 1.0, warnings=(LOST,), failed=f"{n} requests failed")) for n in (2, 4)]
    assert [k.text for k in kinds_of_warning(failed, without=["coalesced"])] == [
        "FAILED: 2 requests failed",
        "FAILED: 4 requests failed",
    ]


def test_quantiles_that_are_left_out_are_no_line():
    assert kinds_of_warning(levels(u2=(LevelWarning("quantile_unsupported", "p99 left out"),))) == []


def test_every_known_code_has_its_place():
    codes = sorted(TITLES, key=by_gravity)
    grades = [grade_of(code) for code in codes]
    assert grades == sorted(grades, key=["unreliable", "caution", "note"].index)
    assert grade_of("client_limited") == "unreliable" and grade_of("coalesced") == "note"
    assert grade_of("something_new") == "caution"
