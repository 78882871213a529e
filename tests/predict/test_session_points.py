"""Predicted points of sessions: their identities, and their columns as operating points."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig
from paretoken.points.published import prepare
from paretoken.predict.configure import checked
from paretoken.predict.deployment import Deployment
from paretoken.predict.session_ladder import climb, sampled
from paretoken.predict.session_points import (
    FEWEST_SESSIONS,
    more_sessions,
    session_points,
    sessions_for,
    steady,
)
from paretoken.predict.traces.load import load_of
from paretoken.predict.traces.server import trace_server
from paretoken.predict.traces.times import session_times
from paretoken.sessions.generate import generated
from paretoken.sessions.graph import Call, Session, Step
from tests.support.session_predictions import predict_sessions

CATALOG = load_catalog()
H200 = checked(
    Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=4, tp=4), CATALOG
)
CHAT = generated(CATALOG.session_workloads["chat-multi-turn"], FEWEST_SESSIONS, 0, context_tokens=32_768)


@pytest.fixture(scope="module")
def point():
    return predict_sessions(H200, CHAT, 8, CATALOG)


def test_shares_and_rates_agree(point):
    f = point.figures
    assert 0 < f.hit_share <= f.possible_share < 1
    assert f.total_tput_per_gpu == pytest.approx(
        f.computed_tput_per_gpu + f.hit_tput_per_gpu + f.output_tput_per_gpu, rel=1e-12
    )
    low, high = point.tput_90
    assert low < f.total_tput_per_gpu < high


def test_little_s_law(point):
    """Calls in service are calls per second times the time of a call; users are sessions per second times theirs."""
    f = point.figures
    tokens = f.prompt_tokens + f.output_tokens
    calls_s = f.total_tput_per_gpu * 4 * f.calls / tokens
    assert f.calls_in_service == pytest.approx(calls_s * f.e2e_s["mean"])
    assert f.sessions_per_gpu_h == pytest.approx(8 / f.session_s["mean"] * 3600 / 4)


def test_without_a_cache_nothing_is_found_and_less_is_served(point):
    bare = predict_sessions(H200, CHAT, 8, CATALOG, prefix_cache=False)
    without, cached = bare.figures, point.figures
    assert without.hit_share == 0 and without.possible_share == pytest.approx(cached.possible_share, abs=0.01)
    assert without.ttft_s["mean"] > cached.ttft_s["mean"]


def test_a_session_alone_takes_the_time_of_its_parts():
    """One call, one tool of 5 s, one call: no queue, so the session is both calls and the tool."""
    first = Step(name="user", call=Call(input_tokens=1000, output_tokens=10, opening="o", opening_tokens=100))
    tool = Step(name="tool", after=(0,), seconds=5.0)
    last = Step(name="tools", after=(1,), call=Call(input_tokens=1100, output_tokens=10, continues=0))
    session = Session(name="s", steps=(first, tool, last))
    point = predict_sessions(H200, [session], 1, CATALOG)
    f = point.figures
    assert f.session_s["p50"] == pytest.approx(5.0 + 2 * f.e2e_s["mean"], rel=1e-6)
    # the prompt and nine tokens of the first answer, in whole blocks of 16
    assert sum(f.hit_tokens.values()) == (1000 + 9) // 16 * 16


def test_columns_of_points(point):
    (row,) = prepare(session_points([point], "chat-multi-turn", CATALOG)).iter_rows(named=True)
    assert (row["origin"], row["workload"], row["sessions"], row["load_kind"]) == (
        "predicted",
        "chat-multi-turn",
        8.0,
        "closed",
    )
    assert row["cached_share"] == pytest.approx(point.figures.hit_share)
    assert row["median_session_s"] == pytest.approx(point.figures.session_s["p50"])
    assert row["tput_per_gpu"] == pytest.approx(point.figures.total_tput_per_gpu)
    assert row["e2e_s"] == pytest.approx(point.figures.e2e_s["p50"])
    assert "new to the calibration: sessions" in row["notes"] and row["suspicious"] is None


def test_a_call_without_room_is_refused():
    long = replace(CHAT[0].steps[0], call=Call(input_tokens=200_000, output_tokens=10))
    with pytest.raises(
        BadConfig,
        match=r"one call has 200,010 tokens, but the context of llama-3-70b is 131,072; choose a workload of shorter",
    ):
        predict_sessions(H200, [Session(name="s", steps=(long,))], 1, CATALOG)


def test_sessions_of_a_point():
    assert [sessions_for(users) for users in (1, 8, 64)] == [32, 32, 256]
    assert steady(8, 32) == slice(8, 24) and steady(64, 256) == slice(64, 192)
    assert steady(8, 31) == slice(None)


@pytest.mark.parametrize(
    ("error", "ending", "calls", "more"),
    [
        (0.04, 0.04, 300, 32),  # precise
        (0.06, 0.0, 300, 64),
        (0.11, 0.0, 300, 128),  # four times as many halve the error
        (0.04, 0.11, 300, 64),  # twice as many halve the share of the end
        (0.5, 0.5, 300, 256),
        (0.5, 0.5, 10_000, 64),  # what 30,000 calls allow
        (0.5, 0.5, 20_000, 32),
    ],
)
def test_more_sessions_until_precise_or_too_many_calls(point, error, ending, calls, more):
    figures = replace(point.figures, tput_error=error, ending_share=ending, sessions=32, calls=calls)
    assert more_sessions(figures, 32) == more


def test_the_interval_grows_with_the_error_of_the_sample(point):
    narrow, wide = (
        replace(point, figures=replace(point.figures, tput_error=e, ending_share=0.0)).tput_90 for e in (0.0, 0.1)
    )
    low, high = point.bands["e2e"]
    tput = point.figures.total_tput_per_gpu
    assert narrow == pytest.approx((tput * exp(-high), tput * exp(-low)))
    assert log(wide[1] / tput) == pytest.approx((low**2 + 0.1645**2) ** 0.5)
    assert log(tput / wide[0]) == pytest.approx((high**2 + 0.1645**2) ** 0.5)
    ended = replace(point, figures=replace(point.figures, tput_error=0.0, ending_share=0.2)).tput_90
    assert ended == pytest.approx((0.8 * narrow[0], narrow[1]))


def test_a_throughput_is_sessions_by_the_tokens_of_the_workload():
    one = predict_sessions(H200, CHAT, 8, CATALOG, tokens_per_session=50_000.0)
    assert one.sessions_per_gpu_h == pytest.approx(one.figures.total_tput_per_gpu * 3600 / 50_000)
    (row,) = session_points([one], "chat-multi-turn", CATALOG).iter_rows(named=True)
    assert row["sessions_per_gpu_hour"] == pytest.approx(one.sessions_per_gpu_h)


@pytest.mark.slow
@pytest.mark.parametrize(("workload", "users", "sessions"), [("rag", 8, 3000), ("rag", 32, 4000)])
def test_a_point_is_that_of_a_long_run(workload, users, sessions):
    """Of thousands of sessions, the tokens per second from the first begin to the last, counted by hand.

    Users who wait for long reach neither end of a short run: 24 sessions of 8 users once gave 2.3 times too much.
    """
    sample = sampled(CATALOG.session_workloads[workload], CATALOG.models["llama-3-70b"].max_context)
    (point, *_) = climb(H200, sample, users=(users,), catalog=CATALOG)
    server = trace_server(H200, sample.lengths, catalog=CATALOG)
    drawn = generated(sample.workload, sessions, 5, context_tokens=sample.context_tokens)
    load = load_of(drawn, users=users, idle_cap_s=None)
    run = server.run(load)
    begins = session_times(run, load).begin_s
    inside = (run.last_s > begins[sessions // 10]) & (run.last_s <= begins.max())
    tokens = (load.input_tokens + load.output_tokens)[inside].sum()
    long = tokens / (begins.max() - begins[sessions // 10]) / 4
    assert point.tput_90[0] < long < point.tput_90[1]
    assert point.figures.total_tput_per_gpu == pytest.approx(long, rel=0.12)
