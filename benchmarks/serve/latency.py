"""How soon `paretoken serve` opens and how fast it answers, beside the command line and MCP.

    python benchmarks/serve/latency.py

Prints one line a case: median of five runs, s, and the memory of the server with its workers. The command line starts a
process for each question.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

from mcp import Client, StdioServerParameters

from paretoken.serve.examples import EXAMPLES

RUNS = 5
VERBS = ("compare", "predict", "cost", "fit")
SLOW_VERB = "plan"
PARETOKEN = [sys.executable, "-m", "paretoken"]
READY_S = 60.0


def median_s(run: Callable[[], object], runs: int = RUNS) -> float:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def post(port: int, verb: str) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=300)
    connection.request("POST", f"/api/v1/{verb}", json.dumps(EXAMPLES[verb]), {"Content-Type": "application/json"})
    reply = connection.getresponse()
    reply.read()
    if reply.status != 200:
        raise RuntimeError(f"{verb}: {reply.status}")
    connection.close()


def opened(folder: str) -> tuple[subprocess.Popen[bytes], int, float]:
    """A server, its port, and the seconds from its start to its first response."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    start = time.perf_counter()
    server = subprocess.Popen([*PARETOKEN, "serve", folder, "--port", str(port)], stdout=subprocess.DEVNULL)
    while time.perf_counter() - start < READY_S:
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=READY_S)
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            return server, port, time.perf_counter() - start
        except ConnectionError:
            time.sleep(0.01)
    raise RuntimeError("the server does not open")


def memory_mb(pid: int) -> float:
    """Memory of a process and its children, MB: what they share with others counts in proportion (PSS)."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    own = next(int(line.split()[1]) * 1024 / 1e6 for line in rollup.splitlines() if line.startswith("Pss:"))
    return own + sum(memory_mb(int(child)) for child in children)


def over_http(folder: str) -> None:
    starts = []
    for _ in range(RUNS):
        server, port, seconds = opened(folder)
        starts.append(seconds)
        server.terminate()
        server.wait()
    print(f"{'serve: start to first response':40} {statistics.median(starts):8.3f}")
    server, port, _ = opened(folder)
    try:
        start = time.perf_counter()
        post(port, "compare")
        print(f"{'serve: first compare, right after start':40} {time.perf_counter() - start:8.3f}")
        for verb in VERBS:
            for _ in range(4):  # both workers load what the verb needs
                post(port, verb)
            print(f"{f'HTTP: {verb}':40} {median_s(lambda v=verb: post(port, v)):8.3f}")
        print(f"{'memory of the server and two workers, MB':40} {memory_mb(server.pid):8.0f}")
        print(f"{f'HTTP: {SLOW_VERB}, once':40} {median_s(lambda: post(port, SLOW_VERB), runs=1):8.3f}")
    finally:
        server.terminate()
        server.wait()


async def over_mcp(folder: str) -> None:
    command = StdioServerParameters(command=PARETOKEN[0], args=[*PARETOKEN[1:], "mcp", folder], env=dict(os.environ))
    start = time.perf_counter()
    async with Client(command) as client:
        print(f"{'MCP: start to initialized':40} {time.perf_counter() - start:8.3f}")
        start = time.perf_counter()
        tools = await client.list_tools()
        seconds = time.perf_counter() - start
        size = sum(len(tool.model_dump_json()) for tool in tools.tools)
        print(f"{f'MCP: list {len(tools.tools)} tools, {size:,} bytes':40} {seconds:8.3f}")
        for verb in ("compare", "predict", "fit"):
            times = []
            for _ in range(RUNS + 2):
                start = time.perf_counter()
                await client.call_tool(verb, EXAMPLES[verb])
                times.append(time.perf_counter() - start)
            print(f"{f'MCP: {verb}':40} {statistics.median(times[2:]):8.3f}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        over_http(folder)
        asyncio.run(over_mcp(folder))
    for verb in VERBS:
        command = [*PARETOKEN, "ask", verb, json.dumps(EXAMPLES[verb])]
        seconds = median_s(lambda c=command: subprocess.run(c, stdout=subprocess.DEVNULL, check=True), runs=3)
        print(f"{f'command line: {verb}':40} {seconds:8.3f}")


if __name__ == "__main__":
    main()
