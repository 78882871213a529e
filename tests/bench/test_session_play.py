"""Sessions against a server of known pacing: order, due times, requests in flight, failures, ends."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from paretoken.bench.client.level import LevelResult
from paretoken.bench.client.options import ClientOptions
from paretoken.bench.client.run import run_level
from paretoken.bench.plan import Closed, Endpoint, Load, Open, Stop
from tests.support.load_servers import stream
from tests.support.sessions import ScriptedSessions, call, session, tool

NS = 1_000_000_000
FORKED = session(
    call(),  # 0 → call 0
    tool(0, seconds=0.1),  # 1
    tool(0, seconds=0.2),  # 2
    call(1, 2, agent="a"),  # 3 → call 1: after both tools
    call(0, wait_s=0.05, agent="b"),  # 4 → call 2: beside them
    call(3, 4),  # 5 → call 3: joins
)


def play(golden, folder, source, load: Load, stop: Stop, **client) -> LevelResult:
    return run_level(
        [Endpoint(golden.base_url, "m")],
        "completions",
        source,
        load,
        stop,
        folder=folder,
        client=ClientOptions(**client),
    )


def by_call(rows: pl.DataFrame, number: int) -> dict[int, dict]:
    return {row["turn"]: row for row in rows.filter(rows["session"] == number).to_dicts()}


@pytest.mark.parametrize("load", [Closed(2), Open(np.array([0.0, 0.05, 0.1, 0.15]), 20.0)], ids=["closed", "open"])
@pytest.mark.parametrize("workers", [1, 2])
def test_forks_tools_and_joins_are_real_waits(golden, tmp_path, load, workers):
    source = ScriptedSessions((FORKED,), lambda s, c: stream(4, 0.01), total=4)
    rows = play(golden, tmp_path, source, load, Stop(sessions=4, drain_s=9), workers=workers).requests
    assert rows["status"].to_list() == ["ok"] * 16
    assert sorted(rows["session"].to_list()) == sorted([0, 1, 2, 3] * 4)
    for number in range(4):
        calls = by_call(rows, number)
        due = [calls[c]["due_ns"] for c in range(4)]
        end = [calls[c]["end_ns"] for c in range(4)]
        assert due[1] >= end[0] + 0.2 * NS and due[2] >= end[0] + 0.05 * NS
        assert due[3] >= max(end[1], end[2])
        assert due[2] < end[0] + 0.2 * NS  # beside the tools, not after them
        assert {c["user"] for c in calls.values()} == ({calls[0]["user"]})
        if isinstance(load, Open):
            assert due == [round(load.due_s[number] * NS), end[0] + NS // 5, end[0] + NS // 20, max(end[1], end[2])]
