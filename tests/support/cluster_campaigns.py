"""Campaigns on the cluster of `kubectl_here`: their file and recipe, what their load measures, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

from paretoken.campaign.collect import status
from paretoken.campaign.kubernetes.kubectl import Kubectl
from paretoken.campaign.kubernetes.manifests import job_objects
from paretoken.campaign.state import CampaignFolder
from paretoken.catalog.loader import load_catalog
from tests.support.kubectl_here import RUNS, over, pod

RECIPE = """
name = "Emulator"
engine = "emulator"
version = "1"
date = "2026-11-30"
source = "tests"
vendors = ["CPU"]
install = "none"
program = ["paretoken", "emulate"]
model_form = "hf"
dialect = "vllm"
ready_within_s = 5
grace_s = 1
images = { CPU = "registry/emulator:1" }
[flags]
host = ["--host", "{}"]
port = ["--port", "{}"]
"""
TEXT = """
name = "on a cluster"
recipes = { emulator = "emulator.toml" }
[matrix]
engine = ["emulator"]
model = ["llama-3-70b"]
precision = ["fp8"]
workload = ["16/8", "32/16"]
concurrency = "1"
[models.llama-3-70b]
path = "org/model"
tokenizer = "tokenizer.json"
[bench]
until = "4 requests"
[kubernetes]
image = "registry/paretoken:1"
namespace = "bench"
"""
BOTH = [pod("engine", server=RUNS), pod("load", load=RUNS, keeper=RUNS)]
ENDED = [pod("engine", server=RUNS), pod("load", load=over(0, "Completed"), keeper=RUNS)]


def measured(folder: CampaignFolder, place: Path, attempt: int, **cells: str) -> None:
    """What the load of an attempt leaves: the status of each cell."""
    (job,) = folder.jobs()
    for slug, state in cells.items():
        cell = place / f"measured-{attempt}/jobs/{job.slug}/{slug.replace('_', '-').strip('-')}"
        cell.mkdir(parents=True)
        (cell / "cell.json").write_text(json.dumps({"status": state, "attempts": []}))


def states(folder: CampaignFolder) -> list[tuple[str, str | None]]:
    return [(row.status, row.kind) for row in status(folder)]


def calls(place: Path) -> list[list[str]]:
    return [json.loads(line) for line in (place / "calls").read_text().splitlines()]


def prepared(folder: CampaignFolder):
    """The objects of its only job, and the commands for its cluster."""
    campaign, (job,) = folder.campaign(), folder.jobs()
    return job_objects(campaign, load_catalog(), job, folder.identity()), Kubectl(campaign.kubernetes)
