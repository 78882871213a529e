"""Labels of loads of sessions: equal for equal loads, and for no others."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.predict.session_ladder import sampled
from paretoken.sessions.generate import generated
from paretoken.sessions.graph import SessionTrace
from paretoken.sessions.label import SAMPLE_SESSIONS, name_in, trace_label, workload_label

CATALOG = load_catalog()
RAG = CATALOG.session_workloads["rag"]


def trace_in(file: str, sessions: int = 2, seed: int = 0) -> SessionTrace:
    return SessionTrace(file=file, form="f", rule="r", sessions=tuple(generated(RAG, sessions, seed)))


def test_a_label_is_a_name_and_a_hash():
    label = workload_label("rag", RAG)
    assert re.fullmatch(r"rag#[0-9a-f]{8}", label) and name_in(label) == "rag"
    assert name_in("plain") == "plain" and name_in("a#b#12345678") == "a#b" and name_in("") == ""


def test_figures_change_a_label_and_prose_does_not():
    label = workload_label("rag", RAG)
    assert workload_label("rag", RAG.model_copy(update={"name": "other", "task": "other"})) == label
    assert workload_label("rag", RAG.model_copy(update={"opening_source": "other"})) == label
    turns = RAG.turns.model_copy(update={"source": "other", "mean": 3.5})
    assert workload_label("rag", RAG.model_copy(update={"turns": turns})) == label
    longer = RAG.turns.model_copy(update={"most": RAG.turns.most + 1})
    assert workload_label("rag", RAG.model_copy(update={"turns": longer})) != label
    assert workload_label("rag", RAG.model_copy(update={"opening_tokens": RAG.opening_tokens + 1})) != label


def test_a_context_counts_where_it_is_filled():
    label = workload_label("rag", RAG)
    assert workload_label("rag", RAG, 131_072, 6_000) == label
    cut = {workload_label("rag", RAG, context, context - 10) for context in (8_192, 16_384)}
    assert len(cut | {label}) == 3


def test_other_draws_have_another_label():
    label = workload_label("rag", RAG)
    assert workload_label("rag", RAG, sessions=SAMPLE_SESSIONS, seed=0) == label
    others = {
        workload_label("rag", RAG, sessions=n, seed=seed) for n, seed in ((100, 0), (100, 1), (None, 1), (None, 2))
    }
    assert len(others | {label}) == 5
    assert workload_label("rag", RAG, sessions=SAMPLE_SESSIONS, seed=1) == workload_label("rag", RAG, seed=1)


def test_predictions_and_runs_name_the_same_draws_alike():
    """The longest of the sessions that are played decides whether the context cuts them, not that of others."""
    sample = sampled(RAG, 16_384, seed=3)
    for sessions in (None, 1, 40, 300):
        drawn = generated(RAG, sessions or SAMPLE_SESSIONS, 3, context_tokens=16_384)
        longest = max(session.longest_tokens for session in drawn)
        assert sample.label("rag", sessions) == workload_label("rag", RAG, 16_384, longest, sessions=sessions, seed=3)


def test_a_file_of_the_name_of_a_workload_is_not_that_workload():
    same = trace_label(trace_in("/tmp/rag.jsonl"))
    assert name_in(same) == "rag" and same != workload_label("rag", RAG)
    assert same == trace_label(trace_in("rag.json")) != trace_label(trace_in("rag.json", seed=1))
    shifted = trace_in("rag.jsonl")
    shifted = replace(shifted, sessions=(shifted.sessions[0], replace(shifted.sessions[1], begin_s=1.0)))
    assert trace_label(shifted) != same


@pytest.mark.parametrize(
    ("key", "first"),
    [
        ("agent-code", (22, 1169307, 16840)),
        ("agent-research", (105, 2113782, 31578)),
        ("chat-multi-turn", (2, 38649, 1104)),
        ("rag", (1, 1075, 452)),
    ],
)
def test_sessions_are_those_of_this_version_of_the_generator(key, first):
    """Other sessions from the same entry need a new GENERATOR_VERSION, so that old points do not join new ones."""
    (session,) = generated(CATALOG.session_workloads[key], 1)
    calls = [*session.calls.values()]
    assert (len(calls), sum(c.input_tokens for c in calls), sum(c.output_tokens for c in calls)) == first
