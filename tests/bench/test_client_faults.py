"""Every way an answer can go wrong is counted as what it is; none is lost, none is a success."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading

import numpy as np
import pytest

from paretoken.bench.client.options import ClientOptions
from paretoken.bench.client.run import run_level
from paretoken.bench.plan import Closed, Endpoint, Open, Stop
from paretoken.bench.stats.metrics import sample
from paretoken.bench.stats.throughput import throughput, whole_run
from paretoken.errors import BadConfig, ParetokenError
from tests.support.load_servers import DONE, HEAD, Bodies, chunk, event, free_port, golden_server, stream, whole

KEY = "sk-very-secret-key-0123"


def run(server, bodies, folder, *, users=1, base_url=None, timeout_s=5.0, **client):
    """One closed loop over the bodies; the table of requests."""
    return run_level(
        [Endpoint(base_url or server.base_url, "m")],
        "completions",
        Bodies(bodies),
        Closed(users),
        Stop(requests=len(bodies), drain_s=10.0),
        folder=folder,
        client=ClientOptions(timeout_s=timeout_s, **client),
    )


ERROR = '{"error":{"message":"no such thing"}}'
BESIDE = chunk(f'data: {ERROR[:-1]},"choices":[{{"text":"","finish_reason":null}}]}}\n\n')
PINGS = [["send", chunk(": ping\n\n")], ["sleep", 0.1]] * 30
FAULTS = {
    "reset mid-stream": ([["send", HEAD], ["send", event()], ["sleep", 0.02], ["reset"]], "reset", 200),
    "reset before any byte": ([["sleep", 0.02], ["reset"]], "reset", -1),
    "closed without an answer": ([["sleep", 0.02], ["close"]], "reset", -1),
    "truncated chunk": ([["send", HEAD], ["send", event()], ["send", "ff\r\ndata: {"], ["close"]], "truncated", 200),
    "no finish reason": ([["send", HEAD], ["send", event()], ["send", "0\r\n\r\n"]], "truncated", 200),
    "declared length not met": (
        [["send", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{"], ["close"]],
        "truncated",
        200,
    ),
    "stall": ([["send", HEAD], ["send", event()], ["sleep", 3.0]], "timeout", 200),
    "pings after a token": ([["send", HEAD], ["send", event()], *PINGS, *stream()[1:]], "timeout", 200),
    "pings and no token": ([["send", HEAD], *PINGS, *stream()[1:]], "timeout", 200),
    "silence": ([["sleep", 3.0]], "timeout", -1),
    "429": (whole("429 Too Many Requests", ERROR, "Retry-After: 0.2"), "http_429", 429),
    "400": (whole("400 Bad Request", ERROR), "http_4xx", 400),
    "500": (whole("500 Internal Server Error", ERROR), "http_5xx", 500),
    "503 in HTML": (whole("503 Busy", "<html><b>no such thing</b></html>"), "http_5xx", 503),
    "redirect": (whole("307 Temporary Redirect", "", "Location: https://elsewhere/no such thing"), "http_3xx", 307),
    "malformed JSON": ([["send", HEAD], ["send", chunk("data: {oops\n\n")], ["send", DONE]], "malformed", 200),
    "JSON of another shape": ([["send", HEAD], ["send", chunk('data: {"choices":[1]}\n\n')]], "malformed", 200),
    "malformed HTTP": ([["send", "SSH-2.0-OpenSSH\r\n\r\n"], ["close"]], "malformed", -1),
    "malformed chunk size": ([["send", HEAD], ["send", "zz\r\n"]], "malformed", 200),
    "in-band error": ([["send", HEAD], ["send", event()], ["send", chunk(f"data: {ERROR}\n\n")]], "in_band_error", 200),
    "error beside choices": (
        [["send", HEAD], ["send", event()], ["send", BESIDE], ["send", DONE]],
        "in_band_error",
        200,
    ),
    **{
        f"finish reason {reason}": (
            [["send", HEAD], ["send", event()], ["send", event("", reason)], ["send", DONE]],
            "in_band_error",
            200,
        )
        for reason in ("abort", "error", "cancelled", "timeout")
    },
    "abort, whole": (whole("200 OK", '{"choices":[{"text":"a","finish_reason":"abort"}]}'), "in_band_error", 200),
    "error beside choices, whole": (
        whole("200 OK", '{"error":{"message":"no such thing"},"choices":[{"text":"a","finish_reason":"stop"}]}'),
        "in_band_error",
        200,
    ),
    "in-band error, whole": (whole("200 OK", ERROR), "in_band_error", 200),
    "empty stream": ([["send", HEAD], ["send", "0\r\n\r\n"]], "empty", 200),
    "only [DONE]": ([["send", HEAD], ["send", DONE]], "empty", 200),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_counted_as_what_it_is(golden, tmp_path, name):
    script, status, code = FAULTS[name]
    bodies = [{"script": script}, {"script": stream()}]
    rows = run(golden, bodies, tmp_path, timeout_s=0.5, api_key=KEY).requests
    assert rows["status"].to_list() == [status, "ok"]
    assert rows["http_status"][0] == code
    assert rows["detail"][0]
    if "no such thing" in str(script):
        assert "no such thing" in rows["detail"][0]
    assert rows["end_ns"].min() > 0


OK_ODDITIES = {
    "missing [DONE]": [["send", HEAD], ["send", event()], ["send", event(finish="stop")], ["send", "0\r\n\r\n"]],
    "closed after [DONE]": [["send", HEAD], ["send", event()], ["send", chunk("data: [DONE]\n\n")], ["close"]],
    "slow headers": [["send", "HTTP/1.1 2"], ["sleep", 0.05], ["send", HEAD[10:]], *stream()[1:]],
    "comments": [["send", HEAD], ["send", chunk(": ping\n\n")], ["sleep", 0.02], *stream()[1:]],
    "no framing": [
        ["send", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"],
        ["send", 'data: {"choices":[{"text":"a","finish_reason":"stop"}]}\n\n'],
        ["close"],
    ],
    "a kind that does not say so": [["send", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"], *stream()[1:]],
    "last event never closed": [
        ["send", HEAD],
        ["send", chunk('data: {"choices":[{"text":"a"}]}\n\ndata: [DONE]')],
        ["send", "0\r\n\r\n"],
    ],
}


@pytest.mark.parametrize("name", OK_ODDITIES)
def test_oddities_that_are_no_faults(golden, tmp_path, name):
    rows = run(golden, [{"script": OK_ODDITIES[name]}], tmp_path).requests
    assert rows["status"].to_list() == ["ok"], rows["detail"].to_list()


def test_the_first_token_of_an_answer_in_one_piece_was_seen_by_nobody(golden, tmp_path):
    body = '{"choices":[{"text":"abcd","finish_reason":"stop"}],"usage":{"completion_tokens":4,"prompt_tokens":3}}'
    rows = run(golden, [{"script": whole("200 OK", body)}, {"script": stream(gap_s=0.005)}], tmp_path).requests
    assert rows["status"].to_list() == ["ok", "ok"]
    assert rows["first_ns"][0] == -1 and rows["first_ns"][1] > 0
    samples = sample(rows)
    assert np.isnan(samples.ttft_s).tolist() == [True, False]
    assert np.isnan([samples.tpot_s[0], samples.ttft_from_sent_s[0]]).all() and samples.e2e_s.min() > 0
    assert whole_run(samples).output_tokens == 8
    assert throughput(samples, -1, 1 << 62).input_tokens == 6


def test_a_slow_stream_that_gets_on_is_no_timeout(golden, tmp_path):
    tokens = [step for _ in range(10) for step in ([["send", event()], *PINGS[:4]])]
    slow = [["send", HEAD], *tokens, ["send", event(finish="stop")], ["send", DONE]]
    rows = run(golden, [{"script": slow}], tmp_path, timeout_s=1.5).requests
    assert rows["status"].to_list() == ["ok"], rows["detail"].to_list()
    assert rows["end_ns"][0] - rows["sent_ns"][0] > 1.5e9


def test_what_is_silent_for_longer_than_allowed_at_the_end_has_timed_out(golden, tmp_path):
    source = Bodies([{"script": [["send", HEAD], ["send", event()], *PINGS]}], endless=True)
    endpoint, stop, client = (
        Endpoint(golden.base_url, "m"),
        Stop(seconds=0.1, drain_s=1.0),
        ClientOptions(timeout_s=0.4),
    )
    rows = run_level([endpoint], "completions", source, Closed(2), stop, folder=tmp_path, client=client).requests
    assert rows["status"].to_list() == ["timeout"] * 2


def test_keepalive_that_lies_is_sent_again_and_said(golden, tmp_path):
    liar = [*stream(), ["close"]]
    result = run(golden, [{"script": liar}] * 8, tmp_path)
    rows = result.requests
    assert rows["status"].to_list() == ["ok"] * 8
    again = sum("sent again" in d for d in rows["detail"])
    assert again == result.fidelity.sent_again
    assert again <= 3  # then it is known that this server closes
    assert rows["sent_ns"].to_list() == sorted(rows["sent_ns"].to_list())


def test_retry_after_is_obeyed_by_its_user(golden, tmp_path):
    busy = whole("429 Too Many Requests", ERROR, "Retry-After: 0.4")
    rows = run(golden, [{"script": busy}, {"script": stream()}], tmp_path).requests
    assert "Retry-After: 0.4" in rows["detail"][0]
    assert rows["due_ns"][1] - rows["end_ns"][0] >= 0.4e9


def test_refused(tmp_path):
    rows = run(None, [{}] * 3, tmp_path, base_url=f"http://127.0.0.1:{free_port()}/v1").requests
    assert rows["status"].to_list() == ["refused"] * 3
    assert "refused" in rows["detail"][0].lower()


def test_failing_users_rest_between_attempts(tmp_path):
    url = f"http://127.0.0.1:{free_port()}/v1"
    source = Bodies([{}], endless=True)
    rows = run_level([Endpoint(url, "m")], "chat", source, Closed(2), Stop(seconds=0.6), folder=tmp_path).requests
    assert 2 < len(rows) < 20


def test_the_run_outlives_a_server_killed_and_restarted(tmp_path):
    port = free_port()
    source = Bodies([{"script": stream(5, 0.02)}], endless=True)
    endpoint = Endpoint(f"http://127.0.0.1:{port}/v1", "m")
    served, refused, restarted = threading.Event(), threading.Event(), threading.Event()
    results, ok_before = [], [0]

    def watch(progress):
        """Say how far it is; the level ends once requests succeed again."""
        if progress.ok >= 6:
            served.set()
        if progress.errors >= 3:
            refused.set()
        if not restarted.is_set():
            ok_before[0] = progress.ok
        return restarted.is_set() and progress.ok >= ok_before[0] + 6

    def load():
        stop = Stop(seconds=60, drain_s=5.0)
        client = ClientOptions(progress_every_s=0.02)
        results.append(
            run_level(
                [endpoint], "completions", source, Closed(3), stop, folder=tmp_path, client=client, on_progress=watch
            )
        )

    with golden_server(port):
        runner = threading.Thread(target=load)
        runner.start()
        assert served.wait(30)
    assert refused.wait(30)
    with golden_server(port):
        restarted.set()
        runner.join()
    rows = results[0].requests
    kinds = set(rows["status"])
    assert {"ok", "refused"} <= kinds <= {"ok", "refused", "reset", "truncated"}
    assert rows["status"].to_list()[-1] == "ok"


def test_what_still_runs_at_the_end_is_cut_and_recorded(golden, tmp_path):
    source = Bodies([{"script": stream(200, 0.02)}], endless=True)
    endpoint = Endpoint(golden.base_url, "m")
    rows = run_level(
        [endpoint], "completions", source, Closed(4), Stop(seconds=0.5, drain_s=0.5), folder=tmp_path
    ).requests
    assert rows["status"].to_list() == ["cancelled"] * 4
    assert all(len(times) > 5 for times in rows["chunk_ns"])


@pytest.mark.parametrize("trusted", [True, False])
def test_tls(tmp_path, trusted):
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate")
    pem = tmp_path / "server.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=x",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            pem,
            "-out",
            tmp_path / "cert.pem",
        ],
        check=True,
        capture_output=True,
    )
    pem.write_bytes(pem.read_bytes() + (tmp_path / "cert.pem").read_bytes())
    with golden_server(certificate=pem) as server:
        cafile = tmp_path / "cert.pem" if trusted else None
        result = run(server, [{"script": stream(5, 0.05)}] * 4, tmp_path / "run", users=2, cafile=cafile)
    rows = result.requests
    if trusted:
        assert rows["status"].to_list() == ["ok"] * 4, rows["detail"].to_list()
        assert [len(t) for t in rows["chunk_ns"]] == [5] * 4
        gaps = (rows["last_ns"] - rows["first_ns"]).to_list()
        assert min(gaps) > 0.12e9
    else:
        assert rows["status"].to_list() == ["tls"] * 4
        assert "certificate" in rows["detail"][0]


def test_tls_asked_of_a_plain_server(golden, tmp_path):
    rows = run(golden, [{}], tmp_path, base_url=golden.base_url.replace("http:", "https:"), timeout_s=0.5).requests
    assert rows["status"].to_list() in (["tls"], ["reset"], ["timeout"])


def test_the_key_is_sent_and_kept_nowhere(golden, tmp_path):
    echo = whole("401 Unauthorized", f'{{"error":{{"message":"Incorrect API key provided: {KEY}"}}}}')
    result = run(golden, [{"script": echo, "key": "auth"}], tmp_path, api_key=KEY, headers={"X-Mine": "1"})
    head = next(e for e in golden.log() if e["key"] == "auth")["head"]
    assert f"Authorization: Bearer {KEY}" in head and "X-Mine: 1" in head
    assert "Incorrect API key" in result.requests["detail"][0]
    for path in tmp_path.rglob("*"):
        assert KEY.encode() not in path.read_bytes()
    assert KEY not in repr(result)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"base_url": "localhost:8000"}, "http://"),
        ({"base_url": "http://no.such.host.invalid/v1"}, "no address"),
        ({"users": 0}, "users"),
        ({"workers": 3}, "3 workers for 1 user"),
        ({"balance": "best"}, "round_robin"),
        ({"timeout_s": 0}, "timeout"),
    ],
)
def test_mistakes_are_one_sentence(golden, tmp_path, change, words):
    with pytest.raises(BadConfig, match=words):
        run(golden, [{"script": stream()}], tmp_path, **change)


def test_an_error_of_the_source_is_raised(golden, tmp_path):
    class Broken:
        def requests(self, worker, workers):
            raise BadConfig("no such trace")
            yield

    with pytest.raises(ParetokenError, match="no such trace"):
        run_level([Endpoint(golden.base_url, "m")], "chat", Broken(), Closed(1), Stop(requests=1), folder=tmp_path)


def test_a_killed_worker_is_said_and_its_finished_requests_kept(golden, tmp_path):
    source = Bodies([{"script": stream(3, 0.01)}] * 2, endless=True)
    killed = []

    def kill_one(progress):
        if progress.finished > 20 and not killed:
            newest = subprocess.run(["pgrep", "-n", "-P", str(os.getpid())], capture_output=True, text=True)
            killed.append(int(newest.stdout))
            os.kill(killed[0], signal.SIGKILL)

    result = run_level(
        [Endpoint(golden.base_url, "m")],
        "completions",
        source,
        Closed(4),
        Stop(seconds=3.0),
        folder=tmp_path,
        client=ClientOptions(workers=2, progress_every_s=0.05),
        on_progress=kill_one,
    )
    assert killed
    assert result.fidelity.workers_lost == 1 and result.fidelity.client_limited
    assert "died" in result.fidelity.reasons[0]
    assert set(result.requests["worker"]) == {0, 1}


def test_open_loop_records_every_due_request(golden, tmp_path):
    due = np.arange(20) * 0.02
    bodies = [{"script": stream(2, 0.01)}, {"script": [["sleep", 0.01], ["reset"]]}] * 10
    rows = run_level(
        [Endpoint(golden.base_url, "m")],
        "completions",
        Bodies(bodies),
        Open(due, 50.0),
        Stop(drain_s=5),
        folder=tmp_path,
        client=ClientOptions(workers=2),
    ).requests
    assert rows["due_ns"].to_list() == [round(t * 1e9) for t in due]
    assert rows["index"].to_list() == list(range(20))
    assert rows["worker"].to_list() == [0, 1] * 10
    assert rows["status"].to_list() == ["ok", "reset"] * 10
