"""A campaign as Slurm jobs: one array for each kind of resource, then a job that collects the points.

The folder of the campaign must be on a file system that the nodes share. All state is in that folder, so a job that is
requeued or submitted again resumes at its first unfinished point.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import TypedDict

from paretoken.bench.run_folder import write_json
from paretoken.campaign.commands import output_of
from paretoken.campaign.config import Campaign
from paretoken.campaign.matrix import slugged
from paretoken.campaign.plan import CampaignJob
from paretoken.campaign.state import CampaignFolder
from paretoken.engines.recipes import CPU
from paretoken.errors import BadConfig, ParetokenError
from paretoken.foreign_text import one_line
from paretoken.plain_files import as_type, read_json

SUBMITTED = "submitted.json"


class SubmittedArray(TypedDict):
    """An array as submitted.json lists it."""

    id: int
    batch: str
    jobs: list[int]


class SubmittedFile(TypedDict):
    """submitted.json."""

    submitted: list[SubmittedArray]


@dataclass(frozen=True, slots=True)
class SlurmArray:
    """Jobs that need the same resources."""

    accelerator: str
    gpus: int
    jobs: tuple[CampaignJob, ...]

    @property
    def name(self) -> str:
        return f"{self.accelerator}-{self.gpus}".lower()


def submit(folder: CampaignFolder) -> dict[str, int]:
    """Submit what is left of a campaign; returns Slurm's job ids by array, and that of the collecting job.

    Jobs that a process works on, or that Slurm still has, are not submitted again.
    """
    _require("sbatch", "submit on a machine with Slurm's commands, or run the campaign here without --slurm")
    queued = set(states(folder))
    left = [
        job
        for job in folder.jobs()
        if job.number not in queued and folder.of(job).open_cells() and not folder.of(job).running_now()
    ]
    if not left:
        return {}
    campaign, scripts = folder.campaign(), folder.folder / "slurm"
    scripts.mkdir(exist_ok=True)
    ids: dict[str, int] = {}
    for array in arrays(left):
        script = scripts / f"{array.name}.sbatch"
        script.write_text(array_script(campaign, folder.folder, array), encoding="utf-8")
        ids[array.name] = _sbatch(script)
        _remember(scripts, array, ids[array.name])
    script = scripts / "collect.sbatch"
    script.write_text(collect_script(campaign, folder.folder, list(ids.values())), encoding="utf-8")
    return ids | {"collect": _sbatch(script)}


def arrays(jobs: Sequence[CampaignJob]) -> list[SlurmArray]:
    """The jobs by accelerator and number of GPUs, in the order of the first job of each."""
    by_resources: dict[tuple[str, int], list[CampaignJob]] = {}
    for job in jobs:
        on_cpu = job.serving.accelerator == CPU
        by_resources.setdefault((job.serving.accelerator, 0 if on_cpu else job.serving.tp), []).append(job)
    return [SlurmArray(accelerator, gpus, tuple(of)) for (accelerator, gpus), of in by_resources.items()]


def array_script(campaign: Campaign, out: Path, array: SlurmArray) -> str:
    """The batch script of an array: task N is job N of the campaign."""
    settings = campaign.slurm
    numbers = ",".join(str(job.number) for job in array.jobs)
    most = f"%{settings.most_at_once}" if settings.most_at_once else ""
    options = [
        f"--array={numbers}{most}",
        _log_option(out, "%x-%a.log"),
        "--open-mode=append",
        *(["--requeue"] if settings.requeue else ["--no-requeue"]),
        *([f"--gres={settings.gres.replace('{gpus}', str(array.gpus))}"] if array.gpus else []),
        *([f"--time={settings.time}"] if settings.time else []),
    ]
    run = [sys.executable, "-P", "-m", "paretoken", "campaign", "job", str(out.resolve())]
    return _script(campaign, array.accelerator, array.name, options, run, ' "$SLURM_ARRAY_TASK_ID"')


def collect_script(campaign: Campaign, out: Path, after: Sequence[int]) -> str:
    """The batch script that writes points.parquet once all arrays have ended, killed tasks included."""
    options = [
        f"--dependency=afterany:{':'.join(map(str, after))}",
        _log_option(out, "collect.log"),
    ]
    run = [sys.executable, "-P", "-m", "paretoken", "campaign", "collect", str(out.resolve())]
    return _script(campaign, "", "collect", options, run)


def states(folder: CampaignFolder) -> dict[int, str]:
    """The state of the jobs that Slurm still has, by the campaign's number: PENDING (reason), RUNNING, …"""
    arrays = submitted(folder.folder / "slurm")
    if not arrays or shutil.which("squeue") is None:
        return {}
    ids = {entry["id"] for entry in arrays}
    form = "%F|%K|%T|%r"
    listed = output_of(["squeue", "--noheader", "--array", f"--format={form}"], "squeue")
    by_number = {}
    for line in listed.splitlines():
        job_id, task, state, why = [*line.split("|", 3), "", "", ""][:4]
        if task.isdigit() and job_id.isdigit() and int(job_id) in ids:
            by_number[int(task)] = state if why in ("None", "") else f"{state} ({why})"
    return by_number


def _log_option(out: Path, name: str) -> str:
    """The option for the log, with its quotes: sbatch splits its lines at blanks, and replaces % in the path."""
    folder = str((out / "slurm").resolve()).replace("%", "%%")
    return shlex.quote(f"--output={folder}/{name}")


def _script(
    campaign: Campaign, accelerator: str, name: str, options: Sequence[str], run: Sequence[str], more: str = ""
) -> str:
    settings = campaign.slurm
    partition = settings.partition.get(accelerator, "") if isinstance(settings.partition, dict) else settings.partition
    lines = [
        f"--job-name={slugged(f'{campaign.name}-{name}')}",
        "--nodes=1",
        "--ntasks=1",
        *([f"--partition={partition}"] if partition else []),
        *([f"--account={settings.account}"] if settings.account else []),
        *options,
        *settings.lines,
    ]
    if broken := next((line for line in lines if "\n" in line or "\r" in line), None):
        raise BadConfig(f"{broken!r} has a line break, which ends an #SBATCH line; remove it from the campaign file")
    head = "".join(f"#SBATCH {line}\n" for line in lines)
    return (
        "#!/bin/bash\n"
        + head
        + "\n"
        + "".join(f"{line}\n" for line in settings.setup)
        + f"exec {shlex.join(run)}{more}\n"
    )


def _remember(scripts: Path, array: SlurmArray, job_id: int) -> None:
    entry = SubmittedArray(id=job_id, batch=array.name, jobs=[job.number for job in array.jobs])
    write_json(scripts / SUBMITTED, {"submitted": [*submitted(scripts), entry]})


def submitted(scripts: Path) -> list[SubmittedArray]:
    """The arrays that were submitted from a folder of batch scripts."""
    file = scripts / SUBMITTED
    return as_type(SubmittedFile, read_json(file), file)["submitted"] if file.is_file() else []


def _sbatch(script: Path) -> int:
    """Submit a batch script; the job's number, which sbatch prints last, before the name of a cluster."""
    printed = output_of(["sbatch", "--parsable", str(script)], "sbatch")
    number = printed.strip().rpartition("\n")[2].split(";")[0]
    if not number.isdecimal():
        raise ParetokenError(f"sbatch printed no job number: {one_line(printed)!r}; is it another program?")
    return int(number)


def _require(program: str, what_to_do: str) -> None:
    if shutil.which(program) is None:
        raise BadConfig(f"Slurm is not installed here ({program} is not on the PATH); {what_to_do}")
