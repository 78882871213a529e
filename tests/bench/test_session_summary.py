"""The figures of a level's sessions: against the simulator's truth, by hand, and whatever the order of its records."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.bench.documents import to_json
from paretoken.bench.plan import Closed
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.metrics import sample
from paretoken.bench.stats.point import points_frame
from paretoken.bench.stats.scrape import CounterDeltas, ServerMetrics
from paretoken.bench.stats.sessions.measured import measured_sessions
from paretoken.bench.stats.sessions.ratio import ratio_interval
from paretoken.bench.stats.sessions.reuse import NEITHER, NO_USAGE, level_reuse, possible_tokens, token_reuse
from paretoken.bench.stats.sessions.span import session_span
from paretoken.bench.stats.sessions.summary import session_counts
from paretoken.bench.stats.sessions.table import traced_sessions
from paretoken.bench.stats.steady import Window
from paretoken.bench.stats.summary import LevelContext, summarise
from paretoken.points.files import write_points
from paretoken.points.load import load_points
from paretoken.points.selection import Selection
from paretoken.slo import MEASURED, parse_slos
from tests.support.runs import COLUMNS
from tests.support.session_levels import S, call, record, records, session, session_table, simulated, tool

USERS = 4


def agents(n: int) -> list:
    """Sessions of four calls each, whose context grows, with tools between them and one behind the last."""
    rng = np.random.default_rng(3)
    made = []
    for k in range(n):
        grown = 2000 + 500 * np.arange(4) + rng.integers(0, 100)
        made.append(
            session(
                call(tokens=(int(grown[0]), 60)),
                tool(0.5 + rng.random(), [0]),
                call([1], tokens=(int(grown[1]), 40), continues=0),
                tool(0.2, [2]),
                tool(0.9, [2]),
                call([3, 4], 0.3, tokens=(int(grown[2]), 50), continues=2),
                call([5], 0.1, tokens=(int(grown[3]), 30), continues=5),
                tool(0.4, [6]),
                name=f"task {k}",
            )
        )
    return made


@pytest.fixture(scope="module")
def level():
    """(requests, sessions.parquet, truth) of 40 sessions of 4 users."""
    return simulated(agents(40), USERS, found=0.9)


def summary_of(requests: pl.DataFrame, table: pl.DataFrame, slos: str = "", **more) -> LevelSummary:
    context = LevelContext(
        columns=COLUMNS, n_gpus=2, slos=parse_slos(slos, MEASURED), traced=traced_sessions(table), **more
    )
    return summarise(requests, Closed(USERS), context)


def test_session_times_are_those_of_the_simulation(level):
    requests, table, truth = level
    played = measured_sessions(sample(requests), traced_sessions(table))
    edges = np.arange(0, len(truth.due_s), 4)
    begins = truth.due_s[edges]
    ends = truth.last_s[edges + 3] + 0.4
    assert [p.seconds for p in played] == pytest.approx((ends - begins).tolist(), abs=3e-9)
    counts = session_counts(played)
    assert (counts.begun, counts.done, counts.failed, counts.cut, counts.reasons) == (40, 40, 0, 0, {})


def test_the_path_of_a_chain_is_its_calls_tools_and_pauses(level):
    requests, table, _truth = level
    s = summary_of(requests, table).sessions
    assert s.span == "window" and sum(s.path.values()) == pytest.approx(1)
    whole = summary_of(requests.head(20), table.filter(pl.col("session") < 40)).sessions
    assert whole.span == "whole run"
    mean_s = s.time_s.mean
    assert s.path["wait"] * mean_s == pytest.approx(0.4, abs=1e-6)
    assert s.busy.in_tools_s == pytest.approx(s.path["tool"] * mean_s, rel=1e-6)
    assert s.busy.tools_s == pytest.approx(s.busy.in_tools_s + 0.2)  # the shorter of two tools side by side
    assert s.busy.in_both_s == pytest.approx(0) and s.busy.idle_s == pytest.approx(0.4, abs=1e-6)
    assert s.busy.calls_s == pytest.approx((s.path["ttft"] + s.path["decode"]) * mean_s)


def test_rates_and_sessions_in_flight(level):
    requests, table, _ = level
    s = summary_of(requests, table).sessions
    # The ends counted in the window depend on where it begins; the rate does not.
    assert s.per_hour == pytest.approx(s.done / s.seconds * 3600, rel=0.05)
    assert s.per_gpu_hour == pytest.approx(s.per_hour / 2)
    assert s.calls == 4 and s.mean_in_flight == pytest.approx(USERS, rel=0.01)
    # Little's law: the sessions in flight are their rate times their time.
    assert s.per_hour / 3600 * s.time_s.mean == pytest.approx(USERS, rel=0.02)


def test_hits_found_and_possible_by_turn(level):
    requests, table, _ = level
    s = summary_of(requests, table).sessions
    assert s.reuse.by == "usage" and s.why_unknown == ""
    assert s.reuse.computed + s.reuse.found == s.reuse.prompt > s.reuse.possible > s.reuse.found
    assert s.reuse.found_of_possible == pytest.approx(0.9, abs=1e-3)
    first, *later = s.turns
    assert first.reuse.found == first.reuse.possible == 0
    assert [t.turn for t in s.turns] == [1, 2, 3, 4] and all(t.reuse.possible_share > 0.7 for t in later)
    assert sum(t.reuse.prompt for t in s.turns) == s.reuse.prompt
    assert s.ttft.first.n == first.ttft_n and s.ttft.later.n == sum(t.ttft_n for t in later)
    assert first.ttft_p50_s == pytest.approx(s.ttft.first.p50)


def test_order_and_workers_change_nothing(level):
    requests, table, _ = level
    rng = np.random.default_rng(5)
    spread = requests.with_columns(worker=requests["user"] % 3).sample(
        fraction=1.0, shuffle=True, seed=int(rng.integers(1000))
    )
    assert (
        summary_of(spread, table.sample(fraction=1.0, shuffle=True, seed=1)).sessions == summary_of(*level[:2]).sessions
    )


def test_a_summary_with_sessions_is_read_back(level):
    s = summary_of(*level[:2], slos="session_p90=60s,ttft_p90=2s")
    assert LevelSummary.from_json(to_json(s), "here") == s


HALVES = [session(call(), call([0], continues=0))]


def two_calls(number: int, at: float, *, seconds: float = 2.0, cached: int = -1, **more):
    middle = at + seconds / 2
    return (
        record(number, 0, at, at + 0.1, middle, cached=0 if cached >= 0 else -1),
        record(number, 1, middle, middle + 0.1, at + seconds, cached=cached, **more),
    )


def judged(n: int, slow: int, slos: str, failed: int = 0, cut_s: float = 0.0) -> LevelSummary:
    rows = []
    for k in range(n):
        seconds = 20.0 if k < slow else 2.0
        rows += two_calls(k, 25.0 * k, seconds=seconds, status="http_5xx" if slow <= k < slow + failed else "ok")
    if cut_s:
        rows += two_calls(n, 0.0, seconds=cut_s, status="cancelled")
    return summary_of(records(*rows), session_table(HALVES), slos)


@pytest.mark.parametrize(
    ("level", "verdict", "share"),
    [
        (judged(40, 0, "session_p90=5s"), "met", 1.0),
        (judged(40, 20, "session_p90=5s"), "missed", 0.5),
        (judged(40, 0, "session_p90=5s", failed=20), "missed", 0.5),
        (judged(10, 0, "session_p90=5s"), "unsure", 1.0),
        (judged(40, 3, "session_p90=5s"), "met", 37 / 40),
        (judged(40, 0, "session_mean=5s"), "met", 1.0),
    ],
)
def test_an_slo_on_sessions_is_judged_by_sessions(level, verdict, share):
    (objective,) = level.goodput.objectives
    assert level.verdict == verdict and objective.sessions == level.goodput.sessions.tried
    assert objective.share == pytest.approx(share) == level.goodput.sessions.share
    good = level.goodput.sessions
    assert good.per_hour == pytest.approx(good.share * good.tried / level.sessions.seconds * 3600)
    assert level.goodput.requests_s is None  # there is no SLO on requests
    assert level.sessions.span == "whole run"


def test_too_few_sessions_are_named():
    level = judged(10, 0, "session_p90=5s")
    assert level.unsettled == ("session_p90=5s can't be judged: p90 needs 29 sessions that ended, has 10",)


def test_a_cut_session_longer_than_the_limit_has_missed_it():
    assert judged(40, 0, "session_p90=5s", cut_s=4.0).goodput.sessions.tried == 40
    late = judged(40, 0, "session_p90=5s", cut_s=6.0)
    assert late.goodput.sessions.tried == 41 and late.goodput.sessions.share == 40 / 41
    assert late.sessions.counts.cut == 1 and late.sessions.counts.reasons == {"cancelled": 1}


def test_an_slo_on_sessions_of_a_load_without_any_is_unseen():
    requests = records(*(r | {"session": -1} for k in range(40) for r in two_calls(k, 3.0 * k)))
    context = LevelContext(columns=COLUMNS, slos=parse_slos("session=5s", MEASURED))
    level = summarise(requests, Closed(USERS), context)
    assert level.sessions is None and level.verdict == "unseen"
    assert level.why_unseen == "no session ended to judge session=5s; it needs a --trace of sessions"


def test_requests_and_sessions_have_a_goodput_each(level):
    s = summary_of(*level[:2], slos="session=3600s,ttft_p90=1ms")
    assert s.goodput.requests_s == 0 and s.goodput.sessions.share == 1.0 and s.verdict == "missed"
    assert [o.slo.metric for o in s.goodput.objectives] == ["session", "ttft"]


def reuse_of(*rows, possible=((0, 90),), server=None):
    samples = sample(records(*rows))
    played = measured_sessions(samples, traced_sessions(session_table(HALVES, possible)))
    hits = possible_tokens(samples, played)
    return level_reuse(samples, hits, np.ones(len(samples), dtype=bool), server)


def test_hits_come_from_the_usage_where_it_has_them():
    reuse, why = reuse_of(*two_calls(0, 0, cached=80))
    assert (reuse.prompt, reuse.found, reuse.computed, reuse.possible, why) == (200, 80, 120, 90, "")
    assert reuse.found_of_possible == pytest.approx(8 / 9)


def test_hits_beyond_the_prompt_are_no_hits():
    reuse, _ = reuse_of(*two_calls(0, 0, cached=500))
    assert reuse.found == 100 and reuse.computed + reuse.found == reuse.prompt


def test_hits_come_from_counters_where_the_usage_lacks_them():
    server = ServerMetrics(delta=CounterDeltas(prefix_cache_queries=220.0, prefix_cache_hits=60.0))
    reuse, why = reuse_of(*two_calls(0, 0), server=server)
    assert (reuse.by, reuse.prompt, reuse.found, reuse.computed, why) == ("counters", 220, 60, 160, NO_USAGE)


@pytest.mark.parametrize("server", [None, ServerMetrics(), ServerMetrics(delta=CounterDeltas(prefix_cache_hits=1.0))])
def test_unknown_hits_are_unknown_and_no_zeros(server):
    reuse, why = reuse_of(*two_calls(0, 0), server=server)
    assert reuse.found is None and reuse.computed is None and reuse.found_share is None
    assert (reuse.possible, why) == (90, NEITHER)


def test_unknown_possible_hits_are_unknown():
    reuse, _ = reuse_of(*two_calls(0, 0, cached=80), possible=((0, -1),))
    assert reuse.possible is None and reuse.found == 80


def test_requests_without_a_count_of_hits_are_not_in_the_shares():
    samples = sample(records(*two_calls(0, 0, cached=50), record(1, 0, 9, 10, 11)))
    reuse = token_reuse(samples, np.zeros(3), np.ones(3, dtype=bool))
    assert (reuse.requests, reuse.prompt) == (2, 200)


def test_the_span_is_the_window_only_if_sessions_fit_into_it():
    played = measured_sessions(sample(records(*two_calls(0, 1, seconds=4.0))), traced_sessions(session_table(HALVES)))
    window = Window(start_ns=3 * S, end_ns=8 * S, steady=True, reason="")
    assert session_span(played, window).name == "window"
    assert session_span(played, replace(window, end_ns=6 * S)).whole  # 3 s are shorter than the session
    whole = session_span(played, replace(window, enough=False))
    assert whole.whole and (whole.start_ns, whole.end_ns) == (S - 1, 5 * S)


def test_the_interval_of_a_ratio_covers_its_truth():
    rng = np.random.default_rng(11)
    within = 0
    for _ in range(200):
        wholes = rng.gamma(4.0, 1.0, 60)
        parts = wholes * rng.beta(6.0, 4.0, 60)
        interval = ratio_interval(parts, wholes, rng)
        assert interval.value == pytest.approx(parts.sum() / wholes.sum())
        within += interval.low <= 0.6 <= interval.high
    assert within >= 178  # of 200 at 95 %, less than one time in 10,000


def test_figures_of_fewer_than_eight_sessions_have_no_interval():
    s = judged(5, 0, "").sessions
    assert set(s.intervals.values()) == {None} and s.time_s.n == 5


def test_the_point_of_a_level_of_sessions(level):
    s = summary_of(*level[:2])
    point = s.point
    assert (point["workload"], point["sessions"]) == ("sessions", USERS)
    assert point["concurrency"] == pytest.approx(s.window.mean_in_flight) and point["concurrency"] < USERS
    assert point["median_session_s"] == s.sessions.time_s.p50 and point["p90_session_s"] == s.sessions.time_s.p90
    assert point["sessions_per_gpu_hour"] == s.sessions.per_gpu_hour
    assert point["cached_share"] == s.sessions.reuse.found_share < point["possible_share"]
    named = summarise(
        level[0], Closed(USERS), LevelContext(columns=COLUMNS | {"workload": "agent"}, traced=traced_sessions(level[1]))
    )
    assert named.point["workload"] == "agent"


def test_sessions_and_requests_of_equal_lengths_do_not_meet(level, tmp_path):
    s = summary_of(*level[:2])
    alone = summarise(level[0], Closed(USERS), LevelContext(columns=COLUMNS))
    write_points(points_frame([s.point, alone.point]), tmp_path / "points.parquet")
    points = load_points([tmp_path / "points.parquet"], published=False)
    lengths = {"model": "llama-3-70b", "precision": "fp8", "isl": 1024, "osl": 1024, "speculative": "any"}
    assert Selection(**lengths).select(points)["workload"].to_list() == [None]
    assert Selection(**lengths, workload="sessions").select(points)["workload"].to_list() == ["sessions"]
    assert points["run"].n_unique() == 2


@given(
    st.lists(
        st.tuples(st.integers(1, 1000), st.integers(-1, 1500), st.integers(-1, 1500), st.booleans()),
        min_size=1,
        max_size=12,
    )
)
def test_hits_never_exceed_prompts_and_all_tokens_are_computed_or_found(calls):
    """(prompt, cached, possible, failed) of each call, −1 if not stated."""
    rows, hits = [], []
    for k, (prompt, cached, possible, failed) in enumerate(calls):
        status = "http_5xx" if failed else "ok"
        rows.append(record(k, 0, k, k + 0.1, k + 0.5, tokens=(prompt, 5), cached=cached, status=status))
        hits.append((possible,))
    sessions = [session(call()) for _ in calls]
    samples = sample(records(*rows))
    possible = possible_tokens(samples, measured_sessions(samples, traced_sessions(session_table(sessions, hits))))
    reuse = token_reuse(samples, possible, np.ones(len(calls), dtype=bool))
    ok = [(p, c, q) for p, c, q, failed in calls if not failed]
    stated = [x for x in ok if x[1] >= 0] or ok
    assert reuse.prompt == sum(p for p, _, _ in stated) and reuse.requests == len(stated)
    if reuse.found is None:
        assert all(c < 0 for _, c, _ in ok)
    else:
        assert 0 <= reuse.found <= reuse.prompt == reuse.found + reuse.computed
    all_stated = stated and all(q >= 0 for _, _, q in stated)
    assert reuse.possible == (sum(min(p, q) for p, _, q in stated) if all_stated else None)
