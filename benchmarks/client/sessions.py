"""Sessions of long contexts against the truth server: `python benchmarks/client/sessions.py [--users 64] [--text]`.

Each session has eight calls of 32k to 46k tokens, one after the other, with tools between them and two calls beside
each other at the end; all begin at once. Printed are the lateness of sends and the client's own cost: what the contexts
cost the schedule. Compare with `--tokens 100` in the same hour.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from paretoken.bench.client.run import run_level
from paretoken.bench.plan import Closed, Stop
from paretoken.bench.truth.server import Pace, truth_server
from paretoken.bench.workload.bodies import Bodies, dialect
from paretoken.bench.workload.makers import PlainWords, TokenIds
from paretoken.bench.workload.prompts import PromptPlan
from paretoken.bench.workload.sessions.source import RecordedSessions, SessionSource
from paretoken.sessions.graph import Call, Session, Step

OUTPUT_TOKENS = 64


def agent(number: int, first_tokens: int, calls: int = 8) -> Session:
    """Calls that grow one context, each after a tool; the last two go on with the same one."""
    rng = np.random.default_rng(number)
    steps: list[Step] = []
    before, tool = -1, ()
    for n in range(calls):
        tokens = first_tokens + n * max(first_tokens // 16, OUTPUT_TOKENS + 1)
        shared = {"opening": "system", "opening_tokens": first_tokens // 4}
        call = Call(input_tokens=tokens, output_tokens=OUTPUT_TOKENS, continues=before, **shared)
        steps.append(Step(after=tool, call=call))
        if n < calls - 2:
            before = len(steps) - 1
            steps.append(Step(after=(before,), seconds=float(rng.uniform(0.05, 0.5))))
            tool = (len(steps) - 1,)
    return Session(name=str(number), steps=tuple(steps))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=32_000)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--text", action="store_true", help="chats of words with the server's answers, not token ids")
    options = parser.parse_args()
    sessions = RecordedSessions(tuple(agent(n, options.tokens) for n in range(options.users)), repeat=True)
    bodies = Bodies(model="truth", api="chat") if options.text else Bodies(model="truth", dialect=dialect("vllm"))
    source = SessionSource(
        plan=PromptPlan(PlainWords() if options.text else TokenIds.of_size(100_000), 1),
        sessions=sessions,
        bodies=bodies,
        answers="server" if options.text else "trace",
    )
    with tempfile.TemporaryDirectory() as place, truth_server(Pace(ttft_ms=200), log=Path(place) / "log") as server:
        result = run_level(
            [server.endpoint],
            bodies.api,
            source,
            Closed(options.users),
            Stop(seconds=options.seconds),
            folder=Path(place) / "run",
        )
    fidelity = result.fidelity.to_dict()
    late = {name: value for name, value in fidelity.items() if "late" in name or "cpu" in name or name == "rss_bytes"}
    print(json.dumps({"requests": result.requests.height, **late, "limited": fidelity["client_limited"]}, indent=1))


if __name__ == "__main__":
    main()
