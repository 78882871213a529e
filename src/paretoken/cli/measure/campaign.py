"""`paretoken campaign`: a matrix of engines, models, workloads and loads."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from paretoken.cli import options
from paretoken.cli.output import echo, echo_script
from paretoken.errors import BadConfig
from paretoken.plural import counted

if TYPE_CHECKING:
    from paretoken.campaign.state import CampaignFolder

out_option = click.option("--out", type=Path, metavar="DIR", help="Folder of the campaign; its name by default.")


@click.group("campaign")
def command() -> None:
    """Measure every cell of a matrix: start its engine, run its load ladder, continue after failures.

    \b
    Examples:
      paretoken campaign run llama.toml --dry-run
      paretoken campaign run llama.toml --out llama
      paretoken campaign status llama
      paretoken campaign resume llama
    """


@command.command("run")
@click.argument("file", type=Path)
@out_option
@click.option("--dry-run", is_flag=True, help="Show the plan without starting anything.")
@click.option("--slurm", is_flag=True, help="Submit Slurm jobs; --out must be on a shared file system.")
@click.option("--kubernetes", is_flag=True, help="Run as Jobs of a Kubernetes cluster, through kubectl.")
@click.option("--print", "print_", is_flag=True, help="Print the manifests of --kubernetes without creating anything.")
@options.as_json
def run(
    file: Path, out: Path | None, dry_run: bool, slurm: bool, kubernetes: bool, print_: bool, as_json: bool
) -> None:
    """Run the campaign in FILE on this machine, as Slurm jobs, or on Kubernetes.

    Every finished point is on disk at once. After Ctrl-C, a crash or kill -9, 'campaign resume'
    continues at the first unfinished point. A failed cell is recorded with its reason; the others run.

    \b
    Examples:
      paretoken campaign run llama.toml --dry-run
      paretoken campaign run llama.toml --out llama
      paretoken campaign run llama.toml --out /shared/llama --slurm
      paretoken campaign run llama.toml --out llama --kubernetes
    """
    from paretoken.campaign.run import begin, plan_of
    from paretoken.cli.measure.campaign_view import show_plan

    _check_places(slurm, kubernetes, print_)
    campaign, plan = plan_of(file)
    out = out or Path(campaign.name)
    if dry_run:
        show_plan(campaign, plan, as_json)
        return
    if kubernetes:
        from paretoken.campaign.kubernetes.run import check_kubernetes, manifests

        if print_:
            echo_script(manifests(campaign, plan.jobs))
            return
        check_kubernetes(campaign, plan.jobs)
    folder = begin(file, out, here=not (slurm or kubernetes))
    _submit(folder, as_json) if slurm else _go(folder, as_json, kubernetes)


@command.command("resume")
@click.argument("folder", type=Path)
@click.option("--retry-failed", is_flag=True, help="Also retry failed cells.")
@click.option("--slurm", is_flag=True, help="Submit the remaining work as Slurm jobs.")
@click.option("--kubernetes", is_flag=True, help="Run the remaining work on a Kubernetes cluster.")
@options.as_json
def resume(folder: Path, retry_failed: bool, slurm: bool, kubernetes: bool, as_json: bool) -> None:
    """Continue a campaign at its first unfinished point.

    \b
    Examples:
      paretoken campaign resume llama
      paretoken campaign resume llama --retry-failed
    """
    from paretoken.campaign.run import reopen

    _check_places(slurm, kubernetes, show=False)
    reopened = reopen(folder, retry_failed=retry_failed)
    _submit(reopened, as_json) if slurm else _go(reopened, as_json, kubernetes)


@command.command("status")
@click.argument("folder", type=Path)
@options.as_json
def status(folder: Path, as_json: bool) -> None:
    """Show the progress of a campaign, also while it runs.

    \b
    Examples:
      paretoken campaign status llama
      paretoken campaign status llama --json
    """
    from paretoken.campaign.state import CampaignFolder
    from paretoken.cli.measure.campaign_view import show_status

    show_status(CampaignFolder(folder), as_json)


@command.command("collect")
@click.argument("folder", type=Path)
def collect(folder: Path) -> None:
    """Rewrite points.parquet of a campaign from its cells.

    \b
    Example:
      paretoken campaign collect llama
    """
    from paretoken.campaign.collect import collect as collect_points
    from paretoken.campaign.state import CampaignFolder

    echo(_points_line(folder, collect_points(CampaignFolder(folder))))


@command.command("job", hidden=True)
@click.argument("folder", type=Path)
@click.argument("number", type=int)
def job(folder: Path, number: int) -> None:
    """Supervise one job: a task of a Slurm array."""
    from paretoken.campaign.run import go_job
    from paretoken.campaign.state import CampaignFolder

    go_job(CampaignFolder(folder), number)


@command.command("work", hidden=True)
@click.argument("folder", type=Path)
@click.argument("number", type=int)
@click.option("--engine", default="", help="Host of an engine that a cluster has started.")
def work(folder: Path, number: int, engine: str) -> None:
    """Run one job: the worker process that 'run' and 'job' start."""
    from paretoken.campaign.work import work as run_job

    run_job(folder, number, engine)


def _check_places(slurm: bool, kubernetes: bool, show: bool) -> None:
    if slurm and kubernetes:
        raise BadConfig("a campaign runs with --slurm or with --kubernetes; give one of them")
    if show and not kubernetes:
        raise BadConfig("--print shows the manifests of --kubernetes; add --kubernetes, or use --dry-run")


def _submit(folder: CampaignFolder, as_json: bool) -> None:
    from paretoken.campaign.slurm import submit
    from paretoken.cli.output import print_json

    ids = submit(folder)
    if as_json:
        print_json({"folder": str(folder.folder), "submitted": ids})
        return
    for name, job_id in ids.items():
        echo(f"submitted {name} as Slurm job {job_id}")
    echo(f"show progress: paretoken campaign status {folder.folder}" if ids else "nothing left to submit")


def _go(folder: CampaignFolder, as_json: bool, kubernetes: bool) -> None:
    from paretoken.campaign.collect import status as progress
    from paretoken.campaign.kubernetes.run import go_kubernetes
    from paretoken.campaign.run import go
    from paretoken.cli.measure.campaign_view import CampaignView, show_status

    if kubernetes:  # what a CI sends; the Jobs must be deleted then, too
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with CampaignView(sys.stderr.isatty() and not as_json) as view:
            points = (go_kubernetes if kubernetes else go)(folder, view.show)
    except KeyboardInterrupt:
        again = " --kubernetes" if kubernetes else ""
        echo(f"interrupted; resume with: paretoken campaign resume {folder.folder}{again}", err=True)
        raise
    show_status(folder, as_json)
    if not as_json:
        echo(_points_line(folder.folder, points) + (" (paretoken frontier … --points FILE)" if points else ""))
    if any(cell.status == "failed" for cell in progress(folder)):
        raise SystemExit(1)


def _points_line(folder: Path, points: int) -> str:
    """How many points a campaign has, and the file with them: without points there is none."""
    return f"{counted(points, 'point')}: {folder / 'points.parquet'}" if points else "no points"
