"""Cache hits and first tokens of a real engine against the simulated prefix cache, on the same sessions.

    python benchmarks/engines/sessions.py vllm
    python benchmarks/engines/sessions.py llamacpp

Serves a small random model with a prefix cache, measures how long its steps take, plays the sessions with
`paretoken bench`, and simulates them. Prints the hits that the server reports in each usage, those of its counters
(vLLM) and the simulated ones, as shares of all prompt tokens; and the ratios of measured to simulated medians of TTFT
and of the session time.

vLLM's cache is too small for all sessions, which begin with the same 512 tokens. llama.cpp has a slot for each session
and keeps the last prompt of each slot, so its sessions share nothing and the simulated cache has blocks of one token.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A server with a prefix cache of `blocks` blocks, and the tokens with which all sessions begin."""

    block: int
    blocks: int
    budget: int
    sequences: int
    opening: int
    words: tuple[str, ...] = ()
    context: int = 4096

    @property
    def limits(self) -> SchedulerLimits:
        """The limits of the simulated engine."""
        return SchedulerLimits(
            max_num_seqs=self.sequences,
            max_batched_tokens=self.budget,
            kv_blocks=self.blocks,
            block_tokens=self.block,
        )


def _vllm(block: int, blocks: int, budget: int, sequences: int) -> Engine:
    words = {
        "--num-gpu-blocks-override": blocks,
        "--block-size": block,
        "--max-num-batched-tokens": budget,
        "--max-num-seqs": sequences,
    }
    listed = [word for option, value in words.items() for word in (option, str(value))]
    switches = ("--enable-prefix-caching", "--enable-prompt-tokens-details")
    # vLLM never uses one of its blocks.
    return Engine(
        block=block, blocks=blocks - 1, budget=budget, sequences=sequences, opening=512, words=(*switches, *listed)
    )


ENGINES = {
    "vllm": _vllm(32, 300, 2048, 32),
    "llamacpp": Engine(block=1, blocks=16 * 4096, budget=2048, sequences=16, opening=0),
}
PROMPTS, BATCHES = (64, 512, 1024, 2048, 3072), (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class StepFit:
    """The affine step time of a server, and the seconds from a request to its scheduler."""

    step: AffineStepTime
    frontend_s: float


def sessions_of(engine: Engine, count: int, seed: int) -> list[Session]:
    """Sessions of an agent with tools and growing contexts, below 3,500 tokens."""
    rng = np.random.default_rng(seed)
    return [_session(f"s{k}", engine, rng) for k in range(count)]


def _session(name: str, engine: Engine, rng: np.random.Generator) -> Session:
    steps: list[NamedStep] = []
    context, last = engine.opening, ""
    for turn in range(int(rng.integers(3, 9))):
        new, output = int(rng.integers(64, 400)), int(rng.integers(8, 48))
        prompt = context + new
        if prompt + output > 3500:
            break
        opening = {} if last or not engine.opening else {"opening": "system", "opening_tokens": engine.opening}
        call = Call(input_tokens=prompt, output_tokens=output, **opening)
        after = (f"tool{turn}",) if last else ()
        steps.append(NamedStep(id=f"call{turn}", step=Step(call=call), after=after, continues=last))
        tool = Step(name="tool", seconds=float(rng.uniform(0.1, 0.8)))
        steps.append(NamedStep(id=f"tool{turn + 1}", step=tool, after=(f"call{turn}",)))
        context, last = prompt + output, f"call{turn}"
    return Session(name=name, steps=arranged(steps[:-1]), block_tokens=engine.block)


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
        words = f"--isl {isl} --osl 24 --concurrency 1 --warmup-per-user 2".split()
        words += ["--until", "12 requests"]
        frame = requests_of(bench(server, place / f"isl-{isl}", *words))
        prefill.append((isl, _ttft_s(frame), _tpot_s(frame)))
    decode = []
    for batch in BATCHES:
        words = [*f"--isl 128 --osl 128 --concurrency {batch} --until".split(), f"{6 * batch} requests"]
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


def simulated(sessions: list[Session], users: int, engine: Engine, fit: StepFit) -> SimulationResult:
    """The sessions on an engine like the server. Later prompts contain the trace's answers, not the server's."""
    load = session_load(sessions, users=users, own_answers=False)
    serving_options = ServingOptions(frontend_s=fit.frontend_s)
    return simulate(fit.step, engine.limits, load, serving_options, cache=CacheOptions())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=list(ENGINES))
    parser.add_argument("--sessions", type=int, default=24)
    parser.add_argument("--users", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the runs")
    options = parser.parse_args()
    engine = ENGINES[options.engine]
    running = serving(options.engine, more=engine.words, slots=engine.sequences, context=engine.context)
    with tempfile.TemporaryDirectory() as temporary, running as server:
        place = options.keep or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        fit = fitted_steps(server, place)
        print(fit)
        for users in options.users:
            # New prompts for every level, so that none hits those of the level before.
            sessions = sessions_of(engine, options.sessions, options.seed + users)
            print(json.dumps(compare(server, place, sessions, users, engine, fit)))
    return 0


def compare(
    server: Serving, place: Path, sessions: list[Session], users: int, engine: Engine, fit: StepFit
) -> dict[str, float | int | None]:
    """Play and simulate the sessions; hits as shares of all prompt tokens, and ratios of measured to simulated."""
    trace = place / f"sessions-{users}.jsonl"
    write_sessions(trace, sessions)
    load = ["--concurrency", str(users), "--until", f"{len(sessions)} sessions", "--warmup-per-user", "0"]
    before = _counted_hits(server)
    folder = bench(server, place / f"run-{users}", "--trace", str(trace), *load, "--seed", str(users))
    counted = _counted_hits(server)
    frame = requests_of(folder).sort("session", "turn")
    run = simulated(sessions, users, engine, fit)
    later = frame["turn"].to_numpy() > 0
    ttft_s = ((frame["first_ns"] - frame["due_ns"]) / 1e9).to_numpy()
    prompts = frame["input_tokens"].sum()
    return {
        "users": users,
        "calls": len(frame),
        "prompt_tokens": prompts,
        "hits_reported": frame["cached_tokens"].clip(0).sum() / prompts,
        "hits_counted": None if before is None or counted is None else (counted - before) / prompts,
        "hits_simulated": float(run.cached_tokens.sum() / run.input_tokens.sum()),
        "evicted_tokens_simulated": int(run.evicted_tokens),
        "ttft_first_ratio": float(np.median(ttft_s[~later]) / np.median(run.ttft_s[~later])),
        "ttft_later_ratio": float(np.median(ttft_s[later]) / np.median(run.ttft_s[later])),
        "session_ratio": float(
            np.median(_session_s(frame)) / np.median(_simulated_session_s(run, [len(s.calls) for s in sessions]))
        ),
    }


def _counted_hits(server: Serving) -> float | None:
    """Hits that vLLM has counted so far, tokens; None for other servers."""
    if server.engine != "vllm":
        return None
    with urlopen(server.base_url.removesuffix("/v1") + "/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:prefix_cache_hits_total"))


def _session_s(frame: pl.DataFrame) -> np.ndarray:
    spans = frame.group_by("session").agg((pl.col("end_ns").max() - pl.col("due_ns").min()) / 1e9)
    return spans["end_ns"].to_numpy()


def _simulated_session_s(run: SimulationResult, calls: list[int]) -> np.ndarray:
    first = np.cumsum([0, *calls[:-1]])
    return np.maximum.reduceat(run.last_s, first) - np.minimum.reduceat(run.due_s, first)


if __name__ == "__main__":
    sys.exit(main())
