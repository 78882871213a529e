"""The worker process of one job: start the server, warm it up, measure cell after cell, record everything."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from pathlib import Path

from paretoken.bench.client.counters import Progress
from paretoken.bench.config import BenchConfig
from paretoken.bench.documents import to_json
from paretoken.bench.plan import Closed, Load, Stop
from paretoken.bench.probe import probe
from paretoken.bench.run_folder import RUN, SUMMARY, LevelOnDisk, RunFolder, write_json
from paretoken.bench.setup import Setup, prepare
from paretoken.bench.sweep import sweep
from paretoken.campaign.climb import ClimbingLadder
from paretoken.campaign.config import Campaign
from paretoken.campaign.feasible import most_users
from paretoken.campaign.kubernetes.attached import PORT, Attached, EngineAway
from paretoken.campaign.matrix import MatrixCell
from paretoken.campaign.probing import accuracy_probe, warm_up
from paretoken.campaign.serve import has_random_weights, served, tokenizer_of
from paretoken.campaign.state import DONE, FAILED, LOCK, LOST, RUNNING, CampaignFolder, JobFolder, PointNow, locked, now
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


def work(out: Path, number: int, engine: str = "") -> None:
    """Run a job to its end: afterwards every cell is done, or failed with a reason.

    `engine` is the host of one that a cluster started. EngineAway once that no longer answers; its driver counts it.
    """
    signal.signal(signal.SIGTERM, _end)
    campaign_folder = CampaignFolder(out)
    job = campaign_folder.of(campaign_folder.job(number))
    with locked(job.folder / LOCK, WAIT_FOR_LOCK_S) as acquired:
        if not acquired:  # the supervisor has waited for it
            raise BadConfig(f"another process is working on {job.folder}; wait for it, or stop it")
        campaign = campaign_folder.campaign()
        worker = JobWorker(campaign, load_catalog(*campaign.catalog), job, engine)
        job.note(status=RUNNING)
        while job.open_cells():
            worker.serve_once()
        job.note(status=FAILED if job.failed_cells() else DONE, ended=now())


class JobWorker:
    """The campaign, the catalog and the folder that a job needs, and its server starts."""

    def __init__(self, campaign: Campaign, catalog: Catalog, job: JobFolder, engine: str) -> None:
        self.campaign, self.catalog, self.job, self.engine = campaign, catalog, job, engine

    def serve_once(self) -> None:
        """Start one server and measure cells while it lives; each call uses up an attempt of at least one cell."""
        try:
            sampler = Sampler(open_sources(), self.campaign.run.telemetry_s)
            with self._server() as server, sampler:
                self._started(server, sampler)
                for cell in self.job.open_cells():
                    self._cell(cell, server, sampler)
        except EngineFailed as e:
            self._server_lost(e)
            if isinstance(e, EngineAway):  # its driver counts it
                raise
        except ParetokenError as e:  # not installed, no port, a wrong answer: a second try would fail alike
            for cell in self.job.open_cells():
                self.job.failed(cell, str(e), "setup", 0)

    def _server(self) -> Launched:
        if self.engine:
            return Attached(self._command(PORT), self.job.folder, host=self.engine)
        return Launched(self._command(self.campaign.run.port or free_port()), self.job.folder)

    def _command(self, port: int) -> Command:
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
                raise ParetokenError(f"{command.name} fails the accuracy probe: {verdict.text}")

    def _random_weights(self) -> bool:
        """Whether the model has random weights: its likeliest tokens are ties, so no answer is right or wrong."""
        return has_random_weights(self.campaign, self.job.job.serving.model)

    def _cell(self, cell: MatrixCell, server: Launched, sampler: Sampler) -> None:
        """Measure a cell. Its own failure is recorded; a failure of the server is raised."""
        try:
            measure(self.campaign, self.catalog, self.job, cell, server, sampler)
        except EngineAway:
            raise
        except EngineFailed as e:
            self.job.failed(cell, str(e), e.kind, self.campaign.run.retries)
            raise CountedLoss(str(e), e.kind) from e
        except ParetokenError as e:
            try:
                server.check(answers=True)
            except EngineAway:
                raise
            except EngineFailed as dead:
                self.job.failed(cell, str(e), "error", self.campaign.run.retries)
                raise CountedLoss(str(dead), dead.kind) from dead
            self.job.failed(cell, str(e), "error", self.campaign.run.retries)

    def _server_lost(self, e: EngineFailed) -> None:
        """Record a failed start as an attempt of every open cell, unless it is counted already or by the driver."""
        self.job.note(starts=[*self.job.status()["starts"], {"at": now(), "kind": e.kind, "failed": str(e)}])
        if not isinstance(e, CountedLoss | EngineAway):
            for cell in self.job.open_cells():
                self.job.failed(cell, str(e), e.kind, self.campaign.run.retries)


class CountedLoss(EngineFailed):
    """A loss of the server that is already counted as a failed attempt of a cell."""


def measure(
    campaign: Campaign, catalog: Catalog, job: JobFolder, cell: MatrixCell, server: Launched, sampler: Sampler
) -> None:
    """Measure the ladder of one cell from its first unfinished level."""
    job.note_cell(cell, status=RUNNING, started=now())
    run = RunFolder(job.cell_folder(cell))
    setup = prepare(bench_config(campaign, catalog, cell, server.command, run), catalog=catalog)
    if not (run.folder / RUN).exists():
        run.create(setup.metadata(shlex.join(sys.argv)))
    warm_up(setup, campaign.run.warmup_requests, run.folder / "warm-up")
    for level in sweep(setup, run, PointRecorder(job, cell), _climbing_ladder(campaign, setup)):
        if level.summary.failed:
            _blame(server, run, level)
        if not (level.folder / FIGURES).exists():
            _keep_telemetry(sampler, level, cell, catalog)
    job.note_cell(cell, status=DONE, ended=now(), point=None, failed_points=_failed_points(run))


def bench_config(
    campaign: Campaign, catalog: Catalog, cell: MatrixCell, command: Command, run: RunFolder
) -> BenchConfig:
    """The benchmark of a cell on a server, with the seed of the run if it began before."""
    s, matrix = cell.serving, campaign.matrix
    seed = run.metadata().config.get("seed") if (run.folder / RUN).exists() else None
    listed = probe(command.base_url).models
    model = command.served_name if command.served_name in listed or len(listed) != 1 else listed[0]
    settings: dict[str, object] = {
        **_drafting(command),
        **campaign.bench,
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
        "seed": seed,
    }
    return BenchConfig.of_dict(settings)


def _drafting(command: Command) -> dict[str, object]:
    """That a server drafts no tokens, where nothing in the command that started it speaks of a draft."""
    words = " ".join((*command.arguments, *command.env, *command.files.values())).lower()
    return {} if "spec" in words or "draft" in words else {"speculative": "none"}


class PointRecorder:
    """Keeps on disk which point a cell is at and since when, for `status` and for the supervisor."""

    def __init__(self, job: JobFolder, cell: MatrixCell) -> None:
        self.job, self.cell = job, cell

    def begins(self, number: int, load: Load, of: int | None, stop: Stop) -> None:
        users = load.users if isinstance(load, Closed) else None
        rate = None if isinstance(load, Closed) else load.rate
        point = PointNow(number=number, of=of, users=users, rate=rate, since_unix_s=time.time())
        self.job.note_cell(self.cell, point=point)

    def goes_on(self, progress: Progress) -> None:
        pass

    def ends(self, level: LevelOnDisk) -> None:
        self.job.note_cell(self.cell, point=None)


def _climbing_ladder(campaign: Campaign, setup: Setup) -> ClimbingLadder | None:
    climb = campaign.run.climb
    return None if climb is None else ClimbingLadder(setup.loads(), growth=climb.growth, e2e_s=climb.e2e_s)


def _blame(server: Launched, run: RunFolder, level: LevelOnDisk) -> None:
    """EngineFailed if a level failed because its server did: it is moved aside and measured again."""
    try:
        server.check(answers=True)
    except EngineFailed:
        (level.folder / SUMMARY).rename(level.folder / LOST)  # else it would count as finished
        run.clear(int(level.folder.name))
        run.refresh()
        raise


def _keep_telemetry(sampler: Sampler, level: LevelOnDisk, cell: MatrixCell, catalog: Catalog) -> None:
    """Keep the telemetry of a level that was just measured; a level of an earlier worker stays without."""
    times = level.summary.run
    ended_s = (times.t0_monotonic_s or 0.0) + (times.elapsed_s or 0.0)
    if time.monotonic() > ended_s + JUST_NOW_S:
        return
    on_cpu = cell.serving.accelerator == CPU
    accelerator = None if on_cpu else catalog.accelerators[cell.serving.accelerator]
    keep_telemetry(sampler, level, 0 if on_cpu else cell.serving.tp, accelerator)
    sampler.forget(time.monotonic() - sampler.interval_s)


def _failed_points(run: RunFolder) -> list[dict[str, object]]:
    return [
        {"load": to_json(level.summary.load), "reason": level.summary.failed}
        for level in run.levels()
        if level.summary.failed
    ]


def _end(*_: object) -> None:
    sys.exit(128 + signal.SIGTERM)
