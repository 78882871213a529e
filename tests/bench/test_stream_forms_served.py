"""Forms of streamed answers over a socket: what the command prints, keeps and lets through its gate."""

from __future__ import annotations

import json

import pytest

from tests.support.stream_forms import FORMS
from tests.support.stream_server import stream_server

BENCH = "--api chat --prompt-unit words --isl 8 --osl 20 --concurrency 4 --timeout 8 --out run"
PACED = [
    "ndjson_as_application/json",
    "sse_as_plain",
    "cr",
    "single_newlines",
    "data_over_several_lines",
    "empty_data",
    "done_blank",
    "content_thinking_parts",
    "reasoning_details",
    "usage_without_reasoning",
    "usage_first_and_last",
    "usage_every_chunk",
]


@pytest.fixture(scope="module")
def base():
    with stream_server() as url:
        yield url


def level_of(call, base: str, name: str, options: str = "--until 8-requests") -> tuple[int, dict, str]:
    """The exit code, the one level and what was printed of a run against a form."""
    url = f"{base}/{name.replace('/', '%2F')}/v1"
    words = f"bench {url} {BENCH} {options} --json".replace("8-requests", "8requests")
    code, out, err = call(words)
    return code, json.loads(out)["levels"][0], err


@pytest.mark.parametrize("name", PACED)
def test_a_stream_has_its_tokens_and_times(call, base, name):
    code, level, err = level_of(call, base, name)
    assert code == 0, err
    assert level["errors"]["failed"] == 0, level["errors"]
    latency = level["whole_run"]["latency"]
    assert level["throughput"]["whole_run"]["output_tokens"] == 20 * level["errors"]["ok"]
    assert 0.09 < latency["ttft_s"]["p50"] < latency["e2e_s"]["p50"] - 0.05
    assert latency["tpot_s"]["p50"] > 0.001
    assert "count_mismatch" not in [w["code"] for w in level["warnings"]]


def test_hidden_reasoning_is_noted(call, base):
    _, level, _ = level_of(call, base, "hidden")
    latency = level["whole_run"]["latency"]
    assert level["throughput"]["whole_run"]["output_tokens"] == 20 * level["errors"]["ok"]
    assert latency["tpot_s"]["p50"] > 0.005
    assert "hidden_reasoning" in [w["code"] for w in level["warnings"]]
    assert "not send: TTFT is the time to the first visible token" in level["point"]["notes"].replace("does ", "")


@pytest.mark.parametrize("name", ["json_body", "message_in_one_event", "all_events_at_once", "one_event_of_all_tokens"])
@pytest.mark.parametrize("slo", ["ttft_p50=10s", "e2e_p50=10s"])
def test_an_answer_in_one_piece_has_no_pace_and_opens_no_gate(call, base, name, slo):
    code, level, err = level_of(call, base, name, f"--until 8requests --slo {slo} --gate")
    latency = level["whole_run"]["latency"]
    assert level["errors"]["failed"] == 0
    assert latency["ttft_s"]["p50"] is latency["tpot_s"]["p50"] is latency["itl_s"]["p50"] is None
    assert latency["e2e_s"]["p50"] > 0.2
    assert level["point"]["median_ttft_s"] is level["point"]["median_tpot_s"] is None
    assert "buffered" in [w["code"] for w in level["warnings"]]
    assert "TTFT, TPOT and ITL of these answers are unknown" in level["point"]["notes"]
    assert code == 1 and "gate: " in err


@pytest.mark.parametrize("name", ["error_detail", "error_after_tokens", "body_error_list", "error_in_choice"])
def test_the_words_of_an_error_are_kept(call, base, name):
    code, level, _ = level_of(call, base, name)
    assert code != 0
    assert level["errors"]["by_status"].keys() == {"in_band_error"}
    assert "Model is overloaded" in level["errors"]["detail"]["in_band_error"]


def test_tokens_that_nobody_counted_are_no_throughput(call, base):
    assert "uncounted_in_one_piece" in FORMS
    _, level, _ = level_of(call, base, "uncounted_in_one_piece")
    rates = level["throughput"]["whole_run"]
    assert rates["output_tok_s"] is rates["total_tok_s"] is level["point"]["output_tput_per_gpu_tok_s"] is None
    assert level["lengths"]["mean_osl"] is None
    assert any("output throughput is unknown" in w["text"] for w in level["warnings"])
