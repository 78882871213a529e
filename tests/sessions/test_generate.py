"""Generated sessions: their statistics are those that the catalog states, whoever draws however many."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.catalog.loader import load_catalog
from paretoken.catalog.session_workload import LEVELS, SessionWorkload, StatedQuantiles
from paretoken.errors import BadConfig
from paretoken.sessions.agent import COMPACTION
from paretoken.sessions.draws import balanced, correlated
from paretoken.sessions.flow import flow_of
from paretoken.sessions.generate import generated, least_context_tokens
from paretoken.sessions.graph import NO_STEP, Session
from paretoken.sessions.statistics import SessionStatistics, statistics

WORKLOADS = dict(load_catalog().session_workloads.items())
SESSIONS = 400
FEWER = {"agent-research": 120}  # which have a hundred calls each
CONTEXTS = {"agent-code": 131_072, "agent-research": 65_536, "chat-multi-turn": 32_768, "rag": 8_192}


@pytest.fixture(scope="module")
def drawn() -> dict[str, list[Session]]:
    """Sessions without a limit of context."""
    return {name: generated(w, FEWER.get(name, SESSIONS), 7) for name, w in WORKLOADS.items()}


@pytest.fixture(scope="module")
def counts(drawn) -> dict[str, SessionStatistics]:
    return {name: statistics(sessions) for name, sessions in drawn.items()}


def share_below(values: np.ndarray, x: float) -> tuple[float, float]:
    """Shares of values below x and at or below it."""
    return float((values < x).mean()), float((values <= x).mean())


def agrees(values: np.ndarray, spread: StatedQuantiles, *, cap: float = np.inf, slack: float = 0.0) -> None:
    """Each stated quantile is one of the sample, within four standard errors of a share and `slack`."""
    for share, x in spread.quantiles.items():
        if share in (0.0, 1.0) or x >= cap:
            continue
        below, at_or_below = share_below(values, max(x, 1.0))  # a message has a token or more
        error = 4 * np.sqrt(share * (1 - share) / len(values)) + slack
        assert below - error <= share <= at_or_below + error, (spread.source, share, x, below, at_or_below)


STATED = [
    ("agent-code", "turns", "turns", np.inf, 0.02),  # cut where a session has fewer calls than turns
    ("agent-code", "turn_calls", "calls", np.inf, 0.08),  # the outcome of sharing out the calls of a session
    ("agent-code", "first_tokens", "first_tokens", np.inf, 0.0),
    ("agent-code", "turn_tokens", "turn_tokens", np.inf, 0.01),
    ("agent-code", "tool_s", "tool_s", 60, 0.01),
    ("agent-code", "think_s", "think_s", 60, 0.01),
    ("agent-code", "parallel_tools", "parallel_tools", np.inf, 0.02),
    ("agent-research", "first_tokens", "first_tokens", np.inf, 0.0),
    ("agent-research", "turn_calls", "calls", np.inf, 0.08),
    ("agent-research", "tool_s", "tool_s", np.inf, 0.0),
    ("chat-multi-turn", "turns", "turns", np.inf, 0.0),
    ("chat-multi-turn", "first_tokens", "first_tokens", np.inf, 0.0),
    ("chat-multi-turn", "turn_tokens", "turn_tokens", np.inf, 0.01),
    ("chat-multi-turn", "think_s", "think_s", 600, 0.0),
    ("chat-multi-turn", "output_tokens", "output_tokens", np.inf, 0.0),
    ("rag", "turns", "turns", np.inf, 0.0),
    ("rag", "first_tokens", "first_tokens", np.inf, 0.0),
    ("rag", "output_tokens", "output_tokens", np.inf, 0.0),
    ("rag", "think_s", "think_s", 60, 0.0),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "statistic", "spread", "cap", "slack"), STATED)
def test_quantiles_are_those_of_the_catalog(counts, name, statistic, spread, cap, slack):
    agrees(getattr(counts[name], statistic), getattr(WORKLOADS[name], spread), cap=cap, slack=slack)


@pytest.mark.slow
def test_calls_of_a_session_are_those_of_the_catalog(drawn):
    """Main agent only: sub-agents and summaries come on top."""
    sessions = drawn["agent-code"]
    calls = np.array(
        [sum(s.call is not None and not s.agent and s.name != COMPACTION for s in x.steps) for x in sessions]
    )
    agrees(calls, WORKLOADS["agent-code"].session_calls)
    assert calls.mean() == pytest.approx(87.4, rel=4 * calls.std() / calls.mean() / np.sqrt(SESSIONS))


MEANS = [
    ("agent-code", "turns", 10.64, 0.2),
    ("agent-code", "turn_calls", 8.21, 0.2),
    ("agent-code", "first_tokens", 3898, 0.08),
    ("agent-research", "tool_tokens", 3000, 0.08),
    ("agent-research", "tool_s", 25, 0.03),
    ("chat-multi-turn", "turns", 3.15, 0.15),
    ("chat-multi-turn", "output_tokens", 363, 0.06),
    ("rag", "turns", 1.78, 0.15),
    ("rag", "first_tokens", 2432, 0.04),
    ("rag", "output_tokens", 283.2, 0.06),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "statistic", "mean", "rel"), MEANS)
def test_means_are_those_of_the_source(counts, name, statistic, mean, rel):
    """Three standard errors of this sample, and what lies between the stated quantiles."""
    assert getattr(counts[name], statistic).mean() == pytest.approx(mean, rel=rel)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("agent-code", 0.95, 0.99), ("agent-research", 0.8, 0.92), ("chat-multi-turn", 0.55, 0.8), ("rag", 0.12, 0.22)],
)
def test_possible_share_of_hits(counts, name, low, high):
    """The traces of agent-code hold 0.93 by session and 0.96 of all their tokens; of rag an opening of 512 tokens."""
    assert low < counts[name].possible_share < high


@pytest.mark.slow
def test_prompts_of_retrieval_share_their_opening_alone(counts):
    rag = counts["rag"]
    assert rag.possible_share == pytest.approx(512 * (len(rag.input_tokens) - 1) / rag.input_tokens.sum(), rel=1e-9)


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_session_is_the_same_however_many_are_drawn(name):
    many = generated(WORKLOADS[name], 12, 3)
    assert generated(WORKLOADS[name], 5, 3) == many[:5]
    assert generated(WORKLOADS[name], 5, 4) != many[:5]


@pytest.mark.parametrize("name", WORKLOADS)
def test_steps_run_and_continue_what_comes_before(name):
    for session in generated(WORKLOADS[name], 20, 1):
        assert flow_of(session).steps == tuple(session.calls)
        for index, step in enumerate(session.steps):
            assert all(parent < index for parent in step.after)
            if step.call and step.call.continues != NO_STEP:
                before = session.steps[step.call.continues].call
                assert step.call.input_tokens >= before.input_tokens + before.output_tokens
                assert session.steps[step.call.continues].agent == step.agent


@pytest.mark.parametrize("name", WORKLOADS)
@given(seed=st.integers(0, 2**32 - 1), room=st.floats(0, 1))
@settings(max_examples=10, deadline=None)
def test_no_call_exceeds_the_context(name, seed, room):
    workload = WORKLOADS[name]
    least = least_context_tokens(workload)
    context = round(least + room * CONTEXTS[name])
    calls = [c for s in generated(workload, 3, seed, context_tokens=context) for c in s.calls.values()]
    assert calls and max(c.input_tokens + c.output_tokens for c in calls) <= context
    assert min(min(c.input_tokens, c.output_tokens) for c in calls) >= 1


def test_a_context_is_compacted_at_its_end():
    workload = WORKLOADS["agent-code"]
    sessions = generated(workload, 30, 1, context_tokens=65_536)
    summaries = [(s, i) for s in sessions for i, step in enumerate(s.steps) if step.name == COMPACTION]
    assert summaries
    before, after = [], []
    for session, i in summaries:
        before.append(session.steps[i].call)
        after.append(next(step.call for step in session.steps if i in step.after and step.call))
    assert {(call.continues, call.opening) for call in after} == {(NO_STEP, workload.name)}
    assert sum(call.input_tokens for call in after) < 0.9 * sum(call.input_tokens for call in before)


def test_sub_agents_fork_and_join():
    session = next(s for s in generated(WORKLOADS["agent-research"], 20, 1) if any(x.agent for x in s.steps))
    agents = {step.agent for step in session.steps} - {""}
    ends = {max(i for i, step in enumerate(session.steps) if step.agent == agent) for agent in agents}
    joined = [set(step.after) for step in session.steps if not step.agent and len(step.after) > 2]
    assert all(any(end in after for after in joined) for end in ends)
    firsts = [next(step for step in session.steps if step.agent == agent) for agent in agents]
    assert {step.call.opening for step in firsts} == {"Research agent, sub-agent"}


def test_waits_are_cut():
    for session in generated(WORKLOADS["agent-code"], 20, 1):
        assert max(max(step.wait_s, step.seconds or 0) for step in session.steps) <= 60


def test_too_short_a_context_is_refused():
    with pytest.raises(BadConfig, match=r"the context is 8,192 tokens; Coding agent needs 38,468 or more"):
        generated(WORKLOADS["agent-code"], 1, context_tokens=8192)


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_figure_has_its_source(name):
    workload: SessionWorkload = WORKLOADS[name]

    def spreads(value: object) -> list[StatedQuantiles]:
        if isinstance(value, StatedQuantiles):
            return [value]
        fields = type(value).model_fields if hasattr(type(value), "model_fields") else ()
        return [s for field in fields for s in spreads(getattr(value, field))]

    stated = spreads(workload)
    assert len(stated) >= 5
    assert all(s.source for s in stated)
    assert bool(workload.idle_cap_s) == bool(workload.idle_cap_source)
    assert {*LEVELS} <= StatedQuantiles.model_fields.keys()


def tokens_of(sessions: list[Session]) -> np.ndarray:
    return np.array([sum(call.input_tokens + call.output_tokens for call in s.calls.values()) for s in sessions])


@pytest.mark.slow
def test_the_first_sessions_are_like_all(drawn):
    """Independent draws miss the mean of agent-code by a fifth after 24 sessions, one time in three."""
    tokens = tokens_of(generated(WORKLOADS["agent-code"], 600, 0))
    assert [tokens[:n].mean() / tokens.mean() for n in (64, 128, 256)] == pytest.approx([1, 1, 1], abs=0.12)


@given(st.integers(0, 2**32 - 1), st.integers(0, 5000))
@settings(max_examples=50, deadline=None)
def test_a_run_of_draws_covers_all_shares(seed, first):
    """Of 64 draws in a row, each eighth of either share has 8; independent draws have 3 to 13."""
    shares = np.array([balanced(k, seed) for k in range(first, first + 64)])
    for column in shares.T:
        counts = np.bincount((column * 8).astype(int), minlength=8)
        assert counts.min() >= 5 and counts.max() <= 11


def test_correlated_shares_have_their_correlation():
    pairs = np.array([correlated(balanced(k, 1), 0.49) for k in range(4000)])
    scores = np.array([[NormalDist().inv_cdf(float(x)) for x in pair] for pair in pairs])
    assert np.corrcoef(scores.T)[0, 1] == pytest.approx(0.49, abs=0.02)
    assert np.quantile(pairs[:, 1], [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.02)


@pytest.mark.slow
def test_agent_code_asks_for_less_than_its_trace():
    """The 380 sessions have 8.01 M tokens each, and prompts of 91,236 on average: the shortfall that the docs state."""
    sessions = generated(WORKLOADS["agent-code"], 600, 0)
    prompts = np.concatenate([[c.input_tokens for c in s.calls.values()] for s in sessions])
    assert tokens_of(sessions).mean() / 8.01e6 == pytest.approx(0.89, abs=0.03)
    assert prompts.mean() / 91_236 == pytest.approx(0.87, abs=0.03)
