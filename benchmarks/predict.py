"""How fast predictions are: one point through the simulation, and a design sweep of 10,000 configurations.

python benchmarks/predict.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from paretoken.predict.configure import case
from paretoken.predict.deployment import Case, Deployment, Lengths
from paretoken.predict.predictor import predict_cases
from paretoken.predict.simulated import simulate_users

ACCELERATORS = ("H100", "H200", "B200", "B300", "MI300X", "MI325X", "MI355X")
SWEEP = 10_000


def sweep_cases(n: int) -> list[Case]:
    """Llama 70B over accelerators, engines, sizes, users and lengths, until there are n of them."""
    base = Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=4, tp=4)
    cases: list[Case] = []
    for isl in range(256, 16_384, 256):
        for accelerator in ACCELERATORS:
            for engine in ("vllm", "sglang"):
                for size in (2, 4, 8):
                    for users in (1, 4, 16, 64, 256):
                        d = replace(base, accelerator=accelerator, engine=engine, gpus=size, tp=size)
                        cases.append(case(d, Lengths(isl, 1024, 0.8), users))
                        if len(cases) == n:
                            return cases
    return cases


def timed(what: str, run: Callable[[], object]) -> None:
    cpu, wall = time.process_time(), time.perf_counter()
    run()
    print(f"{what}: {time.perf_counter() - wall:.3f} s, {time.process_time() - cpu:.3f} s of CPU")


def main() -> None:
    timed("first prediction, reading the calibration", lambda: predict_cases(sweep_cases(1)))
    timed("one prediction", lambda: predict_cases(sweep_cases(1)))
    d = Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=4, tp=4)
    timed("one point simulated, 128 users", lambda: simulate_users(d, Lengths(1024, 1024, 0.8), 128))
    timed("the same again", lambda: simulate_users(d, Lengths(1024, 1024, 0.8), 128))
    cases = sweep_cases(SWEEP)
    timed(f"sweep of {len(cases):,} configurations", lambda: predict_cases(cases))


if __name__ == "__main__":
    main()
