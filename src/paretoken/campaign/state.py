"""A campaign on disk: its content, and the progress of each job and cell. No state is in memory alone.

    OUT/campaign.json                   the campaign, its hash, the jobs, cells that cannot run and why
    OUT/jobs/0001-…/job.json            status and attempts of one server start and its cells
    OUT/jobs/0001-…/server.log, worker.log, environment.json
    OUT/jobs/0001-…/chat-1k-1k/         the run folder of a cell (see docs/bench.md), and cell.json
    OUT/points.parquet                  the operating points of all cells

Files are written under another name and renamed. Locks are the kernel's: they end with their process.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal, NotRequired
from uuid import uuid4

from pydantic import ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError, with_config
from typing_extensions import TypedDict

from paretoken import __version__
from paretoken.bench.lock import is_locked
from paretoken.bench.lock import locked as locked
from paretoken.bench.run_folder import SUMMARY, write_json
from paretoken.campaign.config import Campaign
from paretoken.campaign.matrix import MatrixCell, ServingConfig
from paretoken.campaign.plan import CampaignJob, Plan
from paretoken.catalog.loader import explain
from paretoken.errors import BadConfig, BadFile, CannotWrite
from paretoken.plain_files import as_type, read_json

VERSION = 1
CAMPAIGN, JOBS, JOB, CELL, POINTS, LOCK = "campaign.json", "jobs", "job.json", "cell.json", "points.parquet", ".lock"
LOST = "summary.lost.json"
"""The summary of a level whose server died, in the folder to which that level is moved."""
PENDING, RUNNING, DONE, FAILED = "pending", "running", "done", "failed"
Status = Literal["pending", "running", "done", "failed"]
_KEEPS_ALL = with_config(ConfigDict(extra="allow"))
"""Files are written anew from what was read: keys of later versions stay."""


@_KEEPS_ALL
class JobRecord(TypedDict):
    """job.json: `starts` are the server starts, each with what was started or why that failed."""

    status: Status
    starts: list[dict[str, object]]
    ended: NotRequired[str]
    accuracy: NotRequired[dict[str, object]]


class PointNow(TypedDict):
    """The point that a cell is at: its concurrency or its rate, and since when it runs."""

    number: int
    of: int | None
    users: int | None
    rate: float | None
    since_unix_s: float


@_KEEPS_ALL
class CellRecord(TypedDict):
    """cell.json."""

    status: Status
    attempts: list[dict[str, str]]
    point: NotRequired[PointNow | None]
    reason: NotRequired[str | None]
    kind: NotRequired[str | None]
    started: NotRequired[str]
    ended: NotRequired[str]
    failed_points: NotRequired[list[dict[str, object]]]


class ServingEntry(TypedDict):
    """A serving configuration as campaign.json lists it."""

    accelerator: str
    engine: str
    model: str
    precision: str
    tp: PositiveInt
    ep: PositiveInt
    dp_attention: bool


class JobEntry(TypedDict):
    """A job as campaign.json lists it."""

    number: PositiveInt
    serving: ServingEntry
    workloads: Annotated[list[str], Field(min_length=1)]
    repeat: PositiveInt


class CampaignRecord(TypedDict):
    """campaign.json."""

    schema_version: NotRequired[int]
    id: NotRequired[str]
    file: str
    digest: str
    campaign: dict[str, object]
    points_per_cell: NonNegativeInt
    jobs: list[JobEntry]
    infeasible: list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class CampaignFolder:
    """The folder of one campaign."""

    folder: Path

    def create(self, campaign: Campaign, plan: Plan, file: Path) -> None:
        """Begin a campaign. CannotWrite if the folder has one already or is not writable."""
        if (self.folder / CAMPAIGN).exists():
            raise CannotWrite(
                f"{self.folder} already has a campaign; resume it with 'paretoken campaign resume {self.folder}', "
                "or give another --out"
            )
        about = {
            "schema": "paretoken.campaign",
            "schema_version": VERSION,
            "tool": __version__,
            "id": uuid4().hex,
            "file": str(file.resolve()),
            "digest": campaign.digest(),
            "campaign": campaign.model_dump(mode="json"),
            "points_per_cell": plan.points_per_cell,
            "jobs": [asdict(job) for job in plan.jobs],
            "infeasible": plan.obstacles(),
        }
        try:
            (self.folder / JOBS).mkdir(parents=True, exist_ok=True)
            write_json(self.folder / CAMPAIGN, about)
        except OSError as e:
            raise CannotWrite(f"{self.folder} is not writable: {e.strerror}; give another --out") from e

    def record(self) -> CampaignRecord:
        """The content of campaign.json; BadFile if the folder has no campaign."""
        if not (self.folder / CAMPAIGN).is_file():
            raise BadFile(
                f"{self.folder} has no campaign (no {CAMPAIGN}); give the --out folder of 'paretoken campaign run'"
            )
        record = as_type(CampaignRecord, read_json(self.folder / CAMPAIGN), self.folder / CAMPAIGN)
        if record.get("schema_version", 0) > VERSION:
            raise BadFile(f"{self.folder} was made by a newer version; update paretoken")
        return record

    def campaign(self) -> Campaign:
        """The campaign as it was when it began."""
        try:
            return Campaign.model_validate(self.record()["campaign"])
        except ValidationError as e:
            raise BadFile(f"{self.folder / CAMPAIGN}: campaign: {explain(e, list(Campaign.model_fields))}") from e

    def identity(self) -> str:
        """What no other campaign has, on any machine: its id, or the path of a folder that is older than ids."""
        record = self.record()
        return record.get("id") or f"{self.folder.resolve()}\n{record['digest']}"

    def refresh(self, campaign: Campaign) -> None:
        """Take over what may differ in the same campaign: where on a cluster it runs, and paths made absolute."""
        if campaign != self.campaign():
            write_json(self.folder / CAMPAIGN, {**self.record(), "campaign": campaign.model_dump(mode="json")})

    def jobs(self) -> list[CampaignJob]:
        return [
            CampaignJob(j["number"], ServingConfig(**j["serving"]), tuple(j["workloads"]), j["repeat"])
            for j in self.record()["jobs"]
        ]

    def job(self, number: int) -> CampaignJob:
        """The job of that number; BadConfig if there is none."""
        jobs = {job.number: job for job in self.jobs()}
        if number not in jobs:
            raise BadConfig(f"{self.folder} has jobs 1 to {len(jobs)}, not {number}")
        return jobs[number]

    def of(self, job: CampaignJob) -> JobFolder:
        return JobFolder(self.folder / JOBS / job.slug, job)

    @contextmanager
    def running_alone(self) -> Iterator[None]:
        """Hold the campaign's lock; BadConfig while another process runs the campaign."""
        with locked(self.folder / LOCK, 0.0) as acquired:
            if not acquired:
                raise BadConfig(f"another process runs {self.folder}; see 'paretoken campaign status {self.folder}'")
            yield


@dataclass(frozen=True, slots=True)
class JobFolder:
    """The folder of one job."""

    folder: Path
    job: CampaignJob

    def cell_folder(self, cell: MatrixCell) -> Path:
        return self.folder / cell.slug

    def status(self) -> JobRecord:
        """The progress of the job."""
        file = self.folder / JOB
        return as_type(JobRecord, read_json(file), file) if file.is_file() else JobRecord(status="pending", starts=[])

    def note(self, **changes: object) -> None:
        """Write changes of the job's record."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / JOB, {**self.status(), **changes})

    def cell(self, cell: MatrixCell) -> CellRecord:
        """The progress of a cell."""
        file = self.cell_folder(cell) / CELL
        if not file.is_file():
            return CellRecord(status="pending", attempts=[])
        return as_type(CellRecord, read_json(file), file)

    def note_cell(self, cell: MatrixCell, **changes: object) -> None:
        """Write changes of a cell's record."""
        self.cell_folder(cell).mkdir(parents=True, exist_ok=True)
        write_json(self.cell_folder(cell) / CELL, {**self.cell(cell), **changes})

    def failed(self, cell: MatrixCell, reason: str, kind: str, retries: int) -> None:
        """Record a failed attempt of a cell. After the first and `retries` more the cell stays failed."""
        attempts = [*self.cell(cell)["attempts"], {"at": now(), "kind": kind, "reason": reason}]
        over = len(attempts) > retries
        status = FAILED if over else PENDING
        self.note_cell(cell, status=status, attempts=attempts, reason=reason, kind=kind, point=None)

    def open_cells(self) -> list[MatrixCell]:
        """Cells that are neither done nor failed for good."""
        return self._cells(PENDING, RUNNING)

    def failed_cells(self) -> list[MatrixCell]:
        """Cells that failed for good."""
        return self._cells(FAILED)

    def _cells(self, *statuses: str) -> list[MatrixCell]:
        return [cell for cell in self.job.cells if self.cell(cell)["status"] in statuses]

    def point(self) -> PointNow | None:
        """The point that is measured now; None between points."""
        return next((point for cell in self._cells(RUNNING) if (point := self.cell(cell).get("point"))), None)

    def begin_attempt(self) -> None:
        """No open cell is measured now, whatever a worker noted that was killed, perhaps days ago."""
        for cell in self.open_cells():
            self.note_cell(cell, status=PENDING, point=None)

    def count_failure(self, reason: str, kind: str, retries: int) -> None:
        """Count an attempt that failed: of the cell that was measured, or of every open cell where none was."""
        for cell in self._cells(RUNNING) or self.open_cells():
            self.failed(cell, reason, kind, retries)

    def forget_lost_levels(self) -> None:
        """Remove summaries that came here before the load moved their levels aside: these are measured again."""
        for lost in self.folder.glob(f"*/levels/*/{LOST}"):
            summary = lost.parent.with_name(lost.parent.name.partition(".")[0]) / SUMMARY
            if summary.is_file() and summary.read_bytes() == lost.read_bytes():
                summary.unlink()

    def next_log(self, name: str) -> Path:
        """Where the next log of that name goes."""
        return self.folder / f"{name}.{len(list(self.folder.glob(f'{name}.*.log'))) + 1}.log"

    def running_now(self) -> bool:
        """Whether a process works on the job."""
        return is_locked(self.folder / LOCK)


def now() -> str:
    """The time as the state files write it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
