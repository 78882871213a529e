"""Run a campaign on this machine, or go on with one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from paretoken.campaign.collect import collect
from paretoken.campaign.config import Campaign, load_campaign
from paretoken.campaign.estimate import Estimate
from paretoken.campaign.feasible import check_here, nvidia_or_amd
from paretoken.campaign.plan import Plan, check_room, make_plan
from paretoken.campaign.state import FAILED, PENDING, CampaignFolder
from paretoken.campaign.supervise import supervise
from paretoken.catalog.loader import load_catalog
from paretoken.engines.ports import port_taken
from paretoken.errors import BadConfig

Look = Callable[[CampaignFolder], None]


def plan_of(file: Path, estimate: Estimate | None = None) -> tuple[Campaign, Plan]:
    """The campaign in a file and its plan; nothing is started and nothing is written."""
    campaign = load_campaign(file)
    return campaign, make_plan(campaign, load_catalog(*campaign.catalog), estimate)


def begin(file: Path, out: Path, *, here: bool = True) -> CampaignFolder:
    """A new campaign on disk, everything checked that can be before it starts; `here` checks this machine too."""
    campaign, plan = plan_of(file)
    check_room(plan, out)
    if here:
        cells = [cell for job in plan.jobs for cell in job.cells]
        check_here(campaign, load_catalog(*campaign.catalog), cells, nvidia_or_amd)
        if campaign.run.port and port_taken(campaign.run.port):
            raise BadConfig(
                f"port {campaign.run.port} is in use; stop what uses it, or set run.port to another, or to 0"
            )
    folder = CampaignFolder(out)
    folder.create(campaign, plan, file)
    return folder


def go(folder: CampaignFolder, look: Look = lambda _: None) -> int:
    """Do what is left of a campaign, job after job; how many points there are at the end."""
    with folder.held():
        try:
            for job in folder.jobs():
                go_job(folder, job.number, look)
        finally:
            points = collect(folder)
    return points


def go_job(folder: CampaignFolder, number: int, look: Look = lambda _: None) -> None:
    """Do what is left of one job, and bring its points home."""
    supervise(folder, number, lambda: look(folder))
    collect(folder)


def reopen(out: Path, *, retry_failed: bool = False) -> CampaignFolder:
    """A campaign to go on with; BadConfig if its file has changed since. With `retry_failed` failed cells are open."""
    folder = CampaignFolder(out)
    about = folder.about()
    file = Path(about["file"])
    if file.is_file() and load_campaign(file).digest() != about["digest"]:
        raise BadConfig(
            f"{file} has changed since {out} was begun; put it back as it was, or run the new one into another --out"
        )
    if retry_failed:
        for job in folder.jobs():
            place = folder.of(job)
            for cell in job.cells:
                if place.cell(cell)["status"] == FAILED:
                    place.note_cell(cell, status=PENDING, attempts=[], reason=None)
    return folder
