"""A run begun or resumed: everything that can be wrong is found before load is sent."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from paretoken.bench.config import BenchConfig
from paretoken.bench.run_folder import RUN, RunFolder
from paretoken.bench.schedule import LoadSchedule, load_schedule
from paretoken.bench.setup import Setup, prepare
from paretoken.errors import BadConfig


@dataclass(frozen=True, slots=True)
class Run:
    """A run ready to measure: its setup, its folder, and which load comes next."""

    setup: Setup
    folder: RunFolder
    schedule: LoadSchedule


def new_folder() -> Path:
    """`runs/2026-11-24-101500`, by the local time."""
    return Path("runs") / datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")


def begin(config: BenchConfig, out: Path | None, *, api_key: str | None = None, export_form: str | None = None) -> Run:
    """A new run; a setting that is wrong leaves no folder behind."""
    return begin_with(prepare(config, api_key=api_key), out, export_form=export_form)


def begin_with(setup: Setup, out: Path | None, *, export_form: str | None = None) -> Run:
    """A new run of a setup."""
    check_export(export_form, setup.config)
    schedule = load_schedule(setup)
    folder = RunFolder(out or new_folder())
    folder.create(setup.metadata(shlex.join(["paretoken", *sys.argv[1:]])))
    return Run(setup, folder, schedule)


def resume(place: Path, *, api_key: str | None = None, force: bool = False, export_form: str | None = None) -> Run:
    """A run to continue. BadConfig if the server has changed since it began, unless `force`."""
    folder = RunFolder(place)
    metadata = folder.metadata()
    setup = prepare(BenchConfig.of_dict(metadata.config, place / RUN), api_key=api_key)
    if setup.origin != metadata.origin:
        raise BadConfig(
            f"{place} holds {metadata.origin} levels, but the server now is {setup.origin}; begin a new run with --out"
        )
    changes = setup.changes(metadata)
    if changes and not force:
        raise BadConfig(f"the server has changed since {place} began: {'; '.join(changes)}; add --force to continue")
    check_export(export_form, setup.config)
    return Run(setup, folder, load_schedule(setup))


def check_export(form: str | None, config: BenchConfig) -> None:
    """BadConfig for a form that cannot hold an open loop."""
    if form == "inferencex" and (config.rate is not None or config.arrivals == "trace"):
        raise BadConfig("--export inferencex needs a closed loop; use --concurrency, or --export vllm")
