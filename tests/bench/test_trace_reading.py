"""Reading a recorded workload: what is no trace, limits, units, and what a run does not reproduce."""

from __future__ import annotations

import gzip
import json

import pytest

from paretoken.bench.workload.lengths import Empirical
from paretoken.bench.workload.traces import TraceLimits, read_trace
from paretoken.errors import BadConfig, BadFile
from tests.support.traces import DATA, FAULTS, write


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
            ("vidur.csv", 2.25, 512, 0, "times in s"),
            ("splitwise.csv", 2.25, 512, 0, "times in s"),
        ],
    )
    def test_times_blocks_and_the_hit_rate_they_imply(self, file, span_s, tokens, rate, says):
        trace = read_trace(DATA / file)
        assert trace.requests[-1].time_s == pytest.approx(span_s, abs=1e-6) and trace.block_tokens == tokens
        assert trace.hit_rate() == pytest.approx(rate)
        assert any(says in note for note in trace.notes(repeats=False))


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


@pytest.mark.parametrize(
    ("row", "prompt", "answer"),
    [
        ({"system_prompt": "Be brief.", "question": "Why?", "response": "So."}, "Be brief.\n\nWhy?", "So."),
        ({"system_prompt": "", "question": "Why?", "response": "So."}, "Why?", "So."),
        ({"instruction": "Add.", "input": "1 2", "output": "3"}, "Add.\n\n1 2", "3"),
        ({"prompt": "Why?", "completion": "So."}, "Why?", "So."),
    ],
)
def test_a_data_set_for_training_gives_prompts_and_recorded_answers(tmp_path, row, prompt, answer):
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(row) + "\n")
    (request,) = read_trace(path).requests
    assert (request.prompt, request.answer, request.output_tokens) == (prompt, answer, None)


def test_a_last_message_of_the_assistant_is_the_answer_and_is_not_sent(tmp_path):
    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b c"}]
    longer = [*talk, {"role": "user", "content": "d"}]
    path = tmp_path / "talks.jsonl"
    path.write_text("\n".join(json.dumps({"messages": m, "output_tokens": 5}) for m in (talk, longer)))
    first, second = read_trace(path).requests
    assert (first.messages, first.answer) == (tuple(talk[:1]), "b c")
    assert (second.messages, second.answer) == (tuple(longer), None)
