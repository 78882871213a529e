"""Sessions without a server: written by hand, or simulated, so that the true metrics are known."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from paretoken.bench.plan import Closed
from paretoken.bench.run_folder import RunFolder
from paretoken.bench.stats.sessions.table import traced_sessions
from paretoken.points.requests import conform_requests
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.result import SimulationResult
from paretoken.predict.simulation.run import simulate
from paretoken.predict.simulation.sources import SessionLoad, session_load
from paretoken.predict.steptime import AffineStepTime
from paretoken.sessions.graph import NO_STEP, Call, Session, Step
from paretoken.sessions.prefixes import possible_hits
from tests.support.runs import COLUMNS, METADATA, keep

S = 1_000_000_000
STEP = AffineStepTime(0.005, 0.00002, 1e-7, 0.00002, 1e-9)
ROOMY = SchedulerLimits(max_num_seqs=256, max_batched_tokens=8192, kv_blocks=100_000)
SESSION_COLUMNS = {
    "session": pl.Int64,
    "name": pl.String,
    "step": pl.Int64,
    "call": pl.Int64,
    "step_name": pl.String,
    "agent": pl.String,
    "after": pl.List(pl.Int64),
    "wait_s": pl.Float64,
    "seconds": pl.Float64,
    "continues": pl.Int64,
    "input_tokens": pl.Int64,
    "output_tokens": pl.Int64,
    "possible_tokens": pl.Int64,
    "begin_s": pl.Float64,
}


def call(after: Sequence[int] = (), wait_s: float = 0.0, *, tokens: tuple[int, int] = (100, 10), **more) -> Step:
    """A model call of 100 to 10 tokens that continues no other, unless `tokens` and `continues` say so."""
    continues = more.pop("continues", NO_STEP)
    return Step(
        after=tuple(after),
        wait_s=wait_s,
        call=Call(input_tokens=tokens[0], output_tokens=tokens[1], continues=continues),
        **more,
    )


def tool(seconds: float, after: Sequence[int] = (), wait_s: float = 0.0, **more) -> Step:
    return Step(after=tuple(after), wait_s=wait_s, seconds=seconds, **more)


def session(*steps: Step, name: str = "s") -> Session:
    return Session(name=name, steps=steps)


def session_table(sessions: Sequence[Session], possible: Sequence[Sequence[int]] | None = None) -> pl.DataFrame:
    """`sessions.parquet` of these sessions."""
    rows = []
    for number, one in enumerate(sessions):
        calls = iter(range(len(one.calls)))
        for place, step in enumerate(one.steps):
            turn = next(calls) if step.call else -1
            hits = possible[number][turn] if step.call and possible else -1
            rows.append(
                {
                    "session": number,
                    "name": one.name,
                    "step": place,
                    "call": turn,
                    "step_name": step.name,
                    "agent": step.agent,
                    "after": list(step.after),
                    "wait_s": step.wait_s,
                    "seconds": step.seconds,
                    "continues": step.call.continues if step.call else NO_STEP,
                    "input_tokens": step.call.input_tokens if step.call else None,
                    "output_tokens": step.call.output_tokens if step.call else None,
                    "possible_tokens": hits,
                    "begin_s": one.begin_s,
                }
            )
    return pl.DataFrame(rows, schema=SESSION_COLUMNS)


def record(
    number: int,
    turn: int,
    due_s: float,
    first_s: float,
    end_s: float,
    *,
    tokens: tuple[int, int] = (100, 10),
    cached: int = -1,
    status: str = "ok",
    worker: int = 0,
) -> dict[str, object]:
    """The request record of a call; times in seconds."""
    due, first, end = (round(t * S) for t in (due_s, first_s, end_s))
    ok = status == "ok"
    return {
        "worker": worker,
        "user": number,
        "session": number,
        "turn": turn,
        "due_ns": due,
        "sent_ns": due,
        "first_ns": first if ok else -1,
        "last_ns": end if ok else -1,
        "end_ns": end,
        "status": status,
        "planned_input": tokens[0],
        "planned_output": tokens[1],
        "input_tokens": tokens[0] if ok else -1,
        "output_tokens": tokens[1] if ok else -1,
        "cached_tokens": cached if ok else -1,
        "chunk_ns": [first, end] if ok else [],
        "chunk_tokens": [1, tokens[1] - 1] if ok else [],
    }


def records(*rows: dict[str, object]) -> pl.DataFrame:
    """Request records in the order given."""
    return conform_requests(pl.DataFrame(list(rows), infer_schema_length=None))


def possible_of(load: SessionLoad, block_tokens: int = 1) -> np.ndarray:
    """Tokens of each request that an endless cache holds, sessions one after the other."""
    return possible_hits(load.prefixes, range(len(load.prefixes)), load.input_tokens, block_tokens)


def simulated(
    sessions: Sequence[Session], users: int, *, found: float = 1.0
) -> tuple[pl.DataFrame, pl.DataFrame, SimulationResult]:
    """(requests, sessions.parquet, truth) of sessions that users play; `found` is the share of possible hits."""
    load = session_load(sessions, users=users)
    truth = simulate(STEP, ROOMY, load)
    possible = possible_of(load)
    first = load.first.tolist()
    number = np.repeat(np.arange(len(sessions)), np.diff(load.first))
    turn = np.arange(len(number)) - load.first[:-1][number]
    frame = truth.requests(tokens=True)
    place = frame["index"].to_numpy()
    frame = frame.with_columns(
        session=pl.Series(number[place]),
        turn=pl.Series(turn[place]).cast(pl.Int32),
        cached_tokens=pl.Series((found * possible[place]).astype(np.int32)),
    )
    hits = [possible[a:b].tolist() for a, b in itertools.pairwise(first)]
    return frame, session_table(sessions, hits), truth


def research(n: int) -> list[Session]:
    """Tasks of an agent that reads files beside each other and sends two sub-agents, whose answers it joins."""
    rng = np.random.default_rng(7)
    made = []
    for k in range(n):
        base = 3000 + int(rng.integers(0, 2000))
        made.append(
            session(
                call(tokens=(base, 80), name="plan"),
                tool(rng.uniform(0.3, 1.2), [0], name="read file"),
                tool(rng.uniform(0.3, 2.0), [0], name="grep"),
                call([0], tokens=(1500, 150), agent="searcher", name="search"),
                tool(rng.uniform(0.5, 2.5), [3], agent="searcher", name="web search"),
                call([4], tokens=(2600, 120), agent="searcher", name="summarise", continues=3),
                call([0], tokens=(1800, 260), agent="tester", name="write tests"),
                call([1, 2, 5, 6], 0.2, tokens=(base + 900, 200), name="answer", continues=0),
                tool(rng.uniform(0.2, 0.6), [7], name="format"),
                name=f"task {k + 1}",
            )
        )
    return made


def agent_run(path: Path) -> Path:
    """A run of two levels of agents; one session of the first failed."""
    folder, sessions = RunFolder(path), research(30)
    folder.create(METADATA)
    for users, found in ((2, 0.9), (8, 0.6)):
        requests, table, _ = simulated(sessions, users, found=found)
        table.write_parquet(path / "sessions.parquet")
        broken = (pl.col("session") == 4) & (pl.col("turn") == 2)
        if users == 2:
            requests = requests.filter(~((pl.col("session") == 4) & (pl.col("turn") > 3))).with_columns(
                status=pl.when(broken).then(pl.lit("http_5xx")).otherwise("status")
            )
        columns = COLUMNS | {"workload": "research"}
        traced = traced_sessions(table)
        keep(folder, requests, Closed(users), slos="session_p90=30s", columns=columns, traced=traced)
    return path
