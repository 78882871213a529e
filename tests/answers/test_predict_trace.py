"""Questions about replays: loads, limits, caches, money; and what is refused."""

from __future__ import annotations

import json

import pytest

from paretoken.answers.cache_worth import CacheWorthQuestion, cache_worth
from paretoken.answers.predict_trace import PredictTraceQuestion, ReplayRow, UnmetReplayRow, predict_trace
from paretoken.answers.seam import json_schema, question_from_json, to_json
from paretoken.errors import BadConfig, BadFile
from paretoken.sessions.graph import Call, Session, Step
from tests.support.recorded_sessions import chain, growing, trace_of, write_trace

H200 = {"accelerator": "H200", "model": "llama-3-70b", "engine": "vllm", "precision": "fp8", "tp": 4}
SESSIONS = [chain(growing(6, start=4000, added=900), name=str(i), begin_s=3.0 * i) for i in range(24)]


def question_of(**values: object) -> PredictTraceQuestion:
    return PredictTraceQuestion(**{**H200, "trace": "sessions.jsonl", **values})


def worth_question(**values: object) -> CacheWorthQuestion:
    return CacheWorthQuestion(**{**H200, "trace": "sessions.jsonl", "concurrency": (8,), **values})


def rows(question: PredictTraceQuestion, sessions=SESSIONS) -> tuple[ReplayRow, ...]:
    return predict_trace(question, trace=trace_of(sessions)).rows


def test_a_question_and_its_answer_go_through_json(tmp_path):
    path = write_trace(tmp_path, SESSIONS)
    question = question_from_json(PredictTraceQuestion, json.dumps({**H200, "trace": str(path), "concurrency": [1, 8]}))
    answer = to_json(predict_trace(question))
    assert [row["concurrency"] for row in answer["rows"]] == [1, 8]
    assert json.loads(json.dumps(answer)) == answer
    assert answer["rows"][0]["origin"] == "predicted" and answer["rows"][0]["sessions"] == 24
    assert any("24 sessions of 144 model calls" in note for note in answer["notes"])
    assert any("have not been measured" in note for note in answer["notes"])


@pytest.mark.parametrize("kind", [PredictTraceQuestion, CacheWorthQuestion])
def test_questions_have_a_schema(kind):
    assert {"trace", "host_cache_gb", "slo"} <= json_schema(kind)["properties"].keys()


def test_without_a_concurrency_sessions_begin_at_their_times():
    (row,) = rows(question_of())
    assert row.concurrency is None and row.span_s > 3.0 * 23


def test_shares_and_prices_fit_together():
    (row,) = rows(question_of(concurrency=(8,), price_usd_per_gpu_h={"H200": 2.5}))
    assert row.model_share + row.tool_share == pytest.approx(1)
    parts = (row.computed_tput_per_gpu_tok_s, row.hit_tput_per_gpu_tok_s, row.output_tput_per_gpu_tok_s)
    assert row.total_tput_per_gpu_tok_s == pytest.approx(sum(parts))
    low, high = row.total_tput_per_gpu_tok_s_90
    assert low < row.total_tput_per_gpu_tok_s < high
    assert (row.usd_per_gpu_h, row.price_source) == (2.5, "stated")
    assert row.usd_per_session == pytest.approx(2.5 / row.sessions_per_gpu_h)
    per_session = (row.prompt_tokens + row.output_tokens) / row.sessions
    assert row.usd_per_mtok * per_session / 1e6 == pytest.approx(row.usd_per_session)
    assert 0 < row.hits <= row.possible_hit_tokens < row.prompt_tokens


def test_without_a_prefix_cache_nothing_is_found_and_all_takes_longer():
    (cached,), (plain,) = rows(question_of(concurrency=(8,))), rows(question_of(concurrency=(8,), prefix_cache=False))
    assert plain.hits == 0 < cached.hits and plain.possible_hit_tokens == cached.possible_hit_tokens
    assert plain.session_s.p50 > cached.session_s.p50
    assert plain.ttft_ms.cached.p50 is None and cached.ttft_ms.cached.p50 < cached.ttft_ms.first.p50


def test_the_slo_finds_the_most_sessions_that_meet_it():
    (row,) = rows(question_of(slo="session_p90=30s,ttft_p90=400ms"))
    at = {
        users: rows(question_of(concurrency=(users,)))[0] for users in {row.concurrency, min(row.concurrency + 1, 24)}
    }
    most = at.pop(row.concurrency)
    assert most.session_s.p90 <= 30 and most.ttft_ms.all.p90 <= 400
    assert row.or_more == (row.concurrency == 24)
    for more in at.values():
        assert more.session_s.p90 > 30 or more.ttft_ms.all.p90 > 400
    missed = predict_trace(question_of(slo="tpot=1us"), trace=trace_of(SESSIONS))
    assert isinstance(missed.rows[0], UnmetReplayRow)
    assert to_json(missed)["rows"][0]["concurrency"] == 0 and "session_s" not in to_json(missed)["rows"][0]


def test_every_size_that_fits_is_answered():
    assert {row.tp for row in rows(question_of(tp=None, concurrency=(1,)))} == {1, 2, 4, 8}


def test_sessions_beyond_the_cache_are_refused_or_left_out_loudly():
    long = [*SESSIONS, chain([(4000, 100), (120_000, 9000)], name="long", begin_s=1.0)]
    small = {"concurrency": (4,), "settings": {"kv_tokens": 100_000}}
    question = question_from_json(PredictTraceQuestion, {**H200, "trace": "sessions.jsonl", **small})
    with pytest.raises(
        BadConfig, match=r"1 of 25 sessions .* has a call beyond the 100,0.* tokens .*129,000; use more"
    ):
        predict_trace(question, trace=trace_of(long))
    kept = question_from_json(PredictTraceQuestion, {**H200, "trace": "s", "keep_going": True, **small})
    answer = predict_trace(kept, trace=trace_of(long))
    assert answer.rows[0].too_long == 1 and answer.rows[0].sessions == 24
    assert any(note.startswith("LEFT OUT: 1 of 25 sessions") for note in answer.notes)
    with pytest.raises(BadConfig, match=r"1 of 1 session .* use more GPUs$"):
        predict_trace(kept, trace=trace_of(long[-1:]))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"concurrency": (0,)}, "concurrency is 0"),
        ({"concurrency": (4,), "slo": "ttft=1s"}, "exclude each other"),
        ({"prefix_cache": False, "host_cache_gb": 10}, "tiers of the prefix cache"),
        ({"slo": ","}, "is empty"),
        ({"slo": "itl=1ms"}, "unknown SLO metric"),
    ],
)
def test_loads_and_caches_that_exclude_each_other(values, says):
    with pytest.raises(BadConfig, match=says):
        rows(question_of(**values))


def test_a_share_of_hits_beside_a_trace_is_refused():
    question = question_from_json(
        PredictTraceQuestion, {**H200, "trace": "s", "concurrency": [1], "settings": {"prefix_hits": 0.5}}
    )
    with pytest.raises(BadConfig, match=r"prefix_hits is 0\.5, but what a trace finds is simulated"):
        predict_trace(question, trace=trace_of(SESSIONS))


def test_a_trace_without_times_needs_a_concurrency():
    untimed = [chain(growing(2), name="a")]
    with pytest.raises(BadConfig, match="contains no times of sessions; state the concurrent sessions"):
        rows(question_of(), untimed)
    assert rows(question_of(concurrency=(1,)), untimed)[0].sessions == 1


def test_a_trace_without_lengths_is_refused():
    silent = [Session(name="a", steps=(Step(call=Call()),), begin_s=0.0)]
    with pytest.raises(BadFile, match=r"1 model call of sessions\.jsonl without input or output tokens"):
        rows(question_of(), silent)


def test_lengths_are_estimated_from_texts_and_sessions_without_any_left_out():
    worded = Call(messages=({"role": "user", "content": "x" * 400},), output_tokens=7)
    texts = Session(name="texts", steps=(Step(call=worded),), begin_s=0.0)
    silent = Session(name="silent", steps=(Step(call=Call(output_tokens=7)),), begin_s=0.0)
    answer = predict_trace(question_of(concurrency=(1,)), trace=trace_of([texts]))
    assert answer.rows[0].prompt_tokens == 100 and answer.rows[0].output_tokens == 7
    assert "lengths of 1 call estimated from their text at 4 characters a token" in answer.notes[0]
    with pytest.raises(BadFile, match="or leave their sessions out with keep_going=True"):
        predict_trace(question_of(concurrency=(1,)), trace=trace_of([texts, silent]))
    kept = predict_trace(question_of(concurrency=(1,), keep_going=True), trace=trace_of([texts, silent]))
    assert kept.rows[0].sessions == 1 and any("a call without lengths" in note for note in kept.notes)


def test_a_call_beyond_the_context_is_no_matter_of_gpus():
    long = [chain([(200_000, 10)], name="long")]
    with pytest.raises(BadConfig, match=r"131,072 tokens of the context of llama-3-70b; .*; use a model of a longer"):
        rows(question_of(concurrency=(1,)), long)


def test_the_intervals_are_explained_only_with_figures():
    unmet = predict_trace(question_of(slo="tpot=1us"), trace=trace_of(SESSIONS))
    assert not any("90 % intervals" in note for note in unmet.notes)


def test_the_worth_of_the_cache_of_the_gpus():
    answer = cache_worth(worth_question(price_usd_per_gpu_h={"H200": 2.0}), trace=trace_of(SESSIONS))
    none, gpu = answer.rows[0].caches
    assert (none.cache, gpu.cache) == ("none", "gpu")
    assert none.hit_share == 0 and none.saved_tokens is None and none.hit_usd_per_mtok is None
    assert gpu.saved_tokens == sum(gpu.hit_tokens.values()) == none.computed_tokens - gpu.computed_tokens
    assert gpu.tier_usd_per_gpu_h == pytest.approx(2.0 * (gpu.sessions_per_gpu_h / none.sessions_per_gpu_h - 1))
    assert gpu.tier_usd_per_gb_month is None
    assert gpu.usd_per_session < none.usd_per_session
    assert gpu.hit_usd_per_mtok < gpu.computed_usd_per_mtok
    # the hour earns the rent at the three prices
    (row,) = rows(question_of(concurrency=(8,)))
    earned = (
        gpu.computed_usd_per_mtok * row.computed_tput_per_gpu_tok_s
        + gpu.hit_usd_per_mtok * row.hit_tput_per_gpu_tok_s
        + gpu.output_usd_per_mtok * row.output_tput_per_gpu_tok_s
    )
    assert earned * 3600 / 1e6 == pytest.approx(2.0)


def test_worth_needs_one_load():
    for values in ({"concurrency": ()}, {"concurrency": (1, 2)}):
        with pytest.raises(BadConfig, match="at one load"):
            cache_worth(worth_question(**values), trace=trace_of(SESSIONS))
    with pytest.raises(BadConfig, match="leave the prefix cache on"):
        cache_worth(worth_question(prefix_cache=False), trace=trace_of(SESSIONS))


def test_worth_within_an_slo_compares_the_loads_that_meet_it():
    answer = cache_worth(worth_question(concurrency=(), slo="ttft_p90=600ms"), trace=trace_of(SESSIONS))
    none, gpu = answer.rows[0].caches
    assert 0 < none.concurrency <= gpu.concurrency
    assert gpu.sessions_per_gpu_h > none.sessions_per_gpu_h


def test_list_prices_of_cached_input_come_with_it():
    question = worth_question(model="deepseek-r1", engine="sglang", tp=8)
    answer = cache_worth(question, trace=trace_of(SESSIONS[:4]))
    listed = {(p.provider, p.name): p for p in answer.api}
    assert listed["deepinfra", "deepseek-ai/DeepSeek-R1-0528"].cached_share == pytest.approx(0.35 / 0.5)
    assert ("aws", "deepseek.r1-v1:0") not in listed  # bills cached input as input


def test_a_cache_with_which_one_session_misses_the_slo_is_named():
    answer = cache_worth(worth_question(concurrency=(), slo="ttft_p90=250ms"), trace=trace_of(SESSIONS))
    (row,) = answer.rows
    assert row.missed == ("none",) and [cache.cache for cache in row.caches] == ["gpu"]
    assert row.caches[0].hit_usd_per_mtok is None and row.caches[0].tier_usd_per_gpu_h is None


def test_users_that_run_out_of_sessions_are_noted():
    answer = predict_trace(question_of(concurrency=(4, 20)), trace=trace_of(SESSIONS))
    assert any(note.startswith("24 sessions for 20 users") for note in answer.notes)
    assert not any(
        "users:" in note for note in predict_trace(question_of(concurrency=(4,)), trace=trace_of(SESSIONS)).notes
    )


def test_a_tier_of_host_memory_holds_what_the_gpus_give_up():
    question = question_from_json(
        CacheWorthQuestion,
        {
            **H200,
            "trace": "s",
            "concurrency": [12],
            "host_cache_gb": 200,
            "ssd_cache_gb": 400,
            "settings": {"kv_tokens": 40_000},
            "price_usd_per_gpu_h": {"H200": 2.0},
        },
    )
    (row,) = cache_worth(question, trace=trace_of(SESSIONS)).rows
    none, gpu, host, ssd = row.caches
    assert [cache.cache for cache in row.caches] == ["none", "gpu", "host", "ssd"]
    assert gpu.hit_tokens.keys() == {"gpu"} and host.hit_tokens.keys() == {"gpu", "host"}
    assert host.hit_tokens["host"] > 0 and none.hit_share <= gpu.hit_share < host.hit_share <= host.possible_hit_share
    assert host.saved_tokens == gpu.computed_tokens - host.computed_tokens > 0
    assert host.tier_gb_per_gpu == 50 and ssd.tier_gb_per_gpu == 100
    worth = 2.0 * (host.sessions_per_gpu_h / gpu.sessions_per_gpu_h - 1)
    assert host.tier_usd_per_gpu_h == pytest.approx(worth)
    assert host.tier_usd_per_gb_month == pytest.approx(worth * 730 / 50)


@pytest.mark.parametrize("routing", ["prefix", "least", "round-robin"])
def test_replicas_share_the_sessions(routing):
    (one,), (two,) = (
        rows(question_of(concurrency=(8,))),
        rows(question_of(concurrency=(8,), replicas=2, routing=routing)),
    )
    assert two.n_gpus == 2 * one.n_gpus == 8 and two.replicas == 2 and two.routing == routing
    assert two.session_s.p50 <= one.session_s.p50 * 1.001
    assert 0 < two.hits <= two.possible_hit_tokens


def test_routing_by_prefix_finds_more_than_round_robin():
    (prefix,), (turns,) = (
        rows(question_of(concurrency=(8,), replicas=2, routing=routing)) for routing in ("prefix", "round-robin")
    )
    assert prefix.hits > turns.hits
