"""Campaign files, what a campaign keeps of its progress, launch recipes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import orjson

from paretoken.campaign.collect import collect, status
from paretoken.campaign.estimate import RuleEstimate
from paretoken.campaign.load import load_campaign
from paretoken.campaign.plan import make_plan
from paretoken.campaign.slurm import submitted
from paretoken.campaign.state import CampaignFolder
from paretoken.catalog.engine_files import read_engine_file
from paretoken.catalog.loader import load_catalog
from paretoken.engines.recipes import read_recipe
from tests.fuzz.reader import Files, FuzzedReader
from tests.fuzz.registry.runs import files_below, run_files

CAMPAIGN = """
name = "fuzzed"
title = "a campaign"
catalog = ["own"]
[matrix]
accelerator = ["H200", "MI300X"]
engine = ["vllm", "sglang"]
model = ["llama-3-70b"]
precision = ["fp8"]
tp = [2, 4]
ep = [1]
dp_attention = [false]
workload = ["chat", "mine"]
concurrency = "1:8:x2"
include = [{ accelerator = "B200", tp = [8], workload = "8k/1k" }]
exclude = [{ accelerator = "MI300X", engine = ["sglang"] }]
[models.llama-3-70b]
path = { fp8 = "meta/llama-fp8" }
tokenizer = "meta/llama"
[engines.vllm]
set = { max_num_seqs = 64 }
env = { VLLM_USE_V1 = "1" }
extra = ["--no-enable-log-requests"]
ready_within_s = 600.0
[[override]]
when = { accelerator = "H200" }
set = { max_num_seqs = 32 }
[bench]
until = "30s"
warmup_per_user = 1
timeout_s = 60.0
[run]
order = "interleaved"
repeat = 2
retries = 1
telemetry_s = 1.0
climb = { growth = 0.02, e2e_s = 60.0 }
[slurm]
partition = { H200 = "gpu" }
most_at_once = 4
lines = ["--exclusive"]
[kubernetes]
image = "registry/paretoken:1"
node_selector = { pool = "gpu", H200 = { product = "H200" } }
tolerations = [{ key = "gpu", operator = "Exists" }]
most_at_once = 2
"""
WORKLOAD = """
[mine]
name = "Mine"
isl = 100
osl = 20
task = "chat"
source = "me"
date = "2026-11-01"
"""


def campaign_files() -> Files:
    return {"c.toml": CAMPAIGN.encode(), "own/workloads.toml": WORKLOAD.encode()}


def campaign(place: Path) -> None:
    """All of it that `--dry-run` reads, by the rules alone."""
    loaded = load_campaign(place / "c.toml")
    catalog = load_catalog(*loaded.catalog)
    make_plan(loaded, catalog, RuleEstimate(loaded, catalog)).obstacles()


def folder_files() -> Files:
    """A campaign with one cell measured and one that failed."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for path, content in campaign_files().items():
            (place / path).parent.mkdir(exist_ok=True)
            (place / path).write_bytes(content)
        loaded = load_campaign(place / "c.toml")
        catalog = load_catalog(*loaded.catalog)
        folder = CampaignFolder(place / "out")
        folder.create(loaded, make_plan(loaded, catalog, RuleEstimate(loaded, catalog)), place / "c.toml")
        job = folder.of(folder.job(1))
        job.note(status="done", starts=[{"at": "2026-11-01", "installed_version": "0.11.0", "parameters": {}}])
        first, second = job.job.cells[0], job.job.cells[-1]
        job.note_cell(
            first, status="running", point={"number": 1, "of": 2, "users": 1, "rate": None, "since_unix_s": 1.0}
        )
        job.failed(second, "no memory", "oom", 0)
        for path, content in run_files().items():
            (job.cell_folder(first) / path).parent.mkdir(parents=True, exist_ok=True)
            (job.cell_folder(first) / path).write_bytes(content)
        energy = {"energy": {"joules": 5.0, "mean_power_w_per_gpu": 400.0, "j_per_output_token": 0.5}}
        (job.cell_folder(first) / "levels/0001/telemetry.json").write_bytes(orjson.dumps(energy))
        (place / "out/slurm").mkdir()
        arrays = {"submitted": [{"id": 7, "batch": "h200-2", "jobs": [1, 2]}]}
        (place / "out/slurm/submitted.json").write_bytes(orjson.dumps(arrays))
        return files_below(place / "out")


def progress(place: Path) -> None:
    folder = CampaignFolder(place)
    submitted(place / "slurm")
    status(folder)
    folder.campaign()
    collect(folder)


RECIPE = b"""
name = "mine"
vendors = ["NVIDIA"]
model_form = "hf"
program = ["server"]
image = "x/y:1"
"""


def recipe_files() -> Files:
    engines = Path(read_engine_file.__code__.co_filename).parent / "engines"
    return {"recipe.toml": (engines / "vllm.toml").read_bytes()}


READERS = (
    FuzzedReader("campaign", campaign_files, campaign, cost=6),
    FuzzedReader("campaign.json", folder_files, progress, ("^campaign.json",), cost=6),
    FuzzedReader("job.json, cell.json", folder_files, progress, ("job.json", "cell.json"), cost=6),
    FuzzedReader(
        "telemetry.json, submitted.json", folder_files, progress, ("telemetry.json", "submitted.json"), cost=6
    ),
    FuzzedReader("recipe", recipe_files, lambda place: read_recipe(place / "recipe.toml")),
)
