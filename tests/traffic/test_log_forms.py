"""Request logs in the forms that people have, written anew with made-up figures."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from paretoken.bench.workload.traces import read_trace
from paretoken.traffic.log import read_log
from paretoken.traffic.reuse import reuse
from paretoken.traffic.traffic import Traffic
from tests.support.traces import DATA

T0 = 1_760_000_000
"""2025-10-09 08:53:20 UTC."""
DAY_START_S = 8 * 3600 + 53 * 60 + 20


def jsonl(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def iso(k: int) -> str:
    return f"2025-10-09T08:53:{20 + 5 * k:02d}.000Z"


FORMS = {
    "OpenAI responses": jsonl(
        [
            {
                "id": f"chatcmpl-{k}",
                "object": "chat.completion",
                "created": T0 + 5 * k,
                "model": "m",
                "usage": {
                    "prompt_tokens": 10 + k,
                    "completion_tokens": 20 + k,
                    "prompt_tokens_details": {"cached_tokens": 4},
                },
            }
            for k in range(3)
        ]
    ),
    "OpenAI Responses API under a wrapper": jsonl(
        [
            {
                "ts": T0 + 5 * k,
                "response": {"model": "m", "usage": {"input_tokens": 10 + k, "output_tokens": 20 + k}},
            }
            for k in range(3)
        ]
    ),
    "Anthropic with a cache": jsonl(
        [
            {
                "timestamp": iso(k),
                "message": {
                    "model": "m",
                    "usage": {
                        "input_tokens": 3,
                        "cache_read_input_tokens": 5 + k,
                        "cache_creation_input_tokens": 2,
                        "output_tokens": 20 + k,
                    },
                },
            }
            for k in range(3)
        ]
    ),
    "LiteLLM spend logs": json.dumps(
        [
            {
                "request_id": f"r{k}",
                "call_type": "acompletion",
                "spend": 0.0,
                "total_tokens": 30 + 2 * k,
                "prompt_tokens": 10 + k,
                "completion_tokens": 20 + k,
                "startTime": iso(k),
                "endTime": iso(k + 3),
                "model": "m",
                "model_group": "g",
                "user": "",
                "metadata": {"usage_object": {"prompt_tokens": 999}},
            }
            for k in (2, 1, 0)
        ],
        indent=1,
    ),
    "Langfuse observations": jsonl(
        [
            {
                "id": f"o{k}",
                "type": "GENERATION",
                "start_time": f"2025-10-09 08:53:{20 + 5 * k}.000000",
                "end_time": "2025-10-09 09:00:00.000000",
                "provided_model_name": "m",
                "usage_details": {"input": 10 + k, "output": 20 + k, "total": 30 + 2 * k},
            }
            for k in range(3)
        ]
    ),
    "Langfuse API": json.dumps(
        {
            "data": [
                {"startTime": iso(k), "model": "m", "usage": {"input": 10 + k, "output": 20 + k, "unit": "TOKENS"}}
                for k in range(3)
            ],
            "meta": {"page": 1},
        }
    ),
    "Langfuse CSV with objects in cells": "startTime,model,usageDetails\n"
    + "".join(f'{iso(k)},m,"{{""input"":{10 + k},""output"":{20 + k}}}"\n' for k in range(3)),
    "Azure Monitor": jsonl(
        [
            {
                "TimeGenerated": iso(k),
                "DeploymentName": "d",
                "ModelName": "m",
                "PromptTokens": 10 + k,
                "CompletionTokens": 20 + k,
                "TotalTokens": 30 + 2 * k,
            }
            for k in range(3)
        ]
    ),
    "Bedrock invocations": jsonl(
        [
            {
                "timestamp": iso(k),
                "modelId": "m",
                "input": {"inputTokenCount": 10 + k},
                "output": {"outputTokenCount": 20 + k},
            }
            for k in range(3)
        ]
    ),
    "Gemini": jsonl(
        [
            {
                "request_timestamp": iso(k),
                "usageMetadata": {"promptTokenCount": 10 + k, "candidatesTokenCount": 20 + k},
            }
            for k in range(3)
        ]
    ),
    "OpenTelemetry spans": jsonl(
        [
            {
                "startTimeUnixNano": str((T0 + 5 * k) * 10**9),
                "attributes": {
                    "gen_ai.request.model": "m",
                    "gen_ai.usage.cache_read.input_tokens": 1,
                    "gen_ai.usage.input_tokens": 10 + k,
                    "gen_ai.usage.output_tokens": 20 + k,
                },
            }
            for k in range(3)
        ]
    ),
    "SGLang": jsonl(
        [
            row
            for k in range(3)
            for row in (
                {"timestamp": iso(k), "event": "request.received", "rid": f"{k}"},
                {
                    "timestamp": iso(k),
                    "event": "request.finished",
                    "rid": f"{k}",
                    "out": {"meta_info": {"prompt_tokens": 10 + k, "completion_tokens": 20 + k}},
                },
            )
        ]
    ),
    "Helicone CSV": "request_created_at,request_model,prompt_tokens,completion_tokens\n"
    + "".join(f"{iso(k)},m,{10 + k},{20 + k}\n" for k in range(3)),
    "OpenRouter CSV": "created_at,tokens_prompt,tokens_completion,model_permaslug\n"
    + "".join(f"{iso(k)},{10 + k},{20 + k},m\n" for k in range(3)),
    "semicolons and spaces": "Time; Prompt Tokens; Completion Tokens\n"
    + "".join(f"{T0 + 5 * k}; {10 + k}; {20 + k}\n" for k in range(3)),
    "floats from a data frame": ",ts_ms,input_tokens,output_tokens\n"
    + "".join(f"{k},{(T0 + 5 * k) * 1000}.0,{10 + k}.0,{20 + k}.0\n" for k in range(3)),
    "dotted names": "timestamp,usage.prompt_tokens,usage.completion_tokens\n"
    + "".join(f"{(T0 + 5 * k) * 1000},{10 + k},{20 + k}\n" for k in range(3)),
}


def read(tmp_path, text: str | bytes, **options) -> Traffic:
    file = tmp_path / "requests.log"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_log(file, **options)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_traffic(tmp_path, form):
    requests = read(tmp_path, FORMS[form])
    assert requests.time_s.tolist() == [0, 5, 10]
    assert requests.input_tokens.tolist() == [10, 11, 12]
    assert requests.output_tokens.tolist() == [20, 21, 22]
    assert requests.span_s == 15 and requests.rate_s == 0.2
    assert requests.day_start_s == pytest.approx(DAY_START_S)
    assert requests.source == "requests.log (request log)"


@pytest.mark.parametrize("form", ["OpenAI responses", "LiteLLM spend logs", "Helicone CSV"])
def test_gzip_and_a_byte_order_mark_change_nothing(tmp_path, form):
    text = b"\xef\xbb\xbf" + FORMS[form].encode()
    assert read(tmp_path, text).input_tokens.tolist() == [10, 11, 12]
    assert read(tmp_path, gzip.compress(text)).input_tokens.tolist() == [10, 11, 12]


@pytest.mark.parametrize("unit", [1, 1000, 10**6, 10**9])
@pytest.mark.parametrize("write", [int, str])
def test_the_unit_of_unix_times_is_told_by_their_size(tmp_path, unit, write):
    rows = [{"created": write((T0 + 5 * k) * unit), "input_tokens": 4, "output_tokens": 5} for k in range(3)]
    requests = read(tmp_path, jsonl(rows))
    assert np.allclose(requests.time_s, [0, 5, 10], atol=1e-6) and requests.day_start_s == pytest.approx(DAY_START_S)


@pytest.mark.parametrize(
    ("name", "scale"), [("timestamp", 1), ("time_s", 1), ("time_ms", 1000), ("timestampUs", 10**6), ("ts_ns", 10**9)]
)
def test_times_from_zero_are_seconds_unless_the_name_says_otherwise(tmp_path, name, scale):
    rows = [{name: 5 * k * scale, "input_tokens": 4, "output_tokens": 5} for k in range(3)]
    requests = read(tmp_path, jsonl(rows))
    assert requests.time_s.tolist() == [0, 5, 10] and requests.day_start_s is None
    assert "from the start" in requests.notes[0]


@pytest.mark.parametrize(
    ("first", "day_start_s", "zone"),
    [
        ("2025-10-09T01:00:00+02:00", 3600, "zone +02:00"),
        ("2025-10-09T01:00:00Z", 3600, "zone UTC"),
        ("2025-10-09 01:00:00.1234567", 3600.123456, "no zone"),
        ("2025-10-09T01:00:00-07:30", 3600, "zone -07:30"),
    ],
)
def test_the_day_is_that_of_the_zone_of_the_log(tmp_path, first, day_start_s, zone):
    requests = read(tmp_path, f"time,isl,osl\n{first},1,2\n{first.replace('01:00', '01:10')},3,4\n")
    assert requests.day_start_s == pytest.approx(day_start_s, abs=1e-5) and zone in requests.notes[0]
    assert requests.time_s[1] == pytest.approx(600)


def test_sessions_are_numbered_and_rows_without_one_are_alone(tmp_path):
    rows = [
        {"ts": k, "input_tokens": 4, "output_tokens": 5, "session_id": s} for k, s in enumerate(("b", None, "a", "b"))
    ]
    assert read(tmp_path, jsonl(rows)).session.tolist() == [0, -1, 1, 0]


def test_a_session_is_preferred_to_a_user(tmp_path):
    rows = [
        {"ts": k, "input_tokens": 4, "output_tokens": 5, "user": "u", "sessionId": s}
        for k, s in enumerate(("a", "b", "a"))
    ]
    requests = read(tmp_path, jsonl(rows))
    assert requests.session.tolist() == [0, 1, 0] and "sessions from sessionId" in requests.notes[0]


def test_one_user_of_all_requests_is_no_session(tmp_path):
    rows = [{"ts": k, "input_tokens": 4, "output_tokens": 5, "user": "default_user_id"} for k in range(3)]
    requests = read(tmp_path, jsonl(rows))
    assert requests.session.tolist() == [-1, -1, -1] and "the same user" in requests.notes[-1]


class TestPrefixes:
    @pytest.mark.parametrize("ids", [[[1, 2], [1, 3, 4]], [["a", "b"], ["a", "c", "d"]]])
    def test_the_size_of_blocks_is_told_by_their_number(self, tmp_path, ids):
        rows = [
            {"ts": k, "prompt_tokens": 64 * len(b) - 10, "completion_tokens": 5, "hash_ids": b}
            for k, b in enumerate(ids)
        ]
        requests = read(tmp_path, jsonl(rows))
        assert requests.prefixes is not None and requests.prefixes.tokens == 64
        first, second = requests.prefixes.ids
        assert first[0] == second[0] and first[1] not in second
        assert "blocks of 64 tokens" in requests.notes[1]

    @pytest.mark.parametrize("cells", ['"[1,2]",48', "1 2,48", "1|2,48"])
    def test_ids_in_a_cell_and_a_stated_size(self, tmp_path, cells):
        requests = read(tmp_path, f"ts,isl,osl,hash_ids,block_size\n1,90,5,{cells}\n2,90,5,,48\n")
        assert requests.prefixes is not None
        assert requests.prefixes.ids == ((1, 2), ()) or len(requests.prefixes.ids[0]) == 2
        assert requests.prefixes.tokens == 48


class TestModels:
    ROWS = jsonl(
        [
            {"ts": k, "model": m, "input_tokens": 4 + k, "output_tokens": 5}
            for k, m in enumerate(("llama", "qwen", "llama", "llama", "qwen"))
        ]
        + [{"ts": 9, "model": "failed", "input_tokens": 4, "output_tokens": 0}]
    )

    def test_one_is_kept(self, tmp_path):
        requests = read(tmp_path, self.ROWS, model="LLAMA")
        assert requests.input_tokens.tolist() == [4, 6, 7]
        assert "only requests to llama: 2 to other models left out" in requests.notes

    def test_all_may_be_kept(self, tmp_path):
        assert len(read(tmp_path, self.ROWS, model="all")) == 5


@pytest.mark.parametrize(
    "file", ["azure-2023.csv", "azure-2024.csv", "burstgpt-1.csv", "burstgpt-3.csv", "splitwise.csv", "vidur.csv"]
)
def test_flat_traces_are_read_as_the_trace_reader_does(file):
    requests, trace = read_log(DATA / file, model="all"), read_trace(DATA / file)
    assert np.allclose(requests.time_s, [r.time_s for r in trace.requests], atol=1e-6)
    assert requests.input_tokens.tolist() == [r.input_tokens for r in trace.requests]
    assert requests.output_tokens.tolist() == [r.output_tokens for r in trace.requests]


class TestTraces:
    def test_mooncake_keeps_its_unit_and_blocks(self):
        requests = read_log(DATA / "mooncake.jsonl")
        assert requests.time_s.tolist() == [0, 0.25, 1.5, 2.25] and requests.day_start_s is None
        assert requests.prefixes is not None and requests.prefixes.tokens == 512
        assert requests.prefixes.ids[2] == (0, 1, 5, 6)
        assert requests.source == "mooncake.jsonl (mooncake trace)"

    def test_turns_come_after_the_answers_and_pauses_before_them(self):
        requests = read_log(DATA / "mooncake-sessions.jsonl")
        assert np.allclose(requests.time_s, [0, 0.25, 1.15, 2.15]) and requests.session.tolist() == [0, 1, 0, 0]
        assert any("2 model calls without a recorded duration: 1 s" in note for note in requests.notes)

    def test_a_trace_with_dates_knows_the_day(self):
        requests = read_log(DATA / "tracelab.jsonl")
        assert requests.day_start_s == 10 * 3600 + 30 and requests.graphs is not None
        assert reuse(requests) is not None


def test_the_first_filled_name_of_a_role_counts_in_each_row(tmp_path):
    """Two APIs of one service name their usage differently."""
    rows = [
        {"ts": 0, "usage": {"prompt_tokens": 4, "completion_tokens": 5}},
        {"ts": 1, "usage": {"input_tokens": 6, "output_tokens": 7}},
    ]
    requests = read(tmp_path, jsonl(rows))
    assert requests.input_tokens.tolist() == [4, 6] and requests.output_tokens.tolist() == [5, 7]


def test_prompts_in_cells_may_be_long(tmp_path):
    prompt = "a" * 200_000
    requests = read(tmp_path, f'ts,prompt,isl,osl\n1,"{prompt}\nb",2,3\n2,"c",4,5\n')
    assert requests.input_tokens.tolist() == [2, 4]
