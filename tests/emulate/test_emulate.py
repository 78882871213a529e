"""The emulated endpoint as clients see it: the official one, ours, and raw requests."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import time

import openai
import pytest

from paretoken.bench.client.options import ClientOptions
from paretoken.bench.client.run import run_level
from paretoken.bench.plan import Closed, Endpoint, Stop
from paretoken.bench.stats.prometheus import parse
from paretoken.emulate.faults import parse_fault
from paretoken.emulate.prompt import QuarterTokens
from paretoken.emulate.running import text_tokens
from paretoken.emulate.service import _geometric
from paretoken.emulate.settings import EmulatorSettings
from paretoken.emulate.words import WORD_CHARS, WORDS, find_stop, text_of
from paretoken.errors import BadConfig, BadFile, UnknownName
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.run import ServingOptions
from tests.support.emulators import LIMITS, QUICK, ask, body, emulated, program
from tests.support.load_servers import Bodies, free_port

EOS = {"extra_body": {"ignore_eos": True}}


# ---- the official client


def test_openai_completion(client):
    answer = client.completions.create(model="m", prompt=[5, 6, 7], max_tokens=12, **EOS)
    assert answer.object == "text_completion" and answer.id.startswith("cmpl-")
    assert answer.choices[0].finish_reason == "length" and len(answer.choices[0].text) == 12 * WORD_CHARS
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (3, 12, 15)


def test_openai_completion_stream(client):
    events = list(
        client.completions.create(
            model="m",
            prompt="four words of text",
            max_tokens=9,
            stream=True,
            stream_options={"include_usage": True},
            **EOS,
        )
    )
    *tokens, usage = events
    assert [e.choices[0].finish_reason for e in tokens] == [None] * 8 + ["length"]
    assert all(e.choices[0].text in WORDS for e in tokens)
    assert not usage.choices and usage.usage.completion_tokens == 9
    assert usage.usage.prompt_tokens == QuarterTokens().count("four words of text") == 5


def test_openai_chat(client):
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
    ]
    answer = client.chat.completions.create(model="m", messages=messages, max_completion_tokens=7, **EOS)
    assert answer.choices[0].message.role == "assistant" and answer.usage.completion_tokens == 7
    assert answer.usage.prompt_tokens == 4 + 2 + 4 + 1
    events = list(client.chat.completions.create(model="m", messages=messages, max_tokens=7, stream=True, **EOS))
    assert events[0].choices[0].delta.role == "assistant" and not events[0].choices[0].delta.content
    assert len("".join(e.choices[0].delta.content for e in events)) == 7 * WORD_CHARS
    assert events[-1].choices[0].finish_reason == "length"


def test_openai_models_and_pages(client, server):
    assert [m.id for m in client.models.list()] == ["emulated/m"]
    assert ask(server, "GET", "/health")[0] == 200
    assert "version" in json.loads(ask(server, "GET", "/version")[2])
    assert ask(server, "HEAD", "/v1/models")[2] == b""


def test_openai_errors(client):
    with pytest.raises(openai.NotFoundError, match="'other' does not exist"):
        client.completions.create(model="other", prompt="x")
    with pytest.raises(openai.BadRequestError, match="n is 2"):
        client.completions.create(model="m", prompt="x", n=2)
    for status, kind in ((429, openai.RateLimitError), (500, openai.InternalServerError), (503, openai.APIStatusError)):
        with pytest.raises(kind) as caught:
            client.completions.create(model="m", prompt="x", extra_headers={"X-Paretoken-Fault": str(status)})
        assert caught.value.status_code == status
    with pytest.raises(openai.APIError, match=r"\(injected fault\)"):
        header = {"X-Paretoken-Fault": "error=3"}
        list(client.completions.create(model="m", prompt="x", max_tokens=9, stream=True, extra_headers=header, **EOS))


def test_openai_ignores_nothing_it_was_told_about_length(client):
    def lengths(**options):
        made = [client.completions.create(model="m", prompt="x", **options) for _ in range(12)]
        return [(a.usage.completion_tokens, a.choices[0].finish_reason) for a in made]

    own = lengths(max_tokens=400)
    assert len(set(own)) > 3 and {reason for _, reason in own} == {"stop"}
    assert all(n >= 30 for n, _ in lengths(max_tokens=400, extra_body={"min_tokens": 30}))
    assert set(lengths(max_tokens=40, **EOS)) == {(40, "length")}
    assert set(lengths(max_tokens=1)) <= {(1, "length"), (1, "stop")}


def test_stop_strings_cut_the_text_and_end_the_answer(client):
    whole = client.completions.create(model="m", prompt="x", max_tokens=len(WORDS), **EOS).choices[0].text
    stop = whole[52:58]
    for stream in (False, True):
        answer = client.completions.create(
            model="m", prompt="x", max_tokens=400, stop=[stop, "§"], stream=stream, **EOS
        )
        if stream:
            parts = list(answer)
            text, reason = "".join(e.choices[0].text for e in parts), parts[-1].choices[0].finish_reason
        else:
            text, reason = answer.choices[0].text, answer.choices[0].finish_reason
            assert answer.usage.completion_tokens == -(-(len(text) + len(stop)) // WORD_CHARS)
        assert reason == "stop" and stop not in text and text + stop in "".join(WORDS * 3)


def test_stop_is_found_where_it_first_ends():
    text = text_of(7, 0, 50)
    assert find_stop(7, 50, ["never there"], 0) is None
    assert find_stop(7, 50, [text[11:14], text[10:13]], 0) == (3, 10)
    assert find_stop(7, len(WORDS) + 50, [text[10:20]], 10) == (
        -(-(len(WORDS) * WORD_CHARS + 20) // WORD_CHARS),
        len(WORDS) * WORD_CHARS + 10,
    )


def test_own_lengths_have_the_mean_asked_for():
    drawn = [_geometric(50, (i + 0.5) / 10_000) for i in range(10_000)]
    assert sum(drawn) / len(drawn) == pytest.approx(50, rel=0.01) and min(drawn) == 1
    assert _geometric(1, 0.9) == 1


def test_words_are_all_of_one_length():
    assert len(WORDS) == len(set(WORDS)) > 150 and {len(w) for w in WORDS} == {WORD_CHARS}


# ---- our own client: each fault is counted as what it is

FAULTS = {
    "reset=3": ("reset", 200),
    "truncate=2": ("truncated", 200),
    "stall=60": ("timeout", 200),
    "slow=60": ("timeout", 200),
    "malformed=2": ("malformed", 200),
    "error=2": ("in_band_error", 200),
    "429": ("http_429", 429),
    "500": ("http_5xx", 500),
    "503": ("http_5xx", 503),
    "chunk=4": ("ok", 200),
    "stall=0.01": ("ok", 200),
    "slow=0.01": ("ok", 200),
}


def level(url, folder, bodies, users=1, timeout_s=1.0):
    client = ClientOptions(timeout_s=timeout_s)
    stop = Stop(requests=len(bodies), drain_s=10)
    source = Bodies(bodies, output_tokens=bodies[0]["max_tokens"])
    return run_level(
        [Endpoint(url, "m")], "completions", source, Closed(users), stop, folder=folder, client=client
    ).requests


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_reach_the_client_as_what_they_are(fault, tmp_path):
    with emulated(faults=(parse_fault(fault),)) as server:
        frame = level(server.base_url, tmp_path, [body()])
    status, http = FAULTS[fault]
    assert (frame["status"][0], frame["http_status"][0]) == (status, http), frame["detail"][0]
    if status == "ok":
        assert len(frame["chunk_ns"][0]) == (3 if fault == "chunk=4" else 8)


@pytest.mark.parametrize("fault", ["reset", "truncate", "malformed", "error", "500"])
def test_faults_of_answers_in_one_piece(server, fault):
    try:
        status, headers, raw = ask(server, "POST", "/v1/completions", body(stream=False), X_Paretoken_Fault=fault)
    except Exception as error:
        assert fault in ("reset", "truncate"), error
        return
    if fault == "malformed":
        assert status == 200 and len(raw) == int(headers["content-length"])
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            json.loads(raw)
    else:
        assert status == 500 and "error" in json.loads(raw)


def test_several_tokens_in_a_chunk_and_speculation(tmp_path):
    with emulated(tokens_per_chunk=4) as server:
        frame = level(server.base_url, tmp_path, [body(max_tokens=10)])
    assert len(frame["chunk_ns"][0]) == 4 and frame["output_tokens"].fill_null(10)[0] in (-1, 10)
    with emulated(serving=ServingOptions(acceptance_length=2.5)) as server:
        raw = ask(server, "POST", "/v1/completions", body(max_tokens=11))[2]
    texts = [json.loads(e)["choices"][0]["text"] for e in raw.decode().split("data: ")[1:-1]]
    assert [len(t) // WORD_CHARS for t in texts] == [1, 2, 3, 2, 3]


def test_drafts_are_counted_under_vllms_names():
    limits = SchedulerLimits(max_num_seqs=8, max_batched_tokens=256, kv_blocks=100, drafted_tokens=3)
    with emulated(limits=limits, serving=ServingOptions(acceptance_length=2.5)) as server:
        ask(server, "POST", "/v1/completions", body(max_tokens=11))
        text = ask(server, "GET", "/metrics")[2].decode()
    counts = dict(re.findall(r"vllm:spec_decode_num_(\w+)_total\{[^}]*\} (\S+)", text))
    assert (counts["drafts"], counts["draft_tokens"], counts["accepted_tokens"]) == ("4.0", "12.0", "6.0")
    positions = re.findall(r'per_pos_total\{[^}]*position="(\d)"\} (\S+)', text)
    assert positions == [("0", "4.0"), ("1", "2.0"), ("2", "0.0")]
    with emulated() as server:
        assert "spec_decode" not in ask(server, "GET", "/metrics")[2].decode()


def test_only_a_share_of_the_requests_meets_a_fault(tmp_path):
    with emulated(faults=(parse_fault("500@0.3"),)) as server:
        frame = level(server.base_url, tmp_path, [body(max_tokens=1)] * 150)
    assert 25 <= (frame["status"] == "http_5xx").sum() <= 70


def test_the_port_closes_while_enough_are_connected(tmp_path):
    with emulated(faults=(parse_fault("refuse=1"),)) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as first:
            first.sendall(b"GET /health HTTP/1.1\r\n\r\n")
            assert first.recv(100).startswith(b"HTTP/1.1 200")
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", server.port))
            frame = level(server.base_url, tmp_path, [body()])
            assert frame["status"].to_list() == ["refused"]
        deadline = time.monotonic() + 10
        while ask_quietly(server) != 200:
            assert time.monotonic() < deadline


def ask_quietly(server) -> int:
    try:
        return ask(server, "GET", "/health")[0]
    except OSError:
        return 0


def test_a_client_that_leaves_frees_its_place():
    slow = SchedulerLimits(max_num_seqs=1, max_batched_tokens=64, kv_blocks=1000)
    with emulated(limits=slow) as server:
        scheduler = server.service.pacer.scheduler
        request = json.dumps(body(max_tokens=5000)).encode()
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(b"POST /v1/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(request), request))
            assert b"200 OK" in sock.recv(1000)
            waiting = [threading.Thread(target=ask, args=(server, "POST", "/v1/completions", body(max_tokens=1)))]
            waiting[0].start()
        waiting[0].join(10)
        assert not waiting[0].is_alive()
    assert scheduler.used == 0 and server.service.counters.success == {"stop": 0, "length": 1, "abort": 1}


# ---- counters


def test_metrics_speak_vllms_names(tmp_path):
    with emulated(
        serving=ServingOptions(prefix_hit_rate=0.5),
        limits=SchedulerLimits(max_num_seqs=8, max_batched_tokens=64, kv_blocks=12),
    ) as server:
        frame = level(server.base_url, tmp_path, [body(prompt=[1] * 40, max_tokens=60)] * 12, users=6, timeout_s=20)
        text = ask(server, "GET", "/metrics")[2].decode()
        preemptions = server.service.pacer.scheduler.preemptions
    assert (frame["status"] == "ok").all() and preemptions > 0
    reading = parse(text, 0.0)
    assert (reading.running, reading.waiting, reading.kv_cache_usage, reading.preemptions) == (0, 0, 0, preemptions)
    assert (reading.prompt_tokens, reading.generation_tokens) == (12 * 40, 12 * 60)
    assert (reading.prefix_cache_queries, reading.prefix_cache_hits) == (480, 240)
    for name in ("time_to_first_token_seconds", "e2e_request_latency_seconds", "request_time_per_output_token_seconds"):
        assert f'vllm:{name}_count{{engine="0",model_name="emulated/m"}} 12.0' in text
    assert f'vllm:inter_token_latency_seconds_count{{engine="0",model_name="emulated/m"}} {12 * 59}.0' in text
    assert 'finished_reason="length"} 12.0' in text


# ---- settings and the command


def test_bad_settings_are_told():
    for words, make in {
        "time scale": lambda: EmulatorSettings(model="m", step_time=QUICK, limits=LIMITS, time_scale=0),
        "natural length": lambda: EmulatorSettings(model="m", step_time=QUICK, limits=LIMITS, natural_tokens=0),
        "per chunk": lambda: EmulatorSettings(model="m", step_time=QUICK, limits=LIMITS, tokens_per_chunk=0),
        "share must be 0 to 1": lambda: parse_fault("reset=1@2"),
        "KIND=NUMBER": lambda: parse_fault("reset=x"),
        "a count of": lambda: parse_fault("reset=1.5"),
        "reset=inf.*to 1,000,000": lambda: parse_fault("reset=inf"),
        "reset=nan": lambda: parse_fault("reset=nan"),
        "slow=1e300": lambda: parse_fault("slow=1e300"),
        "natural length is inf": lambda: EmulatorSettings(
            model="m", step_time=QUICK, limits=LIMITS, natural_tokens=float("inf")
        ),
    }.items():
        with pytest.raises(BadConfig, match=words):
            make()
    with pytest.raises(UnknownName, match="reset"):
        parse_fault("resett")


def test_a_tokenizer_counts_texts(tmp_path):
    pytest.importorskip("tokenizers")
    from paretoken.engines.embedded.tiny_model import make_hf_folder

    make_hf_folder(tmp_path / "model", "tiny")
    count = text_tokens(tmp_path / "model").count
    assert count("hello there") != QuarterTokens().count("hello there") and count("a b c d") >= 4
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(BadFile, match=r"bad\.json"):
        text_tokens(tmp_path / "bad.json")


def test_the_command_serves_and_ends_cleanly():
    with program("--decode-ms", "1", "--name", "tiny", "--fault", "500@0") as url:
        with openai.OpenAI(base_url=url, api_key="x", max_retries=0) as client:
            answer = client.completions.create(model="tiny", prompt="x", max_tokens=5, **EOS)
        assert answer.usage.completion_tokens == 5


def test_the_command_says_what_is_wrong(call):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = call(f"emulate --port {port}")
    assert code == 2 and "choose another port" in err
    assert call("emulate --fault stal=3")[2].startswith("error: unknown fault 'stal': did you mean stall")
    assert call(f"emulate --time-scale 0 --port {free_port()}")[0] == 2
    code, _, err = call("emulate --accelerator H200 --model llama-3-70b")
    assert code == 2 and "--engine is missing" in err
    for wrong, words in (
        ("--tp 4", "--tp needs a predicted engine"),
        ("--accelerator H200 --decode-ms 5", "--decode-ms describes an engine"),
        ("--accelerator H200 --model llama-3-70b --precision fp8 --engine vllm --tp 2 --gpus 4", "2 replicas"),
        ("--accelerator H200 --model llama-3-70b --engine atom", "ATOM does not run on H200"),
    ):
        code, _, err = call(f"emulate {wrong}")
        assert code == 2 and words in err and err.count("\n") == 1
    assert "Examples" in call("emulate --help")[1]


@pytest.mark.skipif(not hasattr(os, "sched_setscheduler"), reason="no real-time scheduling here")
def test_real_time_is_asked_of_the_system(call, monkeypatch):
    """Refused, it ends the command with one sentence."""
    calls = []

    def refuse(pid, policy, parameter):
        calls.append((pid, policy, parameter.sched_priority))
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse, raising=False)
    code, _, err = call(f"emulate --realtime --port {free_port()}")
    assert (code, calls) == (2, [(0, os.SCHED_FIFO, 1)])
    assert err.startswith("error: --realtime is not permitted") and err.count("\n") == 1
