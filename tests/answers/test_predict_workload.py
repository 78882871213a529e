"""Replays of workloads of the catalog: their loads, their sessions, and what is refused."""

from __future__ import annotations

import pytest

from paretoken.answers.cache_worth import CacheWorthQuestion, cache_worth
from paretoken.answers.predict_trace import PredictTraceQuestion, UnmetReplayRow, predict_trace
from paretoken.answers.seam import question_from_json
from paretoken.errors import BadConfig, UnknownName

H200 = {"accelerator": "H200", "model": "llama-3-70b", "engine": "vllm", "precision": "fp8", "tp": 4}


def rows(**values):
    return predict_trace(PredictTraceQuestion(**{**H200, "workload": "rag", "concurrency": (8,), **values})).rows


def test_a_workload_is_replayed_from_json():
    question = question_from_json(PredictTraceQuestion, {**H200, "workload": "RAG", "concurrency": [2], "sessions": 32})
    answer = predict_trace(question)
    (row,) = answer.rows
    assert row.concurrency == 2 and row.sessions == 22  # 32, without the first of each user and the last quarter
    assert 0 < row.hits <= row.possible_hit_tokens < row.prompt_tokens
    assert any("rag: workload of the catalog, sessions drawn with seed 0" in note for note in answer.notes)


def test_another_seed_is_another_sample_of_the_same_workload():
    (one,), (same,), (other,) = rows(), rows(seed=0), rows(seed=7)
    assert one == same
    assert other.total_tput_per_gpu_tok_s == pytest.approx(one.total_tput_per_gpu_tok_s, rel=0.3)
    assert other.total_tput_per_gpu_tok_s != one.total_tput_per_gpu_tok_s


def test_stated_sessions_are_played():
    (few,), (more,) = rows(sessions=64), rows(sessions=128)
    assert (few.sessions, more.sessions) == (40, 88)
    (too_few,) = (
        answer := predict_trace(PredictTraceQuestion(**H200, workload="rag", concurrency=(8,), sessions=9))
    ).rows
    assert too_few.sessions == 9 and any("9 sessions for 8 users" in note for note in answer.notes)


def test_without_a_load_sessions_climb_until_more_do_not_help():
    climbed = rows(concurrency=(), sessions=64)
    users = [row.concurrency for row in climbed]
    assert users[0] == 1 and len(users) > 5 and users[:-1] == sorted(users[:-1])
    assert max(row.total_tput_per_gpu_tok_s for row in climbed) > 3 * climbed[0].total_tput_per_gpu_tok_s


def test_an_slo_finds_the_most_sessions():
    (row,) = rows(concurrency=(), slo="ttft_p90=2s", sessions=64)
    assert row.ttft_ms.all.p90 <= 2000 and row.concurrency >= 1
    (missed,) = rows(concurrency=(), slo="tpot=1us")
    assert isinstance(missed, UnmetReplayRow)


def test_the_worth_of_a_cache_for_a_workload():
    (row,) = cache_worth(CacheWorthQuestion(**H200, workload="rag", concurrency=(8,))).rows
    none, gpu = row.caches
    assert sum(none.hit_tokens.values()) == 0 < sum(gpu.hit_tokens.values())


def test_a_shorter_context_makes_shorter_sessions():
    question = {**H200, "settings": {"max_model_len": 40960}, "workload": "agent-code", "concurrency": [1]}
    (short,) = predict_trace(question_from_json(PredictTraceQuestion, {**question, "sessions": 4})).rows
    assert short.most_tokens == 40960 and short.prompt_tokens / short.calls < 40960


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"workload": "chat"}, "chat is a workload of fixed lengths, not of sessions; ask predict with isl 1024"),
        ({"trace": "a.jsonl"}, "state a trace, or a workload of sessions"),
        ({"workload": None}, "state a trace, or a workload of sessions"),
        ({"keep_going": True}, "keep_going=True leaves out sessions of a trace"),
        ({"workload": None, "trace": "a.jsonl", "sessions": 4}, "'sessions' is for a workload of sessions"),
        ({"workload": None, "trace": "a.jsonl", "seed": 4}, "'seed' is for a workload of sessions"),
        ({"sessions": 0}, "sessions is 0; it must be at least 1"),
    ],
)
def test_what_is_refused(values, says):
    with pytest.raises(BadConfig, match=says):
        rows(**values)


def test_an_unknown_workload_names_the_nearest():
    with pytest.raises(UnknownName, match="agent-code"):
        rows(workload="agent-cod")
