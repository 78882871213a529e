"""Run a campaign on this machine, or resume one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from paretoken.campaign.collect import collect
from paretoken.campaign.config import Campaign
from paretoken.campaign.feasible import check_here, nvidia_or_amd
from paretoken.campaign.load import load_campaign, with_bench_files
from paretoken.campaign.plan import Plan, check_room, make_plan
from paretoken.campaign.state import PENDING, CampaignFolder
from paretoken.campaign.supervise import supervise
from paretoken.catalog.loader import load_catalog
from paretoken.engines.ports import port_taken
from paretoken.errors import BadConfig

OnProgress = Callable[[CampaignFolder], None]


def plan_of(file: Path) -> tuple[Campaign, Plan]:
    """The campaign in a file and its plan; nothing is started and nothing is written."""
    campaign = load_campaign(file)
    return campaign, make_plan(campaign, load_catalog(*campaign.catalog))


def begin(file: Path, out: Path, *, here: bool = True) -> CampaignFolder:
    """Create a campaign on disk after all checks that need no server; `here` checks this machine too."""
    campaign, plan = plan_of(file)
    check_room(plan, out)
    if here:
        cells = [cell for job in plan.jobs for cell in job.cells]
        check_here(campaign, load_catalog(*campaign.catalog), cells, nvidia_or_amd)
        if campaign.run.port and port_taken(campaign.run.port):
            raise BadConfig(f"port {campaign.run.port} is in use; stop the process that uses it, or set run.port to 0")
    folder = CampaignFolder(out)
    folder.create(campaign, plan, file)
    return folder


def go(folder: CampaignFolder, on_progress: OnProgress = lambda _: None) -> int:
    """Run what is left of a campaign, job after job; returns the number of its points."""
    with folder.running_alone():
        try:
            for job in folder.jobs():
                go_job(folder, job.number, on_progress)
        finally:
            points = collect(folder)
    return points


def go_job(folder: CampaignFolder, number: int, on_progress: OnProgress = lambda _: None) -> None:
    """Run what is left of one job and collect its points."""
    supervise(folder, number, lambda: on_progress(folder))
    collect(folder)


def reopen(out: Path, *, retry_failed: bool = False) -> CampaignFolder:
    """A campaign to resume; BadConfig if what it measures has changed. `retry_failed` opens failed cells again."""
    folder = CampaignFolder(out)
    record = folder.record()
    file = Path(record["file"])
    if file.is_file():
        campaign = load_campaign(file)
        begun = with_bench_files(file.parent.resolve(), folder.campaign())  # earlier versions left them relative
        if campaign.digest() not in (record["digest"], begun.digest()):
            raise BadConfig(
                f"{file} has changed since {out} began; undo the change, or run the new campaign with another --out"
            )
        folder.refresh(campaign)
    if retry_failed:
        for job in folder.jobs():
            job_folder = folder.of(job)
            for cell in job_folder.failed_cells():
                job_folder.note_cell(cell, status=PENDING, attempts=[], reason=None, kind=None)
    return folder
