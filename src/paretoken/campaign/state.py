"""A campaign on disk: what was asked, and for each job and cell how far it is. Nothing is held in memory alone.

    OUT/campaign.json                   the campaign, its hash, the jobs, what cannot run and why
    OUT/jobs/0001-…/job.json            status and attempts of one server start and its cells
    OUT/jobs/0001-…/server.log, worker.log, environment.json
    OUT/jobs/0001-…/chat-1k-1k/         the run folder of a cell (see docs/bench.md), and cell.json
    OUT/points.parquet                  the operating points of all cells

Files are written beside their place and moved in. Locks are the kernel's: they end with the process that holds them.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from paretoken import __version__
from paretoken.bench.run_folder import read_json, write_json
from paretoken.campaign.config import Campaign
from paretoken.campaign.matrix import Cell, Serving
from paretoken.campaign.plan import Job, Plan
from paretoken.errors import BadConfig, BadFile, CannotWrite

VERSION = 1
CAMPAIGN, JOBS, JOB, CELL, POINTS, LOCK = "campaign.json", "jobs", "job.json", "cell.json", "points.parquet", ".lock"
PENDING, RUNNING, DONE, FAILED = "pending", "running", "done", "failed"


@dataclass(frozen=True, slots=True)
class CampaignFolder:
    """The folder of one campaign."""

    folder: Path

    def create(self, campaign: Campaign, plan: Plan, file: Path) -> None:
        """Begin. CannotWrite if there is a campaign already, or the place cannot be written to."""
        if (self.folder / CAMPAIGN).exists():
            raise CannotWrite(
                f"{self.folder} already holds a campaign; go on with 'paretoken campaign resume {self.folder}', "
                "or give another --out"
            )
        about = {
            "schema": "paretoken.campaign",
            "schema_version": VERSION,
            "tool": __version__,
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
            raise CannotWrite(f"{self.folder} cannot be written to: {e.strerror}; give another --out") from e

    def about(self) -> dict[str, Any]:
        """The content of campaign.json; BadFile if this is no campaign."""
        if not (self.folder / CAMPAIGN).is_file():
            raise BadFile(
                f"{self.folder} holds no campaign (no {CAMPAIGN}); give the --out of 'paretoken campaign run'"
            )
        about = read_json(self.folder / CAMPAIGN)
        if about.get("schema_version", 0) > VERSION:
            raise BadFile(f"{self.folder} was made by a newer version; update paretoken")
        return about

    def campaign(self) -> Campaign:
        """The campaign as it was when the state was written."""
        return Campaign.model_validate(self.about()["campaign"])

    def jobs(self) -> list[Job]:
        return [
            Job(j["number"], Serving(**j["serving"]), tuple(j["workloads"]), j["repeat"]) for j in self.about()["jobs"]
        ]

    def job(self, number: int) -> Job:
        """The job of that number; BadConfig if there is none."""
        found = {job.number: job for job in self.jobs()}
        if number not in found:
            raise BadConfig(f"{self.folder} has jobs 1 to {len(found)}, no job {number}")
        return found[number]

    def of(self, job: Job) -> JobFolder:
        return JobFolder(self.folder / JOBS / job.slug, job)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Alone at this campaign; BadConfig while another process runs it."""
        with locked(self.folder / LOCK, 0.0) as got:
            if not got:
                raise BadConfig(f"{self.folder} is being run by another process; see 'paretoken campaign status'")
            yield


@dataclass(frozen=True, slots=True)
class JobFolder:
    """The folder of one job."""

    folder: Path
    job: Job

    def cell_folder(self, cell: Cell) -> Path:
        return self.folder / cell.slug

    def status(self) -> dict[str, Any]:
        """How far the job is: status, attempts, reason, server."""
        return read_json(self.folder / JOB) if (self.folder / JOB).is_file() else {"status": PENDING, "starts": []}

    def note(self, **changes: Any) -> None:
        """Write changes of the job's status."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / JOB, self.status() | changes)

    def cell(self, cell: Cell) -> dict[str, Any]:
        """How far a cell is: status, attempts with their reasons."""
        file = self.cell_folder(cell) / CELL
        return read_json(file) if file.is_file() else {"status": PENDING, "attempts": []}

    def note_cell(self, cell: Cell, **changes: Any) -> None:
        """Write changes of a cell's status."""
        self.cell_folder(cell).mkdir(parents=True, exist_ok=True)
        write_json(self.cell_folder(cell) / CELL, self.cell(cell) | changes)

    def failed(self, cell: Cell, reason: str, kind: str, retries: int) -> None:
        """One more failed attempt of a cell; after `retries` more than the first it stays failed."""
        attempts = [*self.cell(cell)["attempts"], {"at": now(), "kind": kind, "reason": reason}]
        over = len(attempts) > retries
        self.note_cell(cell, status=FAILED if over else PENDING, attempts=attempts, reason=reason, kind=kind)

    def open_cells(self) -> list[Cell]:
        """Cells that are neither done nor failed for good."""
        return [cell for cell in self.job.cells if self.cell(cell)["status"] in (PENDING, RUNNING)]

    def running_now(self) -> bool:
        """Whether some process works at the job."""
        if not self.folder.is_dir():
            return False
        with locked(self.folder / LOCK, 0.0) as got:
            return not got


@contextmanager
def locked(path: Path, wait_s: float, sleep=time.sleep) -> Iterator[bool]:
    """Whether the lock of that file was got within `wait_s`; held inside, and gone with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + wait_s
    with path.open("wb") as file:
        got = False
        while not got:
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                got = True
            if got or time.monotonic() >= until:
                break
            sleep(0.1)
        yield got


def now() -> str:
    """The time as state files have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
