"""Bodies of requests, and the source that makes them ahead of time."""

from __future__ import annotations

import itertools
import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.bench.workload.bodies import Bodies, Synthetic, dialect, dialects, parse_extra
from paretoken.bench.workload.lengths import Fixed, RequestLengths, Uniform
from paretoken.bench.workload.makers import TokenIds, Words
from paretoken.bench.workload.prompts import PromptPlan
from paretoken.errors import BadConfig, UnknownName


class TestBodies:
    @pytest.mark.parametrize(
        ("name", "ignore_eos", "min_tokens", "continuous"),
        [
            ("vllm", True, True, True),
            ("sglang", True, True, True),
            ("trtllm", True, True, True),
            ("llamacpp", True, False, False),
            ("transformers", False, False, False),
            ("openai", False, False, False),
        ],
    )
    def test_fields_go_only_to_servers_that_take_them(self, name, ignore_eos, min_tokens, continuous):
        bodies = Bodies(model="tiny", dialect=dialect(name), min_tokens=True)
        body = json.loads(bodies.completion("hello", 9))
        assert ("ignore_eos" in body, "min_tokens" in body) == (ignore_eos, min_tokens)
        assert body["stream_options"].get("continuous_usage_stats", False) is continuous
        assert body["max_tokens"] == 9 and body["stream"] is True and body["temperature"] == 0
        assert bodies.forces_length is (ignore_eos or min_tokens)

    def test_every_dialect_that_lacks_a_field_says_why(self):
        for entry in dialects().values():
            assert entry.why_not or (entry.ignore_eos and entry.min_tokens)
        with pytest.raises(UnknownName, match="did you mean vllm"):
            dialect("vlm")

    def test_chat_is_one_user_message(self):
        body = json.loads(Bodies(model="tiny", api="chat", seed=3).of("hello", 5))
        assert body["messages"] == [{"role": "user", "content": "hello"}]
        assert body["seed"] == 3 and "prompt" not in body

    @pytest.mark.parametrize(
        ("field", "names"),
        [
            ("max_tokens", {"max_tokens"}),
            ("max_completion_tokens", {"max_completion_tokens"}),
            ("both", {"max_tokens", "max_completion_tokens"}),
        ],
    )
    def test_the_chosen_field_limits_the_output(self, field, names):
        fields = {"max_tokens", "max_completion_tokens"}
        chat, text = (Bodies(model="m", api=api, max_tokens_field=field) for api in ("chat", "completions"))
        assert json.loads(chat.of("x", 5)).keys() & fields == names
        # Completions has no second name, so both is the first; a server that takes the second alone gets it.
        second = {"max_completion_tokens"} if field == "both" else set()
        assert json.loads(text.of("x", 5)).keys() & fields == names - second

    def test_without_streaming_there_are_no_stream_options(self):
        body = json.loads(Bodies(model="m", stream=False).of("x", 5))
        assert body["stream"] is False and "stream_options" not in body

    def test_the_extra_body_is_laid_over_and_null_takes_out(self):
        extra = parse_extra('{"top_k": 1, "temperature": 0.7, "stream_options": null}')
        body = json.loads(Bodies(model="m", extra=extra).of("x", 5))
        assert body["top_k"] == 1 and body["temperature"] == 0.7 and "stream_options" not in body
        assert "max_tokens" not in json.loads(Bodies(model="m", extra=parse_extra('{"max_tokens": null}')).of("x", 5))

    @pytest.mark.parametrize(
        ("make", "says"),
        [
            (lambda: parse_extra("{"), "is not JSON"),
            (lambda: parse_extra("[1]"), "must be a JSON object"),
            (lambda: Bodies(model="m", extra={"stream": False}), "may not set 'stream'; use --stream"),
            (lambda: Bodies(model="m", extra={"max_tokens": 5}), "use --osl"),
            (lambda: parse_extra("[" * 300 + "]" * 300), "is not JSON that can be sent"),
            (lambda: Bodies(model="m", api="chat").of([1, 2], 5), "the chat API takes text"),
            (lambda: Bodies(model="m", dialect=dialect("transformers")).of([1, 2], 5), "does not accept token ids"),
        ],
    )
    def test_bad_bodies_are_one_sentence(self, make, says):
        with pytest.raises(BadConfig) as caught:
            make()
        assert says in str(caught.value) and "\n" not in str(caught.value)


def source(**more) -> Synthetic:
    lengths = RequestLengths(Uniform(40, 0.5), Uniform(20, 0.5))
    bodies = Bodies(model="tiny", dialect=dialect("vllm"))
    return Synthetic(plan=PromptPlan(TokenIds.of_size(5000), 1), lengths=lengths, bodies=bodies, **{"ahead": 8, **more})


class TestSource:
    @settings(max_examples=20)
    @given(st.integers(1, 5), st.integers(0, 40), st.integers(0, 30))
    def test_the_workers_together_send_the_same_requests(self, workers, total, ahead):
        alone = list(source(total=total, ahead=ahead).requests(0, 1))
        shares = [list(source(total=total, ahead=ahead).requests(w, workers)) for w in range(workers)]
        assert len(alone) == total
        assert all(share == alone[w::workers] for w, share in enumerate(shares))

    def test_bodies_hold_the_lengths_they_promise(self):
        for made in itertools.islice(source().requests(0, 1), 50):
            body = json.loads(made.body)
            assert len(body["prompt"]) == made.input_tokens and 20 <= made.input_tokens <= 40
            assert body["max_tokens"] == made.output_tokens and 10 <= made.output_tokens <= 20

    def test_requests_are_built_before_they_are_wanted(self):
        requests = source(ahead=10).requests(1, 2)
        assert requests.ready == 5
        first = [next(requests) for _ in range(5)]
        assert (requests.ready, requests.built_late) == (0, 0)
        assert requests.prepare(3) == 3 and requests.ready == 3
        rest = [next(requests) for _ in range(4)]
        assert requests.built_late == 1
        assert first + rest == list(itertools.islice(source().requests(1, 2), 9))

    def test_memory_is_bounded(self):
        requests = source(ahead=10_000, budget_bytes=2000).requests(0, 1)
        assert 1 <= requests.ready <= 20
        taken = [next(requests) for _ in range(600)]
        assert len({t.body for t in taken}) == 600

    def test_a_source_reaches_its_worker_processes(self, tokenizer):
        made = Synthetic(
            plan=PromptPlan(Words.of_tokenizer(tokenizer), 1),
            lengths=RequestLengths(Fixed(30), Fixed(3)),
            bodies=Bodies(model="m"),
            total=3,
        )
        unpickled = pickle.loads(pickle.dumps(made))
        assert list(unpickled.requests(0, 1)) == list(made.requests(0, 1))
