"""A campaign on a Kubernetes cluster, driven from this machine; its results come into the campaign's folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event

from paretoken.campaign.collect import collect
from paretoken.campaign.config import Campaign
from paretoken.campaign.kubernetes.drive import JobDriver
from paretoken.campaign.kubernetes.kubectl import Kubectl
from paretoken.campaign.kubernetes.manifests import JobObjects, job_objects
from paretoken.campaign.plan import CampaignJob
from paretoken.campaign.run import OnProgress
from paretoken.campaign.state import CampaignFolder
from paretoken.catalog.loader import load_catalog
from paretoken.engines.kubernetes.text import yaml_of

SHOW_S = 0.5


def manifests(campaign: Campaign, jobs: Sequence[CampaignJob]) -> str:
    """All objects of a campaign as YAML. BadConfig for a job that no pod can run."""
    of_jobs = _objects(campaign, jobs, campaign.digest())
    return yaml_of([manifest for objects in of_jobs for manifest in (objects.load, *objects.engine)])


def check_kubernetes(campaign: Campaign, jobs: Sequence[CampaignJob]) -> None:
    """BadConfig for a job that no pod can run, ParetokenError without a cluster; nothing is created."""
    _objects(campaign, jobs, campaign.digest())
    Kubectl(campaign.kubernetes).check()


def go_kubernetes(folder: CampaignFolder, on_progress: OnProgress = lambda _: None) -> int:
    """Run what is left of a campaign on a cluster; returns the number of its points.

    However it ends, the objects that it created are deleted, and the points that were finished are here.
    """
    campaign, left = folder.campaign(), [job for job in folder.jobs() if folder.of(job).open_cells()]
    kubectl, stop = Kubectl(campaign.kubernetes), Event()
    drivers = [
        JobDriver(folder, folder.of(job), objects, kubectl, stop)
        for job, objects in zip(left, _objects(campaign, left, folder.identity()), strict=True)
    ]
    kubectl.check()
    with folder.running_alone():
        try:
            with ThreadPoolExecutor(campaign.kubernetes.most_at_once) as pool:
                _drive(pool, drivers, stop, partial(on_progress, folder))
        finally:
            points = collect(folder)
    return points


def _objects(campaign: Campaign, jobs: Sequence[CampaignJob], identity: str) -> list[JobObjects]:
    catalog = load_catalog(*campaign.catalog)
    return [job_objects(campaign, catalog, job, identity) for job in jobs]


def _drive(
    pool: ThreadPoolExecutor, drivers: Sequence[JobDriver], stop: Event, on_progress: Callable[[], None]
) -> None:
    """Drive all jobs; the first error, or Ctrl-C, stops them, and the pool waits until they have cleaned up."""
    try:
        running = [pool.submit(driver.drive) for driver in drivers]
        while not all(job.done() for job in running) and not any(job.done() and job.exception() for job in running):
            on_progress()
            time.sleep(SHOW_S)
        on_progress()
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
    for job in running:
        if not job.cancelled():
            job.result()
