"""Request logs, and traces as traffic."""

from __future__ import annotations

import json
from pathlib import Path

from paretoken.traffic.describe import describe
from paretoken.traffic.log import read_log
from tests.fuzz.reader import FuzzedReader

DATA = Path(__file__).parents[2] / "data" / "traces"
ROWS = [
    {
        "created": 1_760_000_000 + 5 * k,
        "model": "m",
        "session_id": f"s{k % 3}",
        "usage": {"prompt_tokens": 64 * (1 + k % 3), "completion_tokens": 9 + k},
        "hash_ids": [0, k, k + 1][: 1 + k % 3],
    }
    for k in range(8)
]
CELLS = "startTime;user;usageDetails;block_size;hash_ids\n" + "".join(
    f'2025-10-09T0{k}:00:00+02:00;u{k % 2};"{{""input"": {50 + k}, ""output"": 7}}";16;"[{k}, 2]"\n' for k in range(6)
)
LOGS = {
    "lines.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS),
    "list.json": json.dumps(ROWS),
    "wrapped.json": json.dumps({"data": ROWS, "meta": {}}, indent=1),
    "cells.csv": CELLS,
    "plain.csv": "ts_ms,isl,osl\n" + "".join(f"{k * 1500},{k + 2},{k + 3}\n" for k in range(20)),
}
TRACES = ("mooncake.jsonl", "mooncake-sessions.jsonl", "bailian.jsonl", "tracelab.jsonl", "azure-2024.csv")


def _log(name: str, content: bytes) -> FuzzedReader:
    def read(place: Path) -> object:
        return describe(read_log(place / name, model="all"))

    return FuzzedReader(f"log {name}", lambda: {name: content}, read)


READERS = (
    *(_log(name, text.encode()) for name, text in LOGS.items()),
    *(_log(name, (DATA / name).read_bytes()) for name in TRACES),
)
