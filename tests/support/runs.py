"""Folders of made-up runs, as `paretoken bench` leaves them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from paretoken.bench.client.fidelity import Fidelity, WorkerTally, judge
from paretoken.bench.metadata import RunMetadata, RunOrigin, ServerIdentity
from paretoken.bench.plan import Closed, Load, Open
from paretoken.bench.run_folder import RunFolder
from paretoken.bench.stats.level_summary import LevelTimes
from paretoken.bench.stats.scrape import CounterDeltas, Gauges, GaugeStatistics, ServerMetrics
from paretoken.bench.stats.sessions.table import TracedSession
from paretoken.bench.stats.summary import LevelContext, summarise
from paretoken.slo import MEASURED, parse_slos
from tests.support.levels import S, closed, opened, request, table

COLUMNS = {
    "accelerator": "H200",
    "model": "llama-3-70b",
    "model_variant": "meta/Llama-3.3-70B",
    "precision": "fp8",
    "engine": "vllm",
    "engine_version": "0.11.0",
    "tp": 8,
    "isl": 1024,
    "osl": 1024,
    "date": "2026-11-20",
    "disaggregated": False,
    "multinode": False,
}
METADATA = RunMetadata(
    config={"api": "completions", "isl": "1024", "osl": "1024", "ignore_eos": True, "workers": 1, "seed": 7},
    run=RunOrigin(
        command="paretoken bench http://me:hunter2@10.0.0.7:8000 --concurrency 1:16:x2 --api-key sk-verysecret123",
        started="2026-11-20T10:15:00+0000",
        host={"node": "bench-1", "system": "Linux-6.1", "python": "3.11.7"},
        clock="CLOCK_MONOTONIC, kernel receive stamps",
        tool="0.1.0",
        servers=(ServerIdentity(base_url="http://10.0.0.7:8000/v1", dialect="vllm", version="0.11.0", models=("m",)),),
    ),
)


def proof(users: int, *, limited: bool = False) -> Fidelity:
    """The client's proof of one worker that was at ease, or past its bounds."""
    tally = WorkerTally(
        reads=1000,
        stamped_reads=1000,
        token_reads=1000,
        wall_s=30.0,
        cpu_s=29.0 if limited else 3.0,
        due=users * 30.0,
        user_s=users * 30.0,
        started=100,
        rss_bytes=70_000_000,
    )
    for k in range(1000):
        tally.lag.add(20_000_000 if limited else 50_000 + 500 * k)
    return judge([tally], closed=True, steal=0.001)


def scraped(users: int, seconds: int) -> ServerMetrics:
    """A server's metrics, once a second."""
    n = max(seconds, 2)
    return ServerMetrics(
        engine="vllm",
        delta=CounterDeltas(preemptions=0.0, cache_hit_rate=0.01, tokens_per_iteration=users * 0.9),
        gauges=Gauges(
            running=GaugeStatistics(users * 0.98, float(users)),
            waiting=GaugeStatistics(0.1, 2.0),
            kv_cache_usage=GaugeStatistics(0.3, 0.41),
        ),
        at_s=tuple(1000.0 + k for k in range(n)),
        series={
            "running": tuple(float(min(users, 1 + users * k)) for k in range(n)),
            "waiting": tuple(float(k % 3) for k in range(n)),
            "kv_cache_usage": tuple(0.4 * k / n for k in range(n)),
        },
    )


def loaded(users: int, seconds: float = 30.0, tokens: int = 40, seed: int = 0, slowness: float = 1.0) -> pl.DataFrame:
    """A closed loop whose TTFT and TPOT grow with the load, with noise; both `slowness` times as long."""
    slow = slowness * (1 + users / 16)
    return closed(
        users,
        seconds,
        ttft=lambda rng, t: 0.1 * slow * rng.lognormal(0, 0.3),
        tpot=lambda rng, t: 0.01 * slow * rng.lognormal(0, 0.05),
        tokens=lambda rng: int(rng.integers(tokens * 4 // 5, tokens + 1)),
        stagger_s=0.5 / users,
        seed=seed,
    )


def keep(
    folder: RunFolder,
    requests: pl.DataFrame,
    load: Load,
    *,
    columns: Mapping[str, object] = COLUMNS,
    fidelity: Fidelity | None = None,
    server: ServerMetrics | None = None,
    slos: str = "",
    failed: str | None = None,
    traced: Sequence[TracedSession] = (),
) -> None:
    """Measure one more level."""
    number = len(folder.levels()) + 1
    context = LevelContext(
        columns=columns,
        times=LevelTimes(t0_unix_s=1.0),
        seed=7,
        n_gpus=8,
        slos=parse_slos(slos, MEASURED),
        traced=traced,
    )
    summary = summarise(requests, load, context, fidelity=fidelity, server=server)
    folder.clear(number)
    folder.keep_requests(number, requests)
    folder.keep(number, replace(summary, failed=failed))


def slower(path: Path, users: tuple[int, ...], factor: float = 1.5) -> Path:
    """The same ladder on a slower server."""
    return ladder(path, users, seed=5, slowness=factor)


def ladder(path: Path, users: tuple[int, ...] = (1, 2, 4, 8, 16), *, seed: int = 0, slowness: float = 1.0) -> Path:
    """A run of closed levels that are all sound."""
    folder = RunFolder(path)
    folder.create(METADATA)
    for n in users:
        keep(
            folder,
            loaded(n, 60.0 if n < 4 else 30.0, seed=seed, slowness=slowness),
            Closed(n),
            fidelity=proof(n),
            server=scraped(n, 30),
            slos="ttft_p90=250ms",
        )
    return path


def troubled(path: Path) -> Path:
    """A run with every trouble: no steady state, a limited client, errors, a failed level, an unfinished one."""
    folder = RunFolder(path)
    folder.create(replace(METADATA, notes=("a note",)))
    keep(folder, loaded(2), Closed(2), fidelity=proof(2))
    drifting = closed(4, 40.0, tpot=lambda rng, t: 0.02 * (1 + t / 20))
    keep(folder, drifting, Closed(4), fidelity=proof(4))
    keep(folder, loaded(8), Closed(8), fidelity=proof(8, limited=True))
    rows = loaded(12)
    bad = pl.arange(0, pl.len()) % 9 == 4
    lost = rows.with_columns(
        status=pl.when(bad).then(pl.lit("http_5xx")).otherwise("status"),
        detail=pl.when(bad).then(pl.lit("<b>out of | memory</b>")).otherwise(pl.lit("")),
        first_ns=pl.when(bad).then(-1).otherwise("first_ns"),
    )
    keep(folder, lost, Closed(12), fidelity=proof(12), failed="11 % of requests failed, more than --max-error-rate 5 %")
    keep(folder, closed(3, 1.5), Closed(3))
    dead = loaded(2, 2.0).with_columns(
        status=pl.lit("refused"), first_ns=pl.lit(-1, pl.Int64), last_ns=pl.lit(-1, pl.Int64)
    )
    keep(folder, dead, Closed(2), failed="100 % of requests failed")
    folder.clear(len(folder.levels()) + 1)
    return path


def talk(users: int, seconds: float, turns: int = 4, seed: int = 0) -> pl.DataFrame:
    """A closed loop of conversations: each turn has a longer prompt and a later first token, after a pause."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        at, session = user * S // 4, user * 1000
        while at < seconds * S:
            for turn in range(turns):
                first = at + round((0.08 + 0.05 * turn) * rng.lognormal(0, 0.1) * S)
                chunks = [first + k * S // 50 for k in range(20)]
                place = {"user": user, "session": session, "turn": turn}
                isl = 200 * (turn + 1)
                lengths = {"planned_input": isl, "input_tokens": isl, "cached_tokens": 150 * turn}
                rows.append(request(at, chunks, **place, **lengths))
                at = chunks[-1] + S // 5
            session += 1
    return table(rows)


def conversations(path: Path) -> Path:
    """A run of conversations of another model, with telemetry of two GPUs beside its one level."""
    folder = RunFolder(path)
    folder.create(replace(METADATA, config={**METADATA.config, "turns": "4", "isl": "200", "osl": "20"}))
    columns = COLUMNS | {"model": "qwen3-32b", "model_variant": "Qwen/Qwen3-32B", "isl": 200, "osl": 20, "tp": 2}
    keep(folder, talk(4, 40.0), Closed(4), columns=columns, fidelity=proof(4), server=scraped(4, 40))
    level = folder.level_folder(1)
    rows = [
        {
            "at_s": 999.0 + k,
            "device": f"gpu{gpu}",
            "power_w": 600.0 + 10 * gpu + k % 5,
            "clock_mhz": 1755.0 - 15 * (k % 3),
        }
        | {"temperature_c": 55.0 + k / 10, "throttle": "sw_power_cap" if gpu and k % 4 == 0 else ""}
        for k in range(42)
        for gpu in range(2)
    ]
    pl.DataFrame(rows).write_parquet(level / "telemetry.parquet")
    energy = {"energy": {"mean_power_w_per_gpu": 607.0, "j_per_output_token": 31.5}}
    (level / "telemetry.json").write_text(json.dumps(energy), encoding="utf-8")
    return path


def rates(path: Path) -> Path:
    """A run of two open levels."""
    folder = RunFolder(path)
    folder.create(replace(METADATA, config={**METADATA.config, "arrivals": "poisson"}))
    for rate in (4.0, 8.0):
        requests = opened(rate, 60.0, service_s=0.5, servers=16)
        keep(folder, requests, Open(np.array(requests["due_ns"]) / S, rate), fidelity=proof(4))
    return path
