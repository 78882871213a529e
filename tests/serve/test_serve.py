"""`paretoken serve` as a process: its start, answers, limits, defects and end."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest

from paretoken.answers.ask import ask
from paretoken.answers.seam import to_json
from paretoken.serve.examples import EXAMPLES
from tests.support.serving import serving

pytestmark = pytest.mark.slow
TOKEN = "0123456789abcdef0123"


def post(url: str, verb: str, question: object) -> tuple[int, dict]:
    place = urlsplit(url)
    connection = HTTPConnection(place.hostname, place.port, timeout=60)
    connection.request("POST", f"/api/v1/{verb}", orjson.dumps(question), {"Content-Type": "application/json"})
    reply = connection.getresponse()
    body = orjson.loads(reply.read())
    connection.close()
    return reply.status, body


def test_an_answer_is_that_of_the_function(server):
    status, envelope = post(server[0], "compare", EXAMPLES["compare"])
    assert status == 200 and envelope == to_json(ask("compare", EXAMPLES["compare"]))


def test_a_question_about_a_file_of_the_folder_is_repeated_there(server):
    url, folder = server
    (folder / "own.toml").write_text("")
    status, envelope = post(url, "tco", {"accelerators": ["H200"], "sets": ["own.toml"]})
    assert status == 200 and envelope["command"].startswith(f"cd {folder} && paretoken ask tco ")
    command = envelope["command"].replace("paretoken ask", f"{shlex.quote(sys.executable)} -m paretoken ask")
    out = subprocess.run(command, shell=True, capture_output=True, check=True, cwd="/").stdout
    assert orjson.loads(out) == envelope["answer"]


@pytest.mark.parametrize(
    ("verb", "question", "status", "detail"),
    [
        ("fit", {"model": "x", "modell": "x"}, 400, "FitQuestion: unknown key 'modell'; did you mean 'model'?"),
        ("fit", {"model": "llama-3-70c"}, 400, "unknown model 'llama-3-70c': did you mean"),
        ("fit", [], 400, "FitQuestion: it must be an object, not []"),
        ("compare", {"model": "llama-3-70b", "points": ["/etc/passwd"]}, 400, "leads out of the served folder"),
        ("compare", EXAMPLES["compare"] | {"e2e_s": 0.001}, 422, "the nearest is B200"),
        (
            "predict",
            EXAMPLES["predict"] | {"concurrency": [1] * 999},
            400,
            "concurrency has 999 values, more than this",
        ),
        ("predict", EXAMPLES["predict"] | {"out": "x.csv"}, 400, "out writes a file"),
        ("plan", {"model": "m", "slo": "tpot=1s", "metrics": "http://127.0.0.1:1"}, 400, "does not fetch"),
        ("study", {}, 404, "unknown question 'study'"),
    ],
)
def test_what_cannot_be_answered_is_a_problem(server, verb, question, status, detail):
    got, problem = post(server[0], verb, question)
    assert got == status == problem["status"], problem
    assert detail in problem["detail"]


def test_a_client_that_never_ends_its_header_is_left(server):
    place = urlsplit(server[0])
    with socket.create_connection((place.hostname, place.port), timeout=60) as slow:
        slow.send(b"GET / HTTP/1.1\r\nHost: loc")
        assert slow.recv(100) == b""


def test_a_port_that_is_taken_and_an_open_address_are_one_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for words, why in (
            (("--port", str(taken.getsockname()[1])), "choose others with --host, --port"),
            (("--host", "0.0.0.0"), "0.0.0.0 is reachable by others; give a token with --token-file"),
        ):
            command = [sys.executable, "-m", "paretoken", "serve", str(tmp_path), *words]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 2 and why in done.stderr and len(done.stderr.splitlines()) == 1


def test_it_leaves_no_process_behind(tmp_path):
    with serving("serve", folder=tmp_path) as (url, process):
        assert post(url, "fit", EXAMPLES["fit"])[0] == 200
        workers = children(process.pid)
        assert workers
    assert process.returncode == 0
    assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
