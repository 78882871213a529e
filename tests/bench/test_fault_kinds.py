"""Every kind of fault of a server, asked for completions, for chat and for answers in one piece: each under its name.

One run loads a server that plays all kinds at once, so a kind that holds the client up is felt by all of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import polars as pl
import pytest

from paretoken.bench.client.options import ClientOptions
from paretoken.bench.client.run import run_level
from paretoken.bench.plan import Closed, Endpoint, Prepared, Stop
from tests.support.fault_kinds import KINDS, TOKENS

ROOT = Path(__file__).parents[2]
MODES = ("completions", "chat", "whole")
TIMEOUT_S = 2.0
EACH = 3
"""Requests of each kind in a run."""
POURS = ("body-400-mb", "chunks-400-mb", "event-endless", "line-endless", "until-close-endless", "gzip-bomb")
MOST_GROWTH = 96_000_000
"""Memory that one answer may take: its 64 MB, and what reading it needs."""


@pytest.fixture(scope="module")
def port():
    """The port of the server, a process of its own: a worker that is forked from here has none of its sockets."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.support.fault_kinds_server"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])},
    )
    yield int(child.stdout.readline())
    child.kill()
    child.wait()
    child.stdin.close()
    child.stdout.close()


class Asking:
    """The same small request again and again."""

    def __init__(self, mode: str) -> None:
        content = {"messages": [{"role": "user", "content": "x"}]} if mode == "chat" else {"prompt": "x"}
        self.body = orjson.dumps({"model": "m", "max_tokens": TOKENS, "stream": mode != "whole"} | content)

    def requests(self, worker: int, workers: int):
        while True:
            yield Prepared(self.body, 1, TOKENS)


def run(port: int, kinds: list[str], mode: str, folder: Path, requests: int):
    api = "chat" if mode == "chat" else "completions"
    return run_level(
        [Endpoint(f"http://127.0.0.1:{port}/k/{kind}/v1", "m") for kind in kinds],
        api,
        Asking(mode),
        Closed(len(kinds)),
        Stop(requests=requests, drain_s=4 * TIMEOUT_S),
        folder=folder,
        client=ClientOptions(timeout_s=TIMEOUT_S),
    )


@pytest.mark.parametrize("mode", MODES)
def test_every_kind_of_fault_is_called_by_its_name(port, mode, tmp_path):
    kinds = list(KINDS)
    result = run(port, kinds, mode, tmp_path, EACH * len(kinds))
    ended = result.requests.group_by("endpoint").agg(pl.col("status"), pl.col("detail"))
    wrong = {
        kinds[endpoint]: sorted({f"{s}: {d}" for s, d in zip(statuses, details, strict=True)})
        for endpoint, statuses, details in ended.iter_rows()
        if not set(statuses) <= set(KINDS[kinds[endpoint]].of(mode)) or len(statuses) < EACH
    }
    assert not wrong
    assert ended.height == len(kinds) >= 111
    assert result.fidelity.rss_bytes < 1_000_000_000


@pytest.mark.parametrize("kind", POURS)
def test_no_answer_takes_more_than_its_share_of_memory(port, kind, tmp_path):
    usual = run(port, ["right"], "completions", tmp_path / "right", 2).fidelity.rss_bytes
    result = run(port, [kind], "completions", tmp_path / kind, 2)
    assert set(result.requests["status"]) <= set(KINDS[kind].right)
    assert result.fidelity.rss_bytes - usual < MOST_GROWTH
