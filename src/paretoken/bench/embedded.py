"""The embedded engine measured on this machine, for a curve of your own beside the published ones."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from paretoken.bench.config import BenchConfig
from paretoken.bench.run_folder import RunFolder
from paretoken.bench.secrets import shown_command
from paretoken.bench.setup import Setup, prepare
from paretoken.bench.sweep import Watch, sweep
from paretoken.engines.embedded.engine import EmbeddedEngine

MACHINE = "CPU of this machine"
SLOTS = 32
CONTEXT = 512
DEFAULTS: dict[str, object] = {
    "isl": "32",
    "osl": "64",
    "concurrency": f"1:{SLOTS}:x2",
    "until": "5s",
    "warmup_per_user": 1,
    "timeout_s": 60.0,
}
"""Under a minute on two cores, with the knee in it."""


@contextmanager
def embedded_setup(settings: Mapping[str, object] | None = None) -> Iterator[Setup]:
    """The embedded engine, running, and a benchmark of it; `settings` replace DEFAULTS."""
    with EmbeddedEngine(slots=SLOTS, context=CONTEXT) as engine:
        served = {
            "urls": (engine.base_url,),
            "model": engine.model,
            "tokenizer": str(engine.tokenizer),
            "dialect": "llamacpp",
            "engine": "llamacpp",
            "accelerator": MACHINE,
            "precision": "fp32",
            "speculative": "none",
        }
        yield prepare(BenchConfig.of_dict({**DEFAULTS, **(settings or {}), **served}))


def measure_here(folder: Path, watch: Watch) -> Path:
    """Measure the embedded engine into a new run folder; the path of its points."""
    run = RunFolder(folder)
    with embedded_setup() as setup:
        run.create(setup.metadata(shlex.join(["paretoken", *shown_command(sys.argv[1:])])))
        for _ in sweep(setup, run, watch):
            pass
    return folder / "points.parquet"
