"""A campaign as Slurm jobs: one array for each kind of resource, then a job that collects.

Results come home through the folder of the campaign, which must lie on a file system that the nodes share. A job
that is requeued, or submitted again, goes on at its first unfinished point, since all state is in that folder.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paretoken.bench.run_folder import read_json, write_json
from paretoken.campaign.config import Campaign
from paretoken.campaign.plan import Job
from paretoken.campaign.state import CampaignFolder
from paretoken.engines.recipes import CPU
from paretoken.errors import BadConfig, ParetokenError

SUBMITTED = "submitted.json"


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs that ask for the same resources."""

    accelerator: str
    gpus: int
    jobs: tuple[Job, ...]

    @property
    def name(self) -> str:
        return f"{self.accelerator}-{self.gpus}".lower()


def submit(folder: CampaignFolder) -> dict[str, int]:
    """Submit what is left of a campaign; the ids of Slurm by batch, and that of the collecting job.

    Jobs that some process works at, or that Slurm still holds, are not submitted again.
    """
    _need("sbatch", "submit where Slurm's commands are, or run the campaign here without --slurm")
    held = set(states(folder))
    left = [
        job
        for job in folder.jobs()
        if job.number not in held and folder.of(job).open_cells() and not folder.of(job).running_now()
    ]
    if not left:
        return {}
    campaign, place = folder.campaign(), folder.folder / "slurm"
    place.mkdir(exist_ok=True)
    ids: dict[str, int] = {}
    for batch in batches(left):
        script = place / f"{batch.name}.sbatch"
        script.write_text(array_script(campaign, folder.folder, batch), encoding="utf-8")
        ids[batch.name] = _sbatch(script)
        _remember(place, batch, ids[batch.name])
    script = place / "collect.sbatch"
    script.write_text(collect_script(campaign, folder.folder, list(ids.values())), encoding="utf-8")
    return ids | {"collect": _sbatch(script)}


def batches(jobs: Sequence[Job]) -> list[Batch]:
    """The jobs by accelerator and number of GPUs, in the order of their first one."""
    found: dict[tuple[str, int], list[Job]] = {}
    for job in jobs:
        on_cpu = job.serving.accelerator == CPU
        found.setdefault((job.serving.accelerator, 0 if on_cpu else job.serving.tp), []).append(job)
    return [Batch(accelerator, gpus, tuple(of)) for (accelerator, gpus), of in found.items()]


def array_script(campaign: Campaign, out: Path, batch: Batch) -> str:
    """The batch script of an array: task N is job N of the campaign."""
    asked = campaign.slurm
    numbers = ",".join(str(job.number) for job in batch.jobs)
    most = f"%{asked.most_at_once}" if asked.most_at_once else ""
    options = [
        f"--array={numbers}{most}",
        f"--output={(out / 'slurm').resolve()}/%x-%a.log",
        "--open-mode=append",
        *(["--requeue"] if asked.requeue else ["--no-requeue"]),
        *([f"--gres={asked.gres.format(gpus=batch.gpus)}"] if batch.gpus else []),
        *([f"--time={asked.time}"] if asked.time else []),
    ]
    run = [sys.executable, "-m", "paretoken", "campaign", "job", str(out.resolve())]
    return _script(
        campaign, batch.accelerator, f"{campaign.name}-{batch.name}", options, run, ' "$SLURM_ARRAY_TASK_ID"'
    )


def collect_script(campaign: Campaign, out: Path, after: Sequence[int]) -> str:
    """The batch script that writes points.parquet once all arrays have ended, also where a task was killed."""
    options = [
        f"--dependency=afterany:{':'.join(map(str, after))}",
        f"--output={(out / 'slurm').resolve()}/collect.log",
    ]
    run = [sys.executable, "-m", "paretoken", "campaign", "collect", str(out.resolve())]
    return _script(campaign, "", f"{campaign.name}-collect", options, run)


def states(folder: CampaignFolder) -> dict[int, str]:
    """What Slurm says of the jobs that it still holds, by the campaign's number: PENDING (why), RUNNING, …"""
    submitted = _submitted(folder.folder / "slurm")
    if not submitted or shutil.which("squeue") is None:
        return {}
    ids = {entry["id"] for entry in submitted}
    form = "%F|%K|%T|%r"
    listed = _run(["squeue", "--noheader", "--array", f"--format={form}"])
    found = {}
    for line in listed.splitlines():
        job_id, task, state, why = line.split("|", 3)
        if task.isdigit() and int(job_id) in ids:
            found[int(task)] = state if why in ("None", "") else f"{state} ({why})"
    return found


def _script(
    campaign: Campaign, accelerator: str, name: str, options: Sequence[str], run: Sequence[str], more: str = ""
) -> str:
    asked = campaign.slurm
    partition = asked.partition.get(accelerator, "") if isinstance(asked.partition, dict) else asked.partition
    lines = [
        f"--job-name={name}",
        "--nodes=1",
        "--ntasks=1",
        *([f"--partition={partition}"] if partition else []),
        *([f"--account={asked.account}"] if asked.account else []),
        *options,
        *asked.lines,
    ]
    head = "".join(f"#SBATCH {line}\n" for line in lines)
    return (
        "#!/bin/bash\n" + head + "\n" + "".join(f"{line}\n" for line in asked.setup) + f"exec {shlex.join(run)}{more}\n"
    )


def _remember(place: Path, batch: Batch, job_id: int) -> None:
    known = _submitted(place)
    entry = {"id": job_id, "batch": batch.name, "jobs": [job.number for job in batch.jobs]}
    write_json(place / SUBMITTED, {"submitted": [*known, entry]})


def _submitted(place: Path) -> list[dict[str, Any]]:
    return read_json(place / SUBMITTED)["submitted"] if (place / SUBMITTED).is_file() else []


def _sbatch(script: Path) -> int:
    return int(_run(["sbatch", "--parsable", str(script)]).strip().split(";")[0])


def _run(command: list[str]) -> str:
    """What a command of Slurm prints; ParetokenError with its own words if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603
    if done.returncode:
        raise ParetokenError(f"{command[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _need(program: str, what_to_do: str) -> None:
    if shutil.which(program) is None:
        raise BadConfig(f"Slurm is not here ({program} is not on the PATH); {what_to_do}")
