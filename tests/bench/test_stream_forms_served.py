"""Forms of streamed answers over a socket: what the command prints, keeps and lets through its gate."""

from __future__ import annotations

import json

import pytest

from paretoken.bench.client.options import ClientOptions
from paretoken.bench.client.run import run_level
from paretoken.bench.plan import Closed, Endpoint, Stop
from paretoken.bench.stats.metrics import sample
from tests.support.load_servers import Bodies
from tests.support.stream_server import stream_server

BENCH = "--api chat --prompt-unit words --isl 8 --osl 20 --concurrency 4 --timeout 8 --until 8requests --out run"
PACED = [
    "ndjson_as_json",
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


def level_of(call, base: str, name: str, options: str = "") -> tuple[int, dict, str]:
    """The exit code, the one level and what was printed of a run against a form."""
    code, out, err = call(f"bench {base}/{name}/v1 {BENCH} {options} --json")
    return code, json.loads(out)["levels"][0], err


@pytest.mark.parametrize("name", PACED)
def test_a_stream_has_its_tokens_and_times(base, tmp_path, name):
    endpoint, bodies = Endpoint(f"{base}/{name}/v1", "m"), Bodies([{}] * 4, output_tokens=20)
    result = run_level(
        [endpoint], "chat", bodies, Closed(4), Stop(requests=4), folder=tmp_path, client=ClientOptions(workers=1)
    )
    assert result.requests["status"].to_list() == ["ok"] * 4, result.requests["detail"].to_list()
    samples = sample(result.requests)
    assert (samples.osl == 20).all() and (samples.client_osl == 20).all() and (samples.isl == 11).all()
    assert (samples.ttft_s < samples.e2e_s - 0.05).all() and (samples.tpot_s > 0.001).all()


def test_hidden_reasoning_is_noted(call, base):
    _, level, _ = level_of(call, base, "hidden")
    latency = level["whole_run"]["latency"]
    assert level["throughput"]["whole_run"]["output_tokens"] == 20 * level["errors"]["ok"]
    assert latency["tpot_s"]["p50"] > 0.005
    assert "hidden_reasoning" in [w["code"] for w in level["warnings"]]
    assert "not send: TTFT is the time to the first visible token" in level["point"]["notes"].replace("does ", "")


@pytest.mark.parametrize(
    ("name", "slo"),
    [
        ("json_body", "e2e_p50=10s"),
        ("message_in_one_event", "ttft_p50=10s"),
        ("all_events_at_once", "e2e_p50=10s"),
        ("one_event_of_all_tokens", "tpot_p50=10s"),
    ],
)
def test_an_answer_in_one_piece_has_no_pace_and_opens_no_gate(call, base, name, slo):
    code, level, err = level_of(call, base, name, f"--slo {slo} --gate")
    latency = level["whole_run"]["latency"]
    assert level["errors"]["failed"] == 0
    assert latency["ttft_s"]["p50"] is latency["tpot_s"]["p50"] is latency["itl_s"]["p50"] is None
    assert latency["e2e_s"]["p50"] > 0.2
    assert level["point"]["median_ttft_s"] is level["point"]["median_tpot_s"] is None
    assert "buffered" in [w["code"] for w in level["warnings"]]
    assert "TTFT, TPOT and ITL of these answers are unknown" in level["point"]["notes"]
    assert code == 1 and "gate: " in err


@pytest.mark.parametrize("name", ["error_detail", "error_after_tokens", "body_error_list"])
def test_the_words_of_an_error_are_shown(call, base, name):
    code, _, err = call(f"bench {base}/{name}/v1 {BENCH}")
    assert code == 2 and "in_band_error" in err and "Model is overloaded" in err


def test_tokens_that_nobody_counted_are_no_throughput(call, base):
    _, level, _ = level_of(call, base, "uncounted_in_one_piece")
    rates = level["throughput"]["whole_run"]
    assert rates["output_tok_s"] is rates["total_tok_s"] is level["point"]["output_tput_per_gpu_tok_s"] is None
    assert level["lengths"]["mean_osl"] is None
    assert any("output throughput is unknown" in w["text"] for w in level["warnings"])
