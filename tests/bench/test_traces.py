"""Recorded workloads: every format passes the same tests."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.bench.workload.traces import FORMATS, TraceLimits, detect, read_trace
from paretoken.errors import BadConfig, BadFile
from paretoken.trace_rows import read_head
from tests.support.traces import DATA, FAULTS, as_chat, write

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
    "vidur.csv": "vidur",
    "splitwise.csv": "splitwise-sim",
    "openai-batch.jsonl": "OpenAI batch",
    "aiperf-turns.jsonl": "AIPerf turns",
}
SAYS = {
    "missing": "missing",
    "negative": "is negative; times must be 0 or more",
    "number": "",
    "fraction": "not a whole number of tokens",
    "below": "not a whole number of tokens",
    "form": "",
}


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
        made = list(as_chat(trace).requests(0, 1))
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
