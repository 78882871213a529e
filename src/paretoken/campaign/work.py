"""One job, by the process that does it: start the server, warm it up, measure cell after cell, leave a trace of all."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

from paretoken.bench.config import BenchConfig
from paretoken.bench.plan import Closed, Load, Stop
from paretoken.bench.probe import probe
from paretoken.bench.run_folder import RUN, SUMMARY, LevelOnDisk, RunFolder, write_json
from paretoken.bench.setup import Setup, prepare
from paretoken.bench.stats.doubts import TOO_MANY_ERRORS
from paretoken.bench.sweep import sweep
from paretoken.campaign.climb import ClimbingLadder
from paretoken.campaign.config import Campaign
from paretoken.campaign.feasible import most_users
from paretoken.campaign.matrix import Cell
from paretoken.campaign.probing import accuracy_probe, warm_up
from paretoken.campaign.serve import served, tokenizer_of
from paretoken.campaign.state import DONE, FAILED, LOCK, RUNNING, CampaignFolder, JobFolder, locked, now
from paretoken.campaign.telemetry import FIGURES, keep_telemetry
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.engines.command import Command
from paretoken.engines.launch import Launched, installed_version
from paretoken.engines.ports import free_port
from paretoken.engines.recipes import CPU
from paretoken.engines.telemetry.sampler import Sampler, open_sources
from paretoken.engines.telemetry.snapshot import snapshot
from paretoken.errors import BadConfig, EngineFailed, ParetokenError

ENVIRONMENT = "environment.json"
JUST_NOW_S = 60.0
WAIT_FOR_LOCK_S = 5.0


def work(out: Path, number: int) -> None:
    """Do a job to its end: afterwards every cell of it is done, or failed with its reason."""
    signal.signal(signal.SIGTERM, _end)
    campaign_folder = CampaignFolder(out)
    job = campaign_folder.of(campaign_folder.job(number))
    with locked(job.folder / LOCK, WAIT_FOR_LOCK_S) as got:
        if not got:  # the supervisor has waited for it
            raise BadConfig(f"another process works at {job.folder}; wait for it, or end it")
        campaign = campaign_folder.campaign()
        worker = Worker(campaign, load_catalog(*campaign.catalog), job)
        job.note(status=RUNNING)
        while job.open_cells():
            worker.serve_once()
        bad = [cell for cell in job.job.cells if job.cell(cell)["status"] == FAILED]
        job.note(status=FAILED if bad else DONE, ended=now())


class Worker:
    """What a job is done with."""

    def __init__(self, campaign: Campaign, catalog: Catalog, job: JobFolder) -> None:
        self.campaign, self.catalog, self.job = campaign, catalog, job

    def serve_once(self) -> None:
        """One server start and as many cells as it lives for; each pass uses up an attempt of at least one cell."""
        retries = self.campaign.run.retries
        try:
            sampler = Sampler(open_sources(), self.campaign.run.telemetry_s)
            with Launched(self._command(), self.job.folder) as server, sampler:
                self._started(server, sampler)
                for cell in self.job.open_cells():
                    self._cell(cell, server, sampler)
        except EngineFailed as e:
            self._lost(e, retries)
        except ParetokenError as e:  # not installed, no port, a wrong answer: a second try would say the same
            for cell in self.job.open_cells():
                self.job.failed(cell, str(e), "setup", 0)

    def _command(self) -> Command:
        port = self.campaign.run.port or free_port()
        return served(self.campaign, self.catalog, self.job.job.cells, most_users(self.campaign), port)

    def _started(self, server: Launched, sampler: Sampler) -> None:
        command = server.command
        image = command.image if command.container else ""
        write_json(self.job.folder / ENVIRONMENT, snapshot(sampler.sources, image))
        start = {
            "at": now(),
            "ready_s": server.ready_s,
            "command": shlex.join(command.arguments),
            "env": dict(command.env),
            "parameters": dict(command.parameters),
            "image": image or None,
            "recipe": {"engine": command.engine, "version": command.version},
            "installed_version": installed_version(command),
        }
        self.job.note(starts=[*self.job.status()["starts"], start])
        if self.campaign.run.accuracy and not self._random_weights():
            verdict = accuracy_probe(server.base_url, command.served_name)
            self.job.note(accuracy={"passed": verdict.passed, "text": verdict.text, **verdict.details})
            if not verdict.passed:
                raise ParetokenError(f"the answers of {command.name} fail the accuracy probe: {verdict.text}")

    def _random_weights(self) -> bool:
        """Whether the model is made of noise: its likeliest tokens are ties, so no answer of it is right or wrong."""
        place = self.campaign.models.get(self.job.job.cells[0].serving.model)
        return bool(place and place.random)

    def _cell(self, cell: Cell, server: Launched, sampler: Sampler) -> None:
        """Measure a cell. Its failure is its own; that of the server is raised."""
        try:
            measure(self.campaign, self.catalog, self.job, cell, server, sampler)
        except EngineFailed as e:
            self.job.failed(cell, str(e), e.kind, self.campaign.run.retries)
            raise _Known(str(e), e.kind) from e
        except ParetokenError as e:
            self.job.failed(cell, str(e), "error", self.campaign.run.retries)
            try:
                server.check(answers=True)
            except EngineFailed as dead:
                raise _Known(str(dead), dead.kind) from dead

    def _lost(self, e: EngineFailed, retries: int) -> None:
        """A server that did not start counts as an attempt of every open cell; one lost later has been counted."""
        self.job.note(starts=[*self.job.status()["starts"], {"at": now(), "kind": e.kind, "failed": str(e)}])
        if not isinstance(e, _Known):
            for cell in self.job.open_cells():
                self.job.failed(cell, str(e), e.kind, retries)


class _Known(EngineFailed):
    """A loss of the server that some cell has on its account."""


def measure(
    campaign: Campaign, catalog: Catalog, job: JobFolder, cell: Cell, server: Launched, sampler: Sampler
) -> None:
    """The ladder of one cell, from its first unfinished level on."""
    job.note_cell(cell, status=RUNNING, started=now())
    run = RunFolder(job.cell_folder(cell))
    setup = prepare(bench_config(campaign, catalog, cell, server.command, run))
    if not (run.folder / RUN).exists():
        run.create(setup.about(shlex.join(sys.argv)))
    warm_up(setup, campaign.run.warmup_requests, run.folder / "warm-up")
    for level in sweep(setup, run, Watching(job, cell), _steps(campaign, setup)):
        if TOO_MANY_ERRORS in level.summary:
            _blame(server, run, level)
        if not (level.folder / FIGURES).exists():
            _keep_telemetry(sampler, level, cell, catalog)
    job.note_cell(cell, status=DONE, ended=now(), point=None, failed_points=_failed_points(run))


def bench_config(campaign: Campaign, catalog: Catalog, cell: Cell, command: Command, run: RunFolder) -> BenchConfig:
    """The benchmark of a cell on a server; the seed is that of the run if it was begun before."""
    s, matrix = cell.serving, campaign.matrix
    kept = run.about()["config"] if (run.folder / RUN).exists() else {}
    listed = probe(command.base_url).models
    model = command.served_name if command.served_name in listed or len(listed) != 1 else listed[0]
    values: dict[str, Any] = {
        **{k: tuple(v) if isinstance(v, list) else v for k, v in campaign.bench.items()},
        "urls": (command.base_url,),
        "model": model,
        "dialect": command.dialect,
        "tokenizer": tokenizer_of(campaign, s.model),
        "workload": cell.workload,
        "isl": str(catalog.workload(cell.workload).isl),
        "osl": str(catalog.workload(cell.workload).osl),
        "concurrency": matrix.concurrency or None,
        "rate": matrix.rate or None,
        "gpus": s.tp,
        "accelerator": "CPU" if s.accelerator == CPU else s.accelerator,
        "precision": s.precision or None,
        "tp": s.tp,
        "engine": s.engine,
        "catalog_model": s.model,
        "seed": kept.get("seed"),
    }
    known = {f.name for f in fields(BenchConfig)}
    return BenchConfig(**{k: v for k, v in values.items() if k in known})


class Watching:
    """Keeps on disk which point a cell is at and since when, for `status` and for who watches over the time."""

    def __init__(self, job: JobFolder, cell: Cell) -> None:
        self.job, self.cell = job, cell

    def begins(self, number: int, load: Load, of: int | None, stop: Stop) -> None:
        users = load.users if isinstance(load, Closed) else None
        rate = None if isinstance(load, Closed) else load.rate
        self.job.note_cell(
            self.cell, point={"number": number, "of": of, "users": users, "rate": rate, "since_unix_s": time.time()}
        )

    def goes_on(self, progress: Any) -> None:
        pass

    def ends(self, level: LevelOnDisk) -> None:
        self.job.note_cell(self.cell, point=None)


def _steps(campaign: Campaign, setup: Setup) -> ClimbingLadder | None:
    climb = campaign.run.climb
    return None if climb is None else ClimbingLadder(setup.loads(), growth=climb.growth, e2e_s=climb.e2e_s)


def _blame(server: Launched, run: RunFolder, level: LevelOnDisk) -> None:
    """A level that failed because the server did is put aside, so that it is measured again; EngineFailed then."""
    try:
        server.check(answers=True)
    except EngineFailed:
        (level.folder / SUMMARY).rename(level.folder / "summary.lost.json")  # else it would count as finished
        run.clear(int(level.folder.name))
        run.refresh()
        raise


def _keep_telemetry(sampler: Sampler, level: LevelOnDisk, cell: Cell, catalog: Catalog) -> None:
    """Beside a level just measured; one of an earlier worker, whose samples went with it, stays without."""
    if time.monotonic() - level.summary["run"]["t0_monotonic_s"] > level.summary["run"]["elapsed_s"] + JUST_NOW_S:
        return
    on_cpu = cell.serving.accelerator == CPU
    accelerator = None if on_cpu else catalog.accelerators[cell.serving.accelerator]
    keep_telemetry(sampler, level, 0 if on_cpu else cell.serving.tp, accelerator)
    sampler.forget(time.monotonic() - sampler.interval_s)


def _failed_points(run: RunFolder) -> list[dict[str, Any]]:
    return [
        {"load": level.summary["load"], "reason": level.summary[TOO_MANY_ERRORS]}
        for level in run.levels()
        if TOO_MANY_ERRORS in level.summary
    ]


def _end(*_: object) -> None:
    sys.exit(128 + signal.SIGTERM)
