"""Replaying a recorded workload: shared blocks, turns and recorded prompts."""

from __future__ import annotations

import itertools
import json
import pickle

import pytest

from paretoken.bench.workload.bodies import Bodies
from paretoken.bench.workload.makers import PlainWords, Words
from paretoken.bench.workload.prompts import Correction, PromptPlan
from paretoken.bench.workload.sessions.lengths import MissingLengths
from paretoken.bench.workload.sessions.of_requests import sessions_of_requests
from paretoken.bench.workload.sessions.source import RecordedSessions, SessionSource
from paretoken.bench.workload.traces import Replayed, Trace, read_trace
from paretoken.errors import BadConfig
from tests.support.traces import DATA, as_chat, as_token_ids, write


class TestBlocks:
    """Blocks with the same hash are the same tokens."""

    def source(self, **more) -> Replayed:
        return as_token_ids(read_trace(DATA / "mooncake.jsonl"), ahead=2, **more)

    def test_shared_blocks_are_shared_tokens_and_others_are_not(self):
        prompts = [json.loads(r.body)["prompt"] for r in self.source().requests(0, 1)]
        assert [len(p) for p in prompts] == [1300, 700, 1800, 30]
        assert prompts[0][:1024] == prompts[2][:1024]
        assert prompts[0][1024:1300] != prompts[2][1024:1300]
        assert len({tuple(p[:4]) for p in prompts}) == 3

    def test_text_shares_blocks_too(self, tokenizer):
        plan = PromptPlan(Words.of_tokenizer(tokenizer), 1, correction=Correction(9))
        source = as_chat(read_trace(DATA / "mooncake.jsonl"), plan)
        made = list(source.requests(0, 1))
        texts = [json.loads(r.body)["messages"][0]["content"] for r in made]
        assert [tokenizer.count(t) + 9 for t in texts] == [r.input_tokens for r in made] == [1300, 700, 1800, 30]
        assert texts[0].split()[:1024] == texts[2].split()[:1024]

    def test_the_implied_hit_rate_counts_known_blocks(self):
        assert read_trace(DATA / "mooncake.jsonl").hit_rate() == pytest.approx(1024 / (1300 + 700 + 1800 + 30))

    def test_repeating_sends_other_prompts(self):
        again = [json.loads(r.body)["prompt"] for r in itertools.islice(self.source(repeat=True).requests(0, 1), 8)]
        assert [len(p) for p in again[4:]] == [len(p) for p in again[:4]]
        assert again[4][:1024] == again[6][:1024] != again[0][:1024]

    def test_hashes_of_any_sign_and_count_are_taken(self, tmp_path):
        row = '{"timestamp": 0, "input_length": 1200, "output_length": 6, "hash_ids": [-8446744073709551615]}\n'
        source = as_token_ids(read_trace(write(tmp_path, row * 2)))
        one, two = (json.loads(r.body)["prompt"] for r in source.requests(0, 1))
        assert len(one) == 1200 and one[:512] == two[:512] and one[512:] != two[512:]

    def test_workers_share_the_trace_out(self):
        alone = list(self.source().requests(0, 1))
        assert [list(self.source().requests(w, 3)) for w in range(3)] == [alone[w::3] for w in range(3)]
        assert list(pickle.loads(pickle.dumps(self.source())).requests(0, 1)) == alone

    def test_blocks_of_16_tokens_are_shared_prompts(self):
        source = as_token_ids(read_trace(DATA / "bailian.jsonl"))
        prompts = [json.loads(r.body)["prompt"] for r in source.requests(0, 1)]
        assert [len(p) for p in prompts] == [40, 20, 70, 9]
        assert prompts[0][:32] == prompts[2][:32] and prompts[0][32:40] != prompts[2][32:40]


class TestTurns:
    """Turns that follow the answer before them."""

    def played(self, trace: Trace, **more) -> SessionSource:
        counted = MissingLengths(lambda text: len(text.split()), 1).filled(sessions_of_requests(trace))
        sessions = RecordedSessions(counted.sessions, **more)
        return SessionSource(plan=PromptPlan(PlainWords(), 1), sessions=sessions, bodies=Bodies(model="m", api="chat"))

    def test_they_are_sessions_of_one_call_after_the_other(self):
        source = self.played(read_trace(DATA / "aiperf-turns.jsonl"), repeat=True)
        made = list(itertools.islice(source.requests(0, 1), 4))
        assert [len(s.flow.steps) for s in made] == [2, 1, 2, 1]
        assert made[0].flow.parents == ((), ((0, 200_000_000),))
        assert [s.number for s in itertools.islice(source.requests(1, 2), 2)] == [1, 3]

    @pytest.mark.parametrize(("think_s", "wait_s"), [(0.1, 0.2), (0.3, 0.3)])
    def test_delays_are_at_least_the_think_time(self, think_s, wait_s):
        sessions = sessions_of_requests(read_trace(DATA / "aiperf-turns.jsonl"), think_s=think_s).sessions
        assert [step.wait_s for step in sessions[0].steps] == [0.0, wait_s]

    def test_each_turn_holds_those_before_it_and_stand_ins_for_their_answers(self):
        trace = read_trace(DATA / "aiperf-turns.jsonl")
        assert [(r.output_tokens, r.after_s) for r in trace.requests] == [(12, None), (13, 0.2), (14, None)]
        made = [s.request(call) for s in self.played(trace).requests(0, 1) for call in range(len(s.flow.steps))]
        first, second, other = (json.loads(r.body)["messages"] for r in made)
        assert [m["role"] for m in first] == ["system", "user"] and first == second[:2]
        assert [m["role"] for m in second] == ["system", "user", "assistant", "user"]
        assert len(second[2]["content"].split()) == 12 and [m["content"] for m in other] == ["name a lake"]

    def test_input_lengths_with_stand_ins_are_the_servers_to_count(self):
        trace = read_trace(DATA / "aiperf-turns.jsonl").counted(lambda text: len(text.split()))
        assert [r.input_tokens for r in trace.requests] == [6, None, 3]


class TestRecordedPrompts:
    def test_the_answer_gives_the_output_length(self, tokenizer):
        trace = read_trace(DATA / "sharegpt.json")
        for request in trace.counted(tokenizer.count).requests:
            assert request.output_tokens == tokenizer.count(request.answer)
            assert request.input_tokens == tokenizer.count(request.prompt)
        assert {r.output_tokens for r in trace.counted(output_tokens=7).requests} == {7}
        with pytest.raises(BadConfig, match="give --tokenizer to count them, or --osl"):
            trace.counted()

    def test_lengths_counted_later_can_be_limited_then(self):
        trace = read_trace(DATA / "sharegpt.json").counted(lambda text: len(text.split()))
        assert [r.output_tokens for r in trace.requests] == [10, 4, 11]
        longest = max((r.input_tokens or 0) + (r.output_tokens or 0) for r in trace.requests)
        assert len(trace.within(longest - 1).requests) == 2

    def test_lengths_must_be_known_before_sending(self):
        with pytest.raises(BadConfig, match="does not give all output lengths"):
            as_chat(read_trace(DATA / "sharegpt.json"))

    def test_recorded_prompts_are_sent_as_they_are(self):
        trace = read_trace(DATA / "plain.jsonl")
        source = as_chat(trace, PromptPlan(PlainWords(), 1, correction=Correction(8)))
        first, second, third, last = source.requests(0, 1)
        assert json.loads(first.body)["messages"][0]["content"] == "count the tokens and the seconds"
        assert [m["role"] for m in json.loads(second.body)["messages"]] == ["system", "user"]
        assert len(json.loads(third.body)["messages"][0]["content"].split()) == 56
        assert [r.input_tokens for r in (first, second, third, last)] == [-1, -1, -1, 11]

    def test_messages_become_one_text_for_completions(self):
        trace = read_trace(DATA / "plain.jsonl")
        source = Replayed(plan=PromptPlan(PlainWords(), 1), trace=trace, bodies=Bodies(model="m"))
        made = list(source.requests(0, 1))
        assert json.loads(made[1].body)["prompt"] == "be short\nwhat is a trace"
