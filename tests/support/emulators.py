"""Emulated servers for tests: in a thread, or as the program a user starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection

from paretoken.emulate.server import EmulatedServer
from paretoken.emulate.settings import EmulatorSettings
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.steptime import AffineStepTime

QUICK = AffineStepTime(0.002, per_prompt_token_s=1e-6)
LIMITS = SchedulerLimits(max_num_seqs=64, max_batched_tokens=2048, kv_blocks=4000)


@contextmanager
def emulated(**changes: object) -> Iterator[EmulatedServer]:
    """A server in a thread of this process: 2 ms a step."""
    server = EmulatedServer(
        EmulatorSettings(**({"model": "m", "step_time": QUICK, "limits": LIMITS, "natural_tokens": 20} | changes))
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(10)
    assert not thread.is_alive()


@contextmanager
def program(*options: str) -> Iterator[str]:
    """`paretoken emulate` on a free port: its base URL."""
    command = [sys.executable, "-m", "paretoken", "emulate", "--port", "0", *options]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONWARNINGS": "error"})
    try:
        line = child.stderr.readline()
        assert " at http" in line, line
        yield line.split(" at ")[1].split(",")[0]
    finally:
        child.terminate()
        rest = child.stderr.read()
        code = child.wait(10)
        child.stderr.close()
    assert code == 0 and not rest, rest


def ask(server: EmulatedServer, method: str, path: str, body: object = None, **headers: str) -> tuple[int, dict, bytes]:
    """(status, headers, body) of one request; a body that is not bytes goes as JSON."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request(method, path, raw, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def body(**more):
    return {"model": "m", "prompt": [1, 2, 3], "max_tokens": 8, "ignore_eos": True, "stream": True} | more
