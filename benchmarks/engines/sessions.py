"""Cache hits and first tokens of a real engine against the simulated prefix cache, on the same sessions.

    python benchmarks/engines/sessions.py vllm

Serves a small random model with a prefix cache that is too small for the sessions, measures how long its steps take,
plays the sessions with `paretoken bench`, and simulates them. The hits of the server are its own counters. Prints both,
and the ratios of hits, of the first tokens of later calls, and of the times of sessions.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from recipes import Serving, serving

from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.result import SimulationResult
from paretoken.predict.simulation.run import ServingOptions, simulate
from paretoken.predict.simulation.sources import session_load
from paretoken.predict.steptime import AffineStepTime
from paretoken.sessions.arrange import NamedStep, arranged
from paretoken.sessions.graph import Call, Session, Step
from paretoken.sessions.write import write_sessions

BLOCK, BLOCKS, BUDGET, SEQUENCES = 32, 400, 2048, 32
CACHE = {
    "vllm": (
        "--enable-prefix-caching",
        "--enable-prompt-tokens-details",
        "--num-gpu-blocks-override",
        str(BLOCKS),
        "--block-size",
        str(BLOCK),
        "--max-num-batched-tokens",
        str(BUDGET),
        "--max-num-seqs",
        str(SEQUENCES),
    )
}
PROMPTS, BATCHES = (64, 512, 1024, 2048, 3072), (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class StepFit:
    """The affine step time of a server, and its seconds from a request to its scheduler."""

    step: AffineStepTime
    frontend_s: float


def sessions_of(count: int, seed: int) -> list[Session]:
    """Sessions of an agent with a common opening, tools and growing contexts, below 3,500 tokens."""
    rng = np.random.default_rng(seed)
    return [_session(f"s{k}", rng) for k in range(count)]


def _session(name: str, rng: np.random.Generator) -> Session:
    steps: list[NamedStep] = []
    context, last = 512, ""
    for turn in range(int(rng.integers(3, 9))):
        new, output = int(rng.integers(64, 400)), int(rng.integers(8, 48))
        prompt = context + new
        if prompt + output > 3500:
            break
        opening = {} if last else {"opening": "system", "opening_tokens": 512}
        call = Call(input_tokens=prompt, output_tokens=output, **opening)
        after = (f"tool{turn}",) if last else ()
        steps.append(NamedStep(id=f"call{turn}", step=Step(call=call), after=after, continues=last))
        tool = Step(name="tool", seconds=float(rng.uniform(0.1, 0.8)))
        steps.append(NamedStep(id=f"tool{turn + 1}", step=tool, after=(f"call{turn}",)))
        context, last = prompt + output, f"call{turn}"
    return Session(name=name, steps=arranged(steps[:-1]), block_tokens=BLOCK)


def bench(server: Serving, folder: Path, *words: str) -> Path:
    """Run `paretoken bench`; its folder."""
    command = [sys.executable, "-m", "paretoken", "bench", server.base_url, "--model", server.model]
    subprocess.run([*command, "--out", str(folder), *server.options, *words], check=True, stdout=subprocess.DEVNULL)
    return folder


def requests_of(folder: Path) -> pl.DataFrame:
    """The request records of all levels of a run."""
    return pl.concat([pl.read_parquet(file) for file in sorted(folder.rglob("requests.parquet"))])


def fitted_steps(server: Serving, place: Path) -> StepFit:
    """Fit a step's time to single requests of several lengths, and to batches of short ones."""
    prefill = []
    for isl in PROMPTS:
        words = (
            "--isl",
            str(isl),
            "--osl",
            "24",
            "--concurrency",
            "1",
            "--until",
            "12 requests",
            "--warmup-per-user",
            "2",
        )
        frame = requests_of(bench(server, place / f"isl-{isl}", *words))
        prefill.append((isl, _ttft_s(frame), _tpot_s(frame)))
    decode = []
    for batch in BATCHES:
        words = ("--isl", "128", "--osl", "128", "--concurrency", str(batch), "--until", f"{6 * batch} requests")
        decode.append((batch, _tpot_s(requests_of(bench(server, place / f"batch-{batch}", *words)))))
    return _fit(prefill, decode)


def _ttft_s(frame: pl.DataFrame) -> float:
    return float(((frame["first_ns"] - frame["due_ns"]) / 1e9).median())


def _tpot_s(frame: pl.DataFrame) -> float:
    return float(((frame["last_ns"] - frame["first_ns"]) / (frame["output_tokens"] - 1) / 1e9).median())


def _fit(prefill: list[tuple[int, float, float]], decode: list[tuple[int, float]]) -> StepFit:
    rows = [(1, 1, isl + 12, tpot) for isl, _, tpot in prefill] + [(1, n, n * 192, tpot) for n, tpot in decode]
    a = np.array([row[:3] for row in rows], float)
    per_step, per_sequence, per_context = _non_negative(a, np.array([row[3] for row in rows]))
    isl = np.array([row[0] for row in prefill], float)
    ttft = np.array([row[1] for row in prefill])
    fixed, per_token, per_pair = _non_negative(np.column_stack([np.ones(len(isl)), isl, isl**2 / 2]), ttft)
    step = AffineStepTime(per_step, per_sequence, per_context, per_token, per_pair)
    return StepFit(step, max(fixed - per_step, 0.0))


def _non_negative(a: np.ndarray, b: np.ndarray) -> list[float]:
    """Least squares of relative errors with coefficients of 0 or more."""
    from scipy.optimize import nnls

    weighted, _ = nnls(a / b[:, None], np.ones(len(b)))
    return [float(x) for x in weighted]


def simulated(sessions: list[Session], users: int, fit: StepFit, own_answers: bool) -> SimulationResult:
    """The sessions on an engine like the server."""
    limits = SchedulerLimits(
        max_num_seqs=SEQUENCES, max_batched_tokens=BUDGET, kv_blocks=BLOCKS - 1, block_tokens=BLOCK
    )
    load = session_load(sessions, users=users, own_answers=own_answers)
    return simulate(fit.step, limits, load, ServingOptions(frontend_s=fit.frontend_s), cache=CacheOptions())


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("engine", choices=list(CACHE))
    ask.add_argument("--sessions", type=int, default=48)
    ask.add_argument("--users", type=int, nargs="+", default=[1, 2, 4, 8])
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--keep", type=Path, help="folder for the runs")
    options = ask.parse_args()
    with tempfile.TemporaryDirectory() as temporary, serving(options.engine, more=CACHE[options.engine]) as server:
        place = options.keep or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        fit = fitted_steps(server, place)
        print(fit)
        for users in options.users:
            # Other prompts for every level, so that none finds those of the level before.
            sessions = sessions_of(options.sessions, options.seed + users)
            print(json.dumps(compare(server, place, sessions, users, fit)))
    return 0


def compare(
    server: Serving, place: Path, sessions: list[Session], users: int, fit: StepFit
) -> dict[str, float | int | None]:
    """Play and simulate the sessions; hits, first tokens and session times of both."""
    trace = place / f"sessions-{users}.jsonl"
    write_sessions(trace, sessions)
    words = (
        "--trace",
        str(trace),
        "--concurrency",
        str(users),
        "--until",
        f"{len(sessions)} sessions",
        "--warmup-per-user",
        "0",
    )
    folder = bench(server, place / f"run-{users}", *words, "--seed", str(users))
    frame = requests_of(folder).sort("session", "turn")
    run = simulated(sessions, users, fit, own_answers=False)
    later = frame["turn"].to_numpy() > 0
    measured_s = ((frame["first_ns"] - frame["due_ns"]) / 1e9).to_numpy()
    prompts = frame["input_tokens"].sum()
    return {
        "users": users,
        "prompt_tokens": prompts,
        "hits_measured": frame["cached_tokens"].clip(0).sum() / prompts,
        "hits_simulated": run.cached_tokens.sum() / run.input_tokens.sum(),
        "ttft_later_ratio": float(np.median(measured_s[later]) / np.median(run.ttft_s[later])),
        "ttft_first_ratio": float(np.median(measured_s[~later]) / np.median(run.ttft_s[~later])),
        "span_ratio": float((frame["end_ns"].max() / 1e9) / run.last_s.max()),
    }


if __name__ == "__main__":
    sys.exit(main())
