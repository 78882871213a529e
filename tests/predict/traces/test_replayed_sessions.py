"""Replays against sums by hand: one session alone, its critical path, and what prompts take of the engine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.errors import BadFile
from paretoken.predict.serving import Served
from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.run import PLAIN
from paretoken.predict.steptime import AffineStepTime
from paretoken.predict.traces.load import check_trace, load_of, mean_call
from paretoken.predict.traces.server import TraceServer
from paretoken.predict.traces.times import session_times
from paretoken.sessions.graph import Call, Session, Step
from tests.support.recorded_sessions import chain, growing, trace_of

BLOCK = 16
STEP = AffineStepTime(
    per_step_s=0.005, per_sequence_s=1e-4, per_context_token_s=1e-7, per_prompt_token_s=2e-5, per_pair_s=1e-9
)


def server(*, cache: bool = True, kv_blocks: int = 100_000, replicas: int = 1) -> TraceServer:
    limits = SchedulerLimits(max_num_seqs=256, max_batched_tokens=100_000, kv_blocks=kv_blocks, block_tokens=BLOCK)
    return TraceServer(
        served=Served(STEP, limits, PLAIN, 0.0),
        gpus=2,
        most_tokens=kv_blocks * BLOCK,
        replicas=replicas,
        cache=CacheOptions() if cache else None,
    )


def call_s(inputs: int, outputs: int, hits: int) -> tuple[float, float]:
    """TTFT and E2E of a call alone: a step with the prompt, then one for each further token, which reads itself."""
    computed = inputs - hits
    pairs = computed * hits + computed * (computed + 1) / 2
    ttft = STEP.per_step_s + STEP.per_prompt_token_s * computed + STEP.per_pair_s * pairs
    decode = sum(
        STEP.per_step_s + STEP.per_sequence_s + STEP.per_context_token_s * (inputs + k) for k in range(1, outputs)
    )
    return ttft, ttft + decode


def hits_by_hand(calls: list[tuple[int, int]]) -> list[int]:
    """Whole blocks of the context before; the last token of an answer has no KV entry."""
    contexts = [0, *(i + o - 1 for i, o in calls[:-1])]
    return [min(context, inputs - 1) // BLOCK * BLOCK for context, (inputs, _) in zip(contexts, calls, strict=True)]


@pytest.mark.parametrize("cache", [True, False])
def test_one_session_alone_takes_the_sum_of_its_calls_and_tools(cache):
    calls = growing(5)
    hits = hits_by_hand(calls) if cache else [0] * 5
    alone = [call_s(*call, hit) for call, hit in zip(calls, hits, strict=True)]
    f = server(cache=cache).figures(load_of([chain(calls, tool_s=2.0)], users=1, idle_cap_s=None))
    model_s = sum(e2e for _, e2e in alone)
    assert f.session_s["p50"] == pytest.approx(model_s + 4 * 2.0)
    assert f.model_share == pytest.approx(model_s / (model_s + 8.0))
    assert f.ttft_s["mean"] == pytest.approx(np.mean([ttft for ttft, _ in alone]))
    assert f.ttft_by_turn_s["first"]["p50"] == pytest.approx(alone[0][0])
    assert f.ttft_by_turn_s["later"]["mean"] == pytest.approx(np.mean([ttft for ttft, _ in alone[1:]]))
    assert sum(f.hit_tokens.values()) == sum(hits)
    assert f.possible_tokens == sum(hits_by_hand(calls))
    if cache:
        assert f.ttft_by_turn_s["cached"]["p99"] == f.ttft_by_turn_s["later"]["p99"]
    else:
        assert np.isnan(f.ttft_by_turn_s["cached"]["p99"])


def test_rates_of_one_session_are_its_tokens_over_its_time():
    calls = growing(3)
    f = server().figures(load_of([chain(calls)], users=1, idle_cap_s=None))
    seconds, hits = f.session_s["p50"], sum(hits_by_hand(calls))
    inputs, outputs = (sum(side) for side in zip(*calls, strict=True))
    assert f.computed_tput_per_gpu == pytest.approx((inputs - hits) / seconds / 2)
    assert f.hit_tput_per_gpu == pytest.approx(hits / seconds / 2)
    assert f.output_tput_per_gpu == pytest.approx(outputs / seconds / 2)
    assert f.sessions_per_gpu_h == pytest.approx(3600 / seconds / 2)


def test_long_sessions_weigh_by_their_time():
    """Nine short sessions and a long one of tools, one user each: rates are users · tokens / session time, by hand.

    Between the first begin and the last one, the long session would be missing, though its user is busy with it.
    """
    lengths = [*([[(100, 10)]] * 9), growing(6)]
    load = load_of([chain(calls, tool_s=60.0) for calls in lengths[::-1]], users=2, idle_cap_s=None)
    f = server().figures(load)
    tokens = sum(i + o for calls in lengths for i, o in calls)
    assert f.total_tput_per_gpu == pytest.approx(2 * (tokens / 10) / f.session_s["mean"] / 2)
    assert f.span_s == pytest.approx(10 * f.session_s["mean"] / 2)
    assert f.ending_share > 0.9  # the user of the short sessions has none left when the long one still runs
    assert 0 < f.tput_error < 1


def test_only_some_sessions_may_count():
    load = load_of([chain(growing(n)) for n in (1, 2, 3, 4)], users=1, idle_cap_s=None)
    every, some = server().figures(load), server().figures(load, slice(1, 3))
    assert (some.sessions, some.calls) == (2, 5)
    assert some.prompt_tokens == sum(i for n in (2, 3) for i, _ in growing(n))
    assert sum(some.hit_tokens.values()) == some.possible_tokens == sum(sum(hits_by_hand(growing(n))) for n in (2, 3))
    assert some.span_s == pytest.approx(2 * some.session_s["mean"])
    assert every.calls == 10 and every.ending_share == 0  # the only user is busy to the end


def test_prompts_take_their_share_of_the_busy_time():
    calls = growing(4)
    prefill_s = sum(call_s(i, o, 0)[0] for i, o in calls)
    model_s = sum(call_s(i, o, 0)[1] for i, o in calls)
    f = server(cache=False).figures(load_of([chain(calls)], users=1, idle_cap_s=None))
    assert f.prefill_share == pytest.approx(prefill_s / model_s)


def test_the_idle_cap_shortens_tools():
    load = load_of([chain(growing(5), tool_s=60.0)], users=1, idle_cap_s=1.5)
    longer, shorter = (
        server().figures(x).session_s["p50"]
        for x in (load_of([chain(growing(5), tool_s=60.0)], users=1, idle_cap_s=None), load)
    )
    assert longer - shorter == pytest.approx(4 * 58.5)


def test_the_critical_path_is_that_of_the_slowest_branch():
    """A call, two parallel sub-agents of which the second is slower, and a join: the first branch does not count."""
    steps = (
        Step(call=Call(input_tokens=500, output_tokens=10)),
        Step(after=(0,), call=Call(input_tokens=600, output_tokens=10)),
        Step(after=(0,), wait_s=0.5, call=Call(input_tokens=700, output_tokens=200)),
        Step(after=(1, 2), wait_s=0.25, call=Call(input_tokens=800, output_tokens=10)),
        Step(after=(3,), seconds=3.0),
    )
    load = load_of([Session(name="fork", steps=steps)], users=1, idle_cap_s=None)
    run = server().run(load)
    times = session_times(run, load)
    path = run.e2e_s[0] + run.e2e_s[2] + run.e2e_s[3]
    assert times.model_s[0] == pytest.approx(path)
    assert times.session_s[0] == pytest.approx(path + 0.5 + 0.25 + 3.0)


def test_sessions_at_their_own_times_begin_then():
    sessions = [chain(growing(2), name=str(i), begin_s=10.0 * i) for i in range(3)]
    load = load_of(list(reversed(sessions)), users=None, idle_cap_s=None)
    assert session_times(server().run(load), load).begin_s.tolist() == [0.0, 10.0, 20.0]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 400), st.integers(1, 40)), min_size=1, max_size=5), min_size=1, max_size=8
    ),
    st.integers(1, 4),
    st.booleans(),
)
def test_nothing_is_lost(lengths, users, cache):
    """Model time is within a session, prompt tokens are computed or found, and hits are at most the possible ones."""
    load = load_of([chain(calls, name=str(i)) for i, calls in enumerate(lengths)], users=users, idle_cap_s=None)
    tested = server(cache=cache)
    run = tested.run(load)
    times, f = session_times(run, load), tested.figures(load)
    assert (times.model_s <= times.session_s + 1e-9).all()
    tools = np.array([2.0 * (len(calls) - 1) for calls in lengths])
    assert times.session_s - times.model_s == pytest.approx(tools)
    assert f.calls == sum(map(len, lengths)) and f.sessions == len(lengths)
    assert sum(f.hit_tokens.values()) <= f.possible_tokens <= f.prompt_tokens
    assert 0 < f.prefill_share <= 1


def test_long_sessions_do_not_fit():
    trace = trace_of([chain([(1000, 10)], name="a"), chain([(100, 10), (3000, 50)], name="b")])
    assert [s.name for s in trace.within(3049).sessions] == ["a"] and trace.longest_tokens == 3050
    assert trace.within(3050).sessions == trace.sessions and not trace.within(109).sessions


def test_mean_lengths_are_those_of_the_calls():
    lengths = mean_call([chain([(100, 10), (200, 20)]), chain([(600, 30)])])
    assert (lengths.isl, lengths.osl) == (300, 20)


@pytest.mark.parametrize(
    ("sessions", "says"),
    [
        ([], "contains no model call"),
        ([Session(name="t", steps=(Step(seconds=1.0),))], "contains no model call"),
        (
            [Session(name="t", steps=(Step(call=Call(output_tokens=3)),))],
            "1 model call of sessions.jsonl without input",
        ),
        (
            [Session(name="t", steps=(Step(call=Call(input_tokens=3)),))],
            "1 model call of sessions.jsonl without output",
        ),
    ],
)
def test_a_trace_without_lengths_is_refused(sessions, says):
    with pytest.raises(BadFile, match=says):
        check_trace(trace_of(sessions))
