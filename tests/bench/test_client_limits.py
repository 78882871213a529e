"""What ends by a limit: answers that never end, broken attempts, this machine's own limits, two runs in one folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from paretoken.bench.client.counters import FINISHED
from paretoken.bench.client.fidelity import WorkerTally, judge
from paretoken.bench.client.journal import merge_journals
from paretoken.bench.client.options import ClientOptions
from paretoken.bench.client.run import run_level
from paretoken.bench.client.sender import Sender
from paretoken.bench.lock import locked
from paretoken.bench.plan import Closed, Endpoint, Stop
from paretoken.bench.run_folder import RunFolder
from paretoken.bench.stats.summary import LevelContext, summarise
from paretoken.bench.stats.warnings import client_warnings
from paretoken.errors import BadConfig, ParetokenError
from tests.support.load_servers import DONE, HEAD, Bodies, chunk, event, stream, whole

TIMEOUT_S = 0.5


def run(server, bodies, folder, *, users=1, think_s=0.0, timeout_s=TIMEOUT_S, output_tokens=4):
    """One closed loop over the bodies."""
    return run_level(
        [Endpoint(server.base_url, "m")],
        "completions",
        Bodies(bodies, output_tokens=output_tokens),
        Closed(users, think_s),
        Stop(requests=len(bodies), drain_s=10.0),
        folder=folder,
        client=ClientOptions(timeout_s=timeout_s),
    )


def drip(first: str, again: str, times: int = 20) -> list[list]:
    """A beginning, then the same again and again, ten times a second."""
    return [["send", first], *[["send", again], ["sleep", 0.1]] * times]


ENDLESS = {
    "headers": (drip("HTTP/1.1 200 OK\r\nX: ", "a"), "timeout", "headers were not complete"),
    "interim answers": (drip("", "HTTP/1.1 100 Continue\r\n\r\n"), "timeout", "headers were not complete"),
    "an answer in one piece": (
        drip("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", " "),
        "timeout",
        "answer was not complete",
    ),
    "an error": (
        drip("HTTP/1.1 500 Oops\r\nContent-Length: 99\r\n\r\n", "x"),
        "timeout",
        "answer was not complete",
    ),
    "comments": (drip(HEAD, chunk(": ping\n\n")), "timeout", "no token, only keep-alives"),
    "events without tokens": (drip(HEAD, chunk('data: {"choices":[]}\n\n')), "timeout", "no token"),
    "trailers": ([["send", HEAD], ["send", event()], *drip("0\r\n", "X: y\r\n")], "timeout", "no token"),
    "tokens beyond max_tokens": (
        [["send", HEAD], ["send", event() * 30], *drip("", event())],
        "timeout",
        "after 24 chunks for max_tokens 4",
    ),
    "tokens at once": ([["send", HEAD], ["send", event() * 400]], "malformed", "max_tokens 4"),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_never_ends_is_ended(golden, tmp_path, name):
    script, status, words = ENDLESS[name]
    rows = run(golden, [{"script": script}, {"script": stream()}], tmp_path).requests
    assert rows["status"].to_list() == [status, "ok"]
    assert words in rows["detail"][0]


def test_a_flood_of_comments_hides_no_timeout(golden, tmp_path):
    """The client always has unread bytes, which might be tokens: what came before them is known to be none."""
    flood = [["send", HEAD], ["flood", chunk(": ping\n\n" * 8_000)]]
    rows = run(golden, [{"script": flood}, {"script": stream()}], tmp_path).requests
    assert rows["status"].to_list() == ["timeout", "ok"]


def test_headers_and_each_token_have_the_timeout_for_themselves(golden, tmp_path):
    slow = [
        ["sleep", 0.3],
        ["send", HEAD],
        ["sleep", 0.3],
        *[["send", event()], ["sleep", 0.3]] * 3,
        ["send", event(finish="stop") + DONE],
    ]
    assert run(golden, [{"script": slow}], tmp_path).requests["status"].to_list() == ["ok"]


# ── broken attempts ───────────────────────────────────────────────────────────────────────────────

CRASH = [["sleep", 0.3], ["reset"]]
QUIET_CLOSE = [["sleep", 0.3], ["close"]]


@pytest.mark.parametrize("crash", [CRASH, QUIET_CLOSE])
def test_a_server_that_keeps_connections_and_breaks_one_is_blamed(golden, tmp_path, crash):
    scripts = [stream(), stream(), crash, stream()]
    result = run(golden, [{"key": tmp_path.name, "scripts": scripts}] * 4, tmp_path, timeout_s=5.0)
    assert result.requests["status"].to_list() == ["ok", "ok", "reset", "ok"]
    assert result.fidelity.sent_again == 0


def test_an_attempt_that_was_sent_again_counts_once_the_server_is_known_to_keep_connections(golden, tmp_path):
    scripts = [stream(), QUIET_CLOSE, stream()]
    bodies = [{"key": tmp_path.name, "scripts": scripts}] * 10
    result = run(golden, bodies, tmp_path, timeout_s=5.0)
    rows = result.requests.sort("end_ns")
    assert sorted(rows["status"].to_list()) == ["ok"] * 10 + ["reset"], "the attempt, beside the ten requests"
    (broken,) = rows.filter(rows["status"] == "reset").rows(named=True)
    assert "sent again" in broken["detail"] and broken["end_ns"] - broken["sent_ns"] > 0.29e9
    assert result.fidelity.sent_again == 1
    summary = summarise(result.requests, Closed(1), LevelContext(columns={"model": "m"}), fidelity=result.fidelity)
    assert summary.errors.by_status == {"reset": 1} and summary.errors.rate > 0.05
    assert "sent_again" in [w.code for w in summary.warnings]


def test_a_late_reset_is_a_failure_even_if_no_connection_ever_gives_a_second_answer(golden, tmp_path):
    scripts = [stream(), CRASH, stream(), CRASH]
    rows = run(golden, [{"key": tmp_path.name, "scripts": scripts}] * 4, tmp_path, timeout_s=5.0).requests
    assert rows["status"].to_list() == ["ok", "reset", "ok", "reset"]


def test_a_tenth_of_crashes_passes_no_limit_of_a_twentieth(golden, tmp_path):
    scripts = [CRASH if k % 10 == 9 else stream() for k in range(100)]
    result = run(golden, [{"key": tmp_path.name, "scripts": scripts}] * 60, tmp_path, users=3, timeout_s=5.0)
    summary = summarise(result.requests, Closed(3), LevelContext(columns={"model": "m"}))
    assert summary.errors.by_status == {"reset": 6} and summary.errors.rate == pytest.approx(0.1, abs=0.01)


def test_a_server_that_closes_its_kept_connections_is_not_blamed(golden, tmp_path):
    at_once = [{"script": [*stream(), ["close"]]}] * 20
    idle = [{"script": [*stream(), ["sleep", 0.02], ["close"]]}] * 6
    slowly = [{"script": [*stream(), ["sleep", 0.1], ["close"]]}] * 6
    for name, bodies, think_s in (("at_once", at_once, 0.0), ("idle", idle, 0.1), ("slowly", slowly, 0.0)):
        for attempt in range(3):  # a machine that pauses makes of a close a late reset, which is a failure
            result = run(golden, bodies, tmp_path / f"{name}{attempt}", think_s=think_s, timeout_s=5.0)
            if set(result.requests["status"]) == {"ok"}:
                break
        assert result.requests["status"].to_list() == ["ok"] * len(bodies), name
        assert result.fidelity.sent_again <= 3, name
    assert result.fidelity.sent_again > 0, "closed under the next request, which is sent again and said"


def test_a_request_sent_again_is_a_warning():
    tally = WorkerTally(started=10, sent_again=2)
    (warning,) = client_warnings(judge([tally], closed=True, steal=0.0))
    assert warning.code == "sent_again" and "2 requests" in warning.text


# ── this machine's own limits ─────────────────────────────────────────────────────────────────────

LIMITED = """
    import json, os, resource, sys
    from pathlib import Path
    import numpy as np
    from paretoken.bench.client.options import ClientOptions
    from paretoken.bench.client.run import run_level
    from paretoken.bench.plan import Closed, Endpoint, Open, Stop
    from paretoken.errors import BadConfig
    from tests.support.load_servers import Bodies, stream
    url, folder, limit, others, load = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(limit), int(limit)))
    opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(int(others))]
    load = Closed(int(load[1:])) if load[0] == "c" else Open(np.arange(60) * 0.002, float(load))
    try:
        result = run_level([Endpoint(url, "m")], "completions", Bodies([{"script": stream(2, 0.5)}] * 60), load,
                           Stop(requests=60, drain_s=5), folder=Path(folder), client=ClientOptions(timeout_s=5))
    except BadConfig as error:
        print(json.dumps({"refused": str(error)}))
    else:
        rows, f = result.requests, result.fidelity
        words = [d for s, d in zip(rows["status"], rows["detail"]) if s == "client_error"]
        print(json.dumps({"statuses": rows["status"].to_list(), "words": words, "limited": f.client_limited,
                          "reasons": f.reasons}))
"""


def with_few_files(server, folder: Path, limit: int, others: int, load: str) -> dict:
    """What the client says of a load where so few files may be open, of which others are open already."""
    root = Path(__file__).parents[2]
    finished = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LIMITED), server.base_url, str(folder), str(limit), str(others), load],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(root), *sys.path])},
    )
    return json.loads(finished.stdout)


def test_too_few_open_files_are_this_machines_fault(golden, tmp_path):
    outcome = with_few_files(golden, tmp_path, 130, 90, "60")
    assert set(outcome["statuses"]) == {"ok", "client_error"} and len(outcome["statuses"]) == 60
    assert "Too many open files" in outcome["words"][0]
    assert outcome["limited"] and "not at the server (Too many open files)" in outcome["reasons"][0]


@pytest.mark.parametrize("load", ["c100", "1000"])
def test_a_load_that_needs_more_files_than_allowed_does_not_start(golden, tmp_path, load):
    outcome = with_few_files(golden, tmp_path, 100, 0, load)
    assert "open files" in outcome["refused"] and "ulimit -n" in outcome["refused"]


def test_more_users_than_ports_do_not_start(golden, tmp_path, monkeypatch):
    monkeypatch.setattr("paretoken.bench.client.run.PORT_RANGE", tmp_path / "range")
    (tmp_path / "range").write_text("40000\t40009\n")
    with pytest.raises(BadConfig, match="10 ports"):
        run(golden, [{"script": stream()}] * 11, tmp_path, users=11)
    assert run(golden, [{"script": stream()}] * 10, tmp_path, users=10, timeout_s=5.0).requests.height == 10


def test_a_worker_that_fails_says_so_and_keeps_what_had_ended(golden, tmp_path, monkeypatch):
    count = Sender._count

    def fails_once(self, exchange, ok, record):
        count(self, exchange, ok, record)
        if self._state.cells[FINISHED] == 5:
            raise ZeroDivisionError("a mistake\nof ours")

    monkeypatch.setattr(Sender, "_count", fails_once)
    with pytest.raises(ParetokenError, match=r"worker .*ZeroDivisionError: a mistake of ours.* kept in") as failure:
        run(golden, [{"script": stream()}] * 9, tmp_path)
    assert "\n" not in str(failure.value)
    assert "Traceback" in json.loads((tmp_path / "requests-0.worker.json").read_text())["traceback"]
    assert merge_journals([tmp_path / "requests-0.journal"])["status"].to_list() == ["ok"] * 5


# ── two runs in one folder ────────────────────────────────────────────────────────────────────────


def test_a_run_folder_is_measured_into_by_one_process(tmp_path, monkeypatch):
    monkeypatch.setattr("paretoken.bench.run_folder.LOCK_WITHIN_S", 0.0)
    folder = RunFolder(tmp_path / "run")
    with folder.alone(), pytest.raises(BadConfig, match="another process is measuring into"), folder.alone():
        pass
    with folder.alone():
        pass


def test_a_second_resume_is_refused_and_changes_nothing(call, golden, tmp_path, monkeypatch):
    from paretoken.bench.truth.server import Pace, truth_server

    monkeypatch.setattr("paretoken.bench.run_folder.LOCK_WITHIN_S", 0.0)
    with truth_server(Pace(ttft_ms=2, itl_ms=1), log=tmp_path / "log") as server:
        shape = "--prompt-unit words --isl 4 --osl 4 --concurrency 1 --until 5requests --out run"
        code, _, err = call(f"bench {server.base_url} {shape}")
        assert code == 0, err
        before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
        with locked(tmp_path / "run" / ".lock", 0.0) as acquired:
            assert acquired
            code, _, err = call("bench --resume run")
    assert code == 2 and "another process is measuring into run" in err.splitlines()[-1]
    assert {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()} == before


def test_whole_answers_are_still_read(golden, tmp_path):
    body = '{"choices":[{"text":"abcd","finish_reason":"stop"}],"usage":{"completion_tokens":4}}'
    assert run(golden, [{"script": whole("200 OK", body)}], tmp_path).requests["status"].to_list() == ["ok"]
