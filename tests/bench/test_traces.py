"""Recorded workloads: every format passes the same tests; then what each has of its own."""

from __future__ import annotations

import gzip
import itertools
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.bench.workload.bodies import Bodies, dialect
from paretoken.bench.workload.lengths import Empirical
from paretoken.bench.workload.makers import PlainWords, TokenIds, Words
from paretoken.bench.workload.prompts import Correction, PromptPlan
from paretoken.bench.workload.tokenizer import load_tokenizer
from paretoken.bench.workload.traces import FORMATS, Replayed, Trace, TraceLimits, detect, read_trace
from paretoken.bench.workload.traces.files import read_head
from paretoken.errors import BadConfig, BadFile

DATA = Path(__file__).parent.parent / "data" / "traces"
TIMES = [0.0, 0.25, 1.5, 2.25]
FILES = {
    "mooncake.jsonl": "mooncake",
    "azure-2023.csv": "azure",
    "azure-2024.csv": "azure",
    "burstgpt-1.csv": "burstgpt",
    "burstgpt-3.csv": "burstgpt",
    "sharegpt.json": "sharegpt",
    "plain.jsonl": "plain",
    "bailian.jsonl": "bailian",
    "mooncake-text.jsonl": "mooncake",
    "tracelab.jsonl": "TraceLab",
    "vidur.csv": "vidur",
    "splitwise.csv": "splitwise-sim",
    "openai-batch.jsonl": "OpenAI batch",
    "aiperf-turns.jsonl": "AIPerf turns",
}
TRACELAB = (
    '{"session_id": "s", "input_tokens_total": 5, "output_tokens": 6, '
    '"timing_events": [{"event_type": "user_message", "timestamp": %s}]}\n'
)
# Of each format: a text that is sound but for one field, by the fault.
FAULTS = {
    "mooncake": {
        "good": '{"timestamp": 1, "input_length": 5, "output_length": 6}\n',
        "missing": '{"timestamp": 1, "input_length": 5}\n',
        "negative": '{"timestamp": -1, "input_length": 5, "output_length": 6}\n',
        "number": '{"timestamp": 1, "input_length": "five", "output_length": 6}\n',
        "fraction": '{"timestamp": 1, "input_length": 5.5, "output_length": 6}\n',
        "below": '{"timestamp": 1, "input_length": -5, "output_length": 6}\n',
        "form": '{"timestamp": 1, "input_length": 5, "output_length": 6, "hash_ids": [0.5]}\n',
    },
    "azure": {
        "head": "TIMESTAMP,ContextTokens,GeneratedTokens\n",
        "good": "2024-05-10 00:00:00.009930+00:00,5,6\n",
        "missing": "2024-05-10 00:00:00.009930+00:00,5\n",
        "negative": "-3.5,5,6\n",
        "number": "2024-05-10 00:00:00,five,6\n",
        "fraction": "2024-05-10 00:00:00,5.5,6\n",
        "below": "2024-05-10 00:00:00,-5,6\n",
        "form": "yesterday,5,6\n",
    },
    "burstgpt": {
        "head": "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n",
        "good": "1,GPT-4,5,6,11,API log\n",
        "missing": "1,GPT-4,5\n",
        "negative": "-1,GPT-4,5,6,11,API log\n",
        "number": "1,GPT-4,five,6,11,API log\n",
        "fraction": "1,GPT-4,5.5,6,11,API log\n",
        "below": "1,GPT-4,-5,6,11,API log\n",
        "form": "soon,GPT-4,5,6,11,API log\n",
    },
    "sharegpt": {
        "good": '{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}\n',
        "missing": '{"id": "x"}\n',
        "number": '{"conversations": [{"from": "human", "value": 5}]}\n',
        "form": '{"conversations": "none"}\n',
    },
    "plain": {
        "good": '{"prompt": "a", "output_tokens": 6, "time_s": 1}\n',
        "missing": '{"output_tokens": 6, "time_s": 1}\n',
        "negative": '{"prompt": "a", "output_tokens": 6, "time_s": -1}\n',
        "number": '{"prompt": "a", "output_tokens": "six", "time_s": 1}\n',
        "fraction": '{"prompt": "a", "output_tokens": 6.5, "time_s": 1}\n',
        "below": '{"prompt": "a", "output_tokens": -6, "time_s": 1}\n',
        "form": '{"messages": [], "output_tokens": 6, "time_s": 1}\n',
    },
    "bailian": {
        "good": '{"chat_id": 1, "timestamp": 1, "input_length": 5, "output_length": 6}\n',
        "missing": '{"chat_id": 1, "timestamp": 1, "input_length": 5}\n',
        "negative": '{"chat_id": 1, "timestamp": -1, "input_length": 5, "output_length": 6}\n',
        "number": '{"chat_id": 1, "timestamp": 1, "input_length": "five", "output_length": 6}\n',
        "below": '{"chat_id": 1, "timestamp": 1, "input_length": 18446744073709551616, "output_length": 6}\n',
        "form": '{"chat_id": 1, "timestamp": 1, "input_length": 5, "output_length": 6, "hash_ids": "x"}\n',
    },
    "tracelab": {
        "good": TRACELAB % '"2026-08-25T10:00:01Z"',
        "missing": TRACELAB.replace('"output_tokens"', '"other"') % '"2026-08-25T10:00:01Z"',
        "number": TRACELAB % '"yesterday"',
        "form": TRACELAB.replace("user_message", "text") % '"2026-08-25T10:00:01Z"',
    },
    "vidur": {
        "head": "arrived_at,num_prefill_tokens,num_decode_tokens\n",
        "good": "1,5,6\n",
        "missing": "1,5\n",
        "negative": "-1,5,6\n",
        "fraction": "1,5.5,6\n",
        "form": "soon,5,6\n",
    },
    "splitwise": {
        "head": "request_id,arrival_timestamp,prompt_size,token_size\n",
        "good": "0,1,5,6\n",
        "missing": "0,1,5\n",
        "negative": "0,-1,5,6\n",
        "below": "0,1,-5,6\n",
        "form": "0,soon,5,6\n",
    },
    "batch": {
        "good": '{"custom_id": "a", "body": {"prompt": "a", "max_tokens": 6}}\n',
        "missing": '{"custom_id": "a", "body": {"max_tokens": 6}}\n',
        "number": '{"custom_id": "a", "body": {"prompt": "a", "max_tokens": "six"}}\n',
        "form": '{"custom_id": "a", "body": "none"}\n',
    },
    "turns": {
        "good": '{"turns": [{"text": "a", "output_length": 6}]}\n',
        "missing": '{"turns": [{"output_length": 6}]}\n',
        "number": '{"turns": [{"text": "a", "output_length": "six"}]}\n',
        "form": '{"turns": []}\n',
    },
}
SAYS = {
    "missing": "missing",
    "negative": "is negative; times must be 0 or more",
    "number": "",
    "fraction": "not a whole number of tokens",
    "below": "not a whole number of tokens",
    "form": "",
}


def write(folder: Path, text: str | bytes, name: str = "trace.txt") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def replayed(plan: PromptPlan, trace: Trace, bodies: Bodies, **more) -> Replayed:
    return Replayed(plan=plan, trace=trace, bodies=bodies, **more)


class TestEveryFormat:
    """What holds for a file of any format, whatever its name."""

    @pytest.mark.parametrize(("file", "name"), FILES.items())
    def test_it_is_told_by_content_alone(self, tmp_path, file, name):
        path = write(tmp_path, (DATA / file).read_bytes(), "nameless")
        assert detect(path).NAME == name == read_trace(path).format
        assert [f.NAME for f in FORMATS if f.detects(read_head(path))] == [name]

    @pytest.mark.parametrize("file", FILES)
    def test_times_begin_at_zero_and_rise(self, file):
        trace = read_trace(DATA / file)
        if trace.timed:
            np.testing.assert_allclose([r.time_s for r in trace.requests], TIMES, atol=1e-6)
            np.testing.assert_allclose(trace.replay(speed=2).due_s(None), np.array(TIMES) / 2, atol=1e-6)
        else:
            with pytest.raises(BadConfig, match="contains no times"):
                trace.replay()

    @pytest.mark.parametrize("file", FILES)
    def test_a_byte_order_mark_and_windows_lines_change_nothing(self, tmp_path, file):
        data = (DATA / file).read_bytes()
        path = write(tmp_path, b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"))
        assert read_trace(path).requests == read_trace(DATA / file).requests

    @pytest.mark.parametrize("file", FILES)
    def test_the_first_requests_are_those_of_the_whole(self, file):
        whole = read_trace(DATA / file)
        assert read_trace(DATA / file, TraceLimits(requests=2)).requests == whole.requests[:2]

    @pytest.mark.parametrize(("name", "fault"), [(n, f) for n, all_ in FAULTS.items() for f in all_ if f in SAYS])
    def test_a_fault_is_one_sentence_with_file_and_line(self, tmp_path, name, fault):
        texts = FAULTS[name]
        path = write(tmp_path, texts.get("head", "") + texts["good"] * 2 + texts[fault])
        with pytest.raises(BadFile) as caught:
            read_trace(path)
        line = 3 + ("head" in texts)
        assert f"{path}: line {line}" in str(caught.value) and SAYS[fault] in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("name", FAULTS)
    def test_a_file_of_only_good_rows_reads(self, tmp_path, name):
        texts = FAULTS[name]
        assert len(read_trace(write(tmp_path, texts.get("head", "") + texts["good"] * 3)).requests) == 3

    @pytest.mark.parametrize("name", [n for n, texts in FAULTS.items() if "head" in texts])
    def test_a_header_alone_is_no_trace(self, tmp_path, name):
        with pytest.raises(BadFile, match="no usable request"):
            read_trace(write(tmp_path, FAULTS[name]["head"]))

    @pytest.mark.parametrize("file", FILES)
    def test_its_requests_can_be_sent(self, file):
        trace = read_trace(DATA / file).counted(len, output_tokens=4)
        source = replayed(PromptPlan(PlainWords(), 1), trace, Bodies(model="m", api="chat"))
        made = list(source.requests(0, 1))
        assert len(made) == len(trace.requests)
        for request, recorded in zip(made, trace.requests, strict=True):
            body = json.loads(request.body)
            assert body["max_tokens"] == request.output_tokens == recorded.output_tokens
            assert body["messages"][-1]["role"] == "user"

    @settings(max_examples=60)
    @given(data=st.data())
    def test_a_damaged_file_is_read_or_refused_never_a_crash(self, tmp_path_factory, data):
        file = data.draw(st.sampled_from(sorted(FILES)))
        raw = bytearray((DATA / file).read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        cut = data.draw(st.integers(0, len(raw)))
        try:
            read_trace(write(tmp_path_factory.getbasetemp(), bytes(raw[:cut]), "damaged"))
        except BadFile as e:
            assert "\n" not in str(e)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("[]", "empty list"),
        ("a,b,c\n1,2,3\n", "unknown trace format .it begins with a, b, c.; known formats: mooncake"),
        ('{"question": 1}\n', "unknown trace format"),
        ('{"prompt": "a"', "is not whole JSON"),
        ("[1, 2]", "entry 1: '1' is not a JSON object"),
        ("[[", "is not whole JSON"),
        (b"\x1f\x8b\x08\x00\xff\xfe", "a damaged gzip file"),
        (b"PK\x03\x04\xff\xfe", "unpack it first"),
    ],
)
def test_what_is_no_trace_is_said(tmp_path, text, says):
    with pytest.raises(BadFile, match=says):
        read_trace(write(tmp_path, text))


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(BadFile, match="cannot be read"):
        read_trace(tmp_path / "absent.jsonl")


def test_a_broken_line_is_named(tmp_path):
    with pytest.raises(BadFile, match="line 2 is not whole JSON"):
        read_trace(write(tmp_path, FAULTS["mooncake"]["good"] + '{"timestamp": 1, "inp'))


def test_times_for_some_only_are_refused(tmp_path):
    with pytest.raises(BadFile, match="line 2: some requests have a time"):
        read_trace(write(tmp_path, FAULTS["plain"]["good"] + '{"prompt": "b", "output_tokens": 1}\n'))


def test_disorder_is_put_right(tmp_path):
    rows = [f'{{"timestamp": {t}, "input_length": 5, "output_length": 6}}\n' for t in (2000, 1000, 3000)]
    assert [r.time_s for r in read_trace(write(tmp_path, "".join(rows))).requests] == [0, 1, 2]


@pytest.mark.parametrize(
    ("limits", "kept", "limited"),
    [
        (TraceLimits(seconds=1), [310, 405], 2),
        (TraceLimits(start_s=1, seconds=1), [960], 3),
        (TraceLimits(start_s=1), [960, 88], 2),
        (TraceLimits(max_input=320), [310, 88], 2),
        (TraceLimits(max_output=50), [310, 88], 2),
        (TraceLimits(requests=1, start_s=2), [88], 3),
    ],
)
def test_limits(limits, kept, limited):
    trace = read_trace(DATA / "azure-2023.csv", limits)
    assert [r.input_tokens for r in trace.requests] == kept and trace.limited == limited
    assert trace.requests[0].time_s == 0


def test_limits_that_leave_nothing_say_so():
    with pytest.raises(BadFile, match="all were left out by the limits"):
        read_trace(DATA / "azure-2023.csv", TraceLimits(max_input=3))
    with pytest.raises(BadConfig, match="must be above 0"):
        TraceLimits(requests=0)


def test_failed_requests_are_left_out_and_counted():
    trace = read_trace(DATA / "burstgpt-1.csv")
    assert trace.failed == 1 and len(trace.requests) == 4
    assert read_trace(DATA / "sharegpt.json").failed == 1


def test_sessions_of_burstgpt_are_kept():
    assert [r.session for r in read_trace(DATA / "burstgpt-3.csv").requests] == ["a-1", "b-2", "a-1", ""]


def test_azure_times_keep_their_fractions():
    first, second = read_trace(DATA / "azure-2024.csv", TraceLimits(requests=2)).requests
    assert second.time_s - first.time_s == pytest.approx(0.25, abs=1e-6)


def test_lengths_serve_as_a_distribution():
    trace = read_trace(DATA / "mooncake.jsonl")
    assert trace.isl() == Empirical((1300, 700, 1800, 30)) and trace.osl().mean == 121.25
    with pytest.raises(BadConfig, match="input tokens"):
        read_trace(DATA / "sharegpt.json").isl()


class TestMooncake:
    def source(self, **more) -> Replayed:
        trace = read_trace(DATA / "mooncake.jsonl")
        return replayed(
            PromptPlan(TokenIds.of_size(10**6), 1),
            trace,
            Bodies(model="m", dialect=dialect("vllm")),
            **{"ahead": 2, **more},
        )

    def test_shared_blocks_are_shared_tokens_and_others_are_not(self):
        prompts = [json.loads(r.body)["prompt"] for r in self.source().requests(0, 1)]
        assert [len(p) for p in prompts] == [1300, 700, 1800, 30]
        assert prompts[0][:1024] == prompts[2][:1024]
        assert prompts[0][1024:1300] != prompts[2][1024:1300]
        assert len({tuple(p[:4]) for p in prompts}) == 3

    def test_text_shares_blocks_too(self):
        tokenizer = load_tokenizer(DATA.parent / "tokenizer")
        plan = PromptPlan(Words.of_tokenizer(tokenizer), 1, correction=Correction(9))
        source = replayed(plan, read_trace(DATA / "mooncake.jsonl"), Bodies(model="m", api="chat"))
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
        source = replayed(
            PromptPlan(TokenIds.of_size(1000), 1),
            read_trace(write(tmp_path, row * 2)),
            Bodies(model="m", dialect=dialect("vllm")),
        )
        one, two = (json.loads(r.body)["prompt"] for r in source.requests(0, 1))
        assert len(one) == 1200 and one[:512] == two[:512] and one[512:] != two[512:]

    def test_workers_share_the_trace_out(self):
        alone = list(self.source().requests(0, 1))
        assert [list(self.source().requests(w, 3)) for w in range(3)] == [alone[w::3] for w in range(3)]
        assert list(pickle.loads(pickle.dumps(self.source())).requests(0, 1)) == alone


def test_a_packed_trace_is_read(tmp_path):
    path = write(tmp_path, gzip.compress((DATA / "mooncake.jsonl").read_bytes()))
    assert read_trace(path).requests == read_trace(DATA / "mooncake.jsonl").requests


class TestUnits:
    """Each format has its own unit of time and size of a block, and says them."""

    @pytest.mark.parametrize(
        ("file", "span_s", "tokens", "rate", "says"),
        [
            ("mooncake.jsonl", 2.25, 512, 1024 / 3830, "times in ms, blocks of 512 tokens"),
            ("bailian.jsonl", 2.25, 16, 32 / 139, "times in s, blocks of 16 tokens"),
            ("tracelab.jsonl", 2.25, 64, 192 / 490, "cached prefixes as blocks of 64 tokens"),
            ("vidur.csv", 2.25, 512, 0, "times in s"),
            ("splitwise.csv", 2.25, 512, 0, "times in s"),
        ],
    )
    def test_times_blocks_and_the_hit_rate_they_imply(self, file, span_s, tokens, rate, says):
        trace = read_trace(DATA / file)
        assert trace.requests[-1].time_s == pytest.approx(span_s, abs=1e-6) and trace.block_tokens == tokens
        assert trace.hit_rate() == pytest.approx(rate)
        assert any(says in note for note in trace.notes(repeats=False))

    def test_blocks_of_16_tokens_are_shared_prompts(self):
        plan = PromptPlan(TokenIds.of_size(10**6), 1)
        source = replayed(plan, read_trace(DATA / "bailian.jsonl"), Bodies(model="m", dialect=dialect("vllm")))
        prompts = [json.loads(r.body)["prompt"] for r in source.requests(0, 1)]
        assert [len(p) for p in prompts] == [40, 20, 70, 9]
        assert prompts[0][:32] == prompts[2][:32] and prompts[0][32:40] != prompts[2][32:40]

    def test_a_session_shares_what_the_engine_had_cached(self):
        plan = PromptPlan(TokenIds.of_size(10**6), 1)
        source = replayed(plan, read_trace(DATA / "tracelab.jsonl"), Bodies(model="m", dialect=dialect("vllm")))
        first, other, second, third = (json.loads(r.body)["prompt"] for r in source.requests(0, 1))
        assert second[:128] == first[:128] and second[128:130] != first[128:130]
        assert third[:64] == first[:64] and third[64:70] != first[64:70] and other[:64] != first[:64]


class TestNotes:
    def test_what_a_run_does_not_reproduce_is_counted(self):
        assert "3 requests with tools" not in " ".join(read_trace(DATA / "openai-batch.jsonl").notes(repeats=False))
        assert "openai-batch.jsonl: 1 request with tools, whose definitions are not sent" in read_trace(
            DATA / "openai-batch.jsonl"
        ).notes(repeats=False)
        assert any("1 request left out" in n for n in read_trace(DATA / "burstgpt-1.csv").notes(repeats=False))

    def test_repetitions_of_recorded_prompts_are_counted(self):
        text = read_trace(DATA / "mooncake-text.jsonl")
        assert any("1 prompt the same as an earlier one" in n for n in text.notes(repeats=False))
        assert any("after its 4 requests the trace begins again" in n for n in text.notes(repeats=True))
        lengths = read_trace(DATA / "mooncake.jsonl")
        assert len(lengths.notes(repeats=True)) == 1  # its prompts are made anew each time

    def test_times_that_seem_to_be_in_another_unit_are_doubted(self, tmp_path):
        rows = [f'{{"timestamp": {n * 0.5}, "input_length": 5, "output_length": 6}}\n' for n in range(9)]
        assert any(
            n.endswith("2,000 requests per second; check that its times are in the unit of the format")
            for n in read_trace(write(tmp_path, "".join(rows))).notes(repeats=False)
        )
        with pytest.raises(BadFile, match="add session_id"):
            read_trace(
                write(tmp_path, FAULTS["mooncake"]["good"] + '{"delay": 5, "input_length": 5, "output_length": 6}')
            )

    def test_requests_beyond_the_context_are_left_out_and_counted(self):
        trace = read_trace(DATA / "mooncake.jsonl").within(1400)
        assert [r.input_tokens for r in trace.requests] == [1300, 700, 30] and trace.limited == 1
        assert any("1 request left out: too long" in note for note in trace.notes(repeats=False))
        with pytest.raises(BadFile, match="within the server's context of 9 tokens"):
            trace.within(9)


class TestTurns:
    """Turns that follow the answer before them."""

    def test_a_later_turn_bears_the_time_of_its_session_and_its_delay(self):
        requests = read_trace(DATA / "mooncake-sessions.jsonl").requests
        assert [(r.session, r.time_s, r.after_s) for r in requests] == [
            ("a", 0.0, None),
            ("a", 0.0, 0.15),
            ("a", 0.0, 0.0),
            ("b", 0.25, None),
        ]

    def test_they_are_sent_as_one_session_by_one_worker(self):
        trace = read_trace(DATA / "mooncake-sessions.jsonl")
        source = replayed(PromptPlan(PlainWords(), 1), trace, Bodies(model="m", api="chat"), repeat=True)
        made = list(itertools.islice(source.requests(0, 1), 8))
        assert [r.session for r in made] == [0, 0, 0, 1, 2, 2, 2, 3]
        assert [r.delay_ns for r in made[:4]] == [0, 150_000_000, 0, 0]
        with pytest.raises(BadConfig, match="use --workers 1"):
            source.requests(0, 2)

    def test_each_turn_holds_those_before_it_and_stand_ins_for_their_answers(self):
        trace = read_trace(DATA / "aiperf-turns.jsonl")
        assert [(r.output_tokens, r.after_s) for r in trace.requests] == [(12, None), (13, 0.2), (14, None)]
        source = replayed(PromptPlan(PlainWords(), 1), trace, Bodies(model="m", api="chat"))
        first, second, other = (json.loads(r.body)["messages"] for r in source.requests(0, 1))
        assert [m["role"] for m in first] == ["system", "user"] and first == second[:2]
        assert [m["role"] for m in second] == ["system", "user", "assistant", "user"]
        assert len(second[2]["content"].split()) == 12 and [m["content"] for m in other] == ["name a lake"]

    def test_input_lengths_with_stand_ins_are_the_servers_to_count(self):
        trace = read_trace(DATA / "aiperf-turns.jsonl").counted(lambda text: len(text.split()))
        assert [r.input_tokens for r in trace.requests] == [6, None, 3]


class TestRecordedPrompts:
    def test_the_answer_gives_the_output_length(self):
        tokenizer = load_tokenizer(DATA.parent / "tokenizer")
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
            replayed(PromptPlan(PlainWords(), 1), read_trace(DATA / "sharegpt.json"), Bodies(model="m"))

    def test_recorded_prompts_are_sent_as_they_are(self):
        trace = read_trace(DATA / "plain.jsonl")
        source = replayed(PromptPlan(PlainWords(), 1, correction=Correction(8)), trace, Bodies(model="m", api="chat"))
        first, second, third, last = source.requests(0, 1)
        assert json.loads(first.body)["messages"][0]["content"] == "count the tokens and the seconds"
        assert [m["role"] for m in json.loads(second.body)["messages"]] == ["system", "user"]
        assert len(json.loads(third.body)["messages"][0]["content"].split()) == 56
        assert [r.input_tokens for r in (first, second, third, last)] == [-1, -1, -1, 11]

    def test_messages_become_one_text_for_completions(self):
        trace = read_trace(DATA / "plain.jsonl")
        made = list(replayed(PromptPlan(PlainWords(), 1), trace, Bodies(model="m")).requests(0, 1))
        assert json.loads(made[1].body)["prompt"] == "be short\nwhat is a trace"
