"""Predicted points of sessions: their identities, and their columns as operating points."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig
from paretoken.points.published import prepare
from paretoken.predict.configure import checked
from paretoken.predict.deployment import Deployment
from paretoken.predict.session_points import FEWEST_SESSIONS, predict_sessions, session_points, sessions_for
from paretoken.sessions.generate import generated
from paretoken.sessions.graph import Call, Session, Step

CATALOG = load_catalog()
H200 = checked(
    Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=4, tp=4), CATALOG
)
CHAT = generated(CATALOG.session_workloads["chat-multi-turn"], FEWEST_SESSIONS, 0, context_tokens=32_768)


@pytest.fixture(scope="module")
def point():
    return predict_sessions(H200, CHAT, 8, catalog=CATALOG)


def test_shares_and_rates_agree(point):
    f = point.figures
    assert 0 < point.found_share <= point.possible_share < 1
    assert f.total_tput_per_gpu == pytest.approx(
        f.computed_tput_per_gpu + f.hit_tput_per_gpu + f.output_tput_per_gpu, rel=1e-12
    )
    low, high = point.tput_90
    assert low < f.total_tput_per_gpu < high


def test_little_s_law(point):
    """Calls in service are calls per second times the time of a call, over the whole run."""
    f = point.figures
    tokens = f.prompt_tokens + f.output_tokens
    calls_s = f.total_tput_per_gpu * 4 * f.calls / tokens
    # The window of rates is not the whole run, so the two agree only roughly.
    assert f.calls_in_service == pytest.approx(calls_s * f.e2e_s["mean"], rel=0.5)


def test_without_a_cache_nothing_is_found_and_less_is_served(point):
    bare = predict_sessions(H200, CHAT, 8, catalog=CATALOG, prefix_cache=False)
    assert bare.found_share == 0 and bare.possible_share == pytest.approx(point.possible_share, abs=0.01)
    assert bare.figures.ttft_s["mean"] > point.figures.ttft_s["mean"]


def test_a_session_alone_takes_the_time_of_its_parts():
    """One call, one tool of 5 s, one call: no queue, so the session is both calls and the tool."""
    first = Step(name="user", call=Call(input_tokens=1000, output_tokens=10, opening="o", opening_tokens=100))
    tool = Step(name="tool", after=(0,), seconds=5.0)
    last = Step(name="tools", after=(1,), call=Call(input_tokens=1100, output_tokens=10, continues=0))
    session = Session(name="s", steps=(first, tool, last))
    point = predict_sessions(H200, [session], 1, catalog=CATALOG)
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
    assert row["cached_share"] == pytest.approx(point.found_share)
    assert row["median_session_s"] == pytest.approx(point.figures.session_s["p50"])
    assert row["tput_per_gpu"] == pytest.approx(point.figures.total_tput_per_gpu)
    assert row["e2e_s"] == pytest.approx(point.figures.e2e_s["p50"])
    assert "new to the calibration: sessions" in row["notes"] and row["suspicious"] is None


def test_a_call_without_room_is_refused():
    long = replace(CHAT[0].steps[0], call=Call(input_tokens=200_000, output_tokens=10))
    with pytest.raises(BadConfig, match=r"room for calls of 131,072 tokens, one has 200,010; use more GPUs"):
        predict_sessions(H200, [Session(name="s", steps=(long,))], 1, catalog=CATALOG)


def test_sessions_of_a_point():
    assert [sessions_for(users) for users in (1, 8, 64)] == [24, 24, 192]
