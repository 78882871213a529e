"""The self-test of this machine's client: the highest load at which it measures accurately."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paretoken.bench.client.counters import Progress
from paretoken.bench.client.fidelity import Fidelity
from paretoken.bench.client.level import LevelResult
from paretoken.bench.client.options import ClientOptions
from paretoken.bench.client.run import run_level
from paretoken.bench.plan import Closed, Prepared, Stop
from paretoken.bench.truth.server import Floats, Pace, Truth, read_truth, truth_server

CONCURRENCIES = (64, 128, 256, 512, 1000, 1500, 2000)
WITHIN = 0.01
OUTPUT_TOKENS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestLevel:
    """One load level compared with the truth. Errors are relative to what the server itself logged."""

    concurrency: int
    most_running: int  # streams at once
    requests: int
    failed: int
    ttft_mean_s: float
    ttft_true_s: float
    ttft_error: float
    ttft_p99_error: float
    itl_error: float  # of the mean
    itl_p50_error: float
    itl_p99_error: float
    tpot_error: float
    cpu_s_per_mtok: float
    rss_bytes: int
    fidelity: Fidelity

    @property
    def within(self) -> bool:
        """Whether mean TTFT and mean ITL are within 1 % of the truth and no request was lost."""
        return not self.failed and abs(self.ttft_error) <= WITHIN and abs(self.itl_error) <= WITHIN


@dataclass(frozen=True, slots=True)
class SelfTest:
    """The levels, from the lowest load up."""

    readings: tuple[SelfTestLevel, ...]
    compiled_server: bool
    cpus: int

    @property
    def highest(self) -> int:
        """The highest concurrency up to which every level was within bounds, 0 if not even the first was."""
        best = 0
        for reading in self.readings:
            if not reading.within:
                break
            best = reading.concurrency
        return best


@dataclass(frozen=True, slots=True)
class SameAgain:
    """An endless source of one request for the truth server."""

    output_tokens: int = OUTPUT_TOKENS
    extra: str = ""

    def requests(self, worker: int, workers: int) -> Iterator[Prepared]:
        body = (
            f'{{"model":"truth","prompt":"one two three four","max_tokens":{self.output_tokens},"stream":true,'
            f'"stream_options":{{"include_usage":true{self.extra}}}}}'
        ).encode()
        while True:
            yield Prepared(body, 4, self.output_tokens)


def selftest(
    concurrencies: Sequence[int] = CONCURRENCIES,
    *,
    seconds: float = 6.0,
    workers: int = 1,
    pace: Pace | None = None,
    on_reading: Callable[[SelfTestLevel], object] | None = None,
    stop_at_first_miss: bool = True,
    output_tokens: int = OUTPUT_TOKENS,
) -> SelfTest:
    """Load a truth server step by step and compare what the client reports with the server's log.

    With two CPUs or more the server has the last one to itself and the client the others.
    """
    readings: list[SelfTestLevel] = []
    compiled = False
    with _pinned() as server_cpu, tempfile.TemporaryDirectory() as folder:
        for users in concurrencies:
            place = Path(folder) / str(users)
            place.mkdir()
            with truth_server(pace, log=place / "truth.log", cpu=server_cpu) as server:
                compiled = server.compiled
                running: list[int] = []

                def note(progress: Progress, running: list[int] = running) -> None:
                    running.append(progress.running)

                result = run_level(
                    [server.endpoint],
                    "completions",
                    SameAgain(output_tokens),
                    Closed(users),
                    Stop(seconds=seconds),
                    folder=place,
                    client=ClientOptions(workers=min(workers, users), progress_every_s=0.1),
                    on_progress=note,
                )
            readings.append(compare(users, max(running, default=0), result, read_truth(place / "truth.log")))
            if on_reading is not None:
                on_reading(readings[-1])
            if stop_at_first_miss and not readings[-1].within:
                break
    return SelfTest(tuple(readings), compiled, os.cpu_count() or 1)


@contextmanager
def _pinned() -> Iterator[int | None]:
    """This process (and its forks) off the last CPU, for the time of the block; gives that CPU."""
    if not hasattr(os, "sched_getaffinity") or len(before := sorted(os.sched_getaffinity(0))) < 2:
        yield None
        return
    os.sched_setaffinity(0, before[:-1])
    try:
        yield before[-1]
    finally:
        os.sched_setaffinity(0, before)


def compare(users: int, most_running: int, result: LevelResult, truth: Truth) -> SelfTestLevel:
    """Compare one level with the server's log."""
    rows = result.requests
    ok = rows.filter(rows["status"] == "ok")
    ttft = (ok["first_ns"] - ok["due_ns"]).to_numpy() / 1e9
    times = [t.to_numpy() for t in ok["chunk_ns"]]
    gaps = np.concatenate([np.diff(t) for t in times]) / 1e9 if times else np.empty(0)
    firsts = np.array([t[0] for t in ok["chunk_tokens"]]) if times else np.empty(0)
    after = ok["output_tokens"].to_numpy() - firsts
    tpot = (ok["last_ns"] - ok["first_ns"]).to_numpy() / 1e9 / after
    tokens = int(ok["output_tokens"].sum())
    return SelfTestLevel(
        concurrency=users,
        most_running=most_running,
        requests=rows.height,
        failed=rows.height - ok.height,
        ttft_mean_s=_mean(ttft),
        ttft_true_s=_mean(truth.ttft_s),
        ttft_error=_error(_mean(ttft), _mean(truth.ttft_s)),
        ttft_p99_error=_error(_quantile(ttft, 0.99), _quantile(truth.ttft_s, 0.99)),
        itl_error=_error(_mean(gaps), _mean(truth.itl_s)),
        itl_p50_error=_error(_quantile(gaps, 0.5), _quantile(truth.itl_s, 0.5)),
        itl_p99_error=_error(_quantile(gaps, 0.99), _quantile(truth.itl_s, 0.99)),
        tpot_error=_error(_mean(tpot), float(np.nanmean(truth.tpot_s)) if truth.tpot_s.size else np.nan),
        cpu_s_per_mtok=result.fidelity.cpu_s / tokens * 1e6 if tokens else np.nan,
        rss_bytes=result.fidelity.rss_bytes,
        fidelity=result.fidelity,
    )


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else np.nan


def _quantile(values: Floats, q: float) -> float:
    return float(np.quantile(values, q)) if values.size else np.nan


def _error(reported: float, true: float) -> float:
    return reported / true - 1 if true else np.nan
