"""`paretoken campaign`: a whole matrix of engines, models, workloads and loads."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from paretoken.cli import options

out_option = click.option("--out", type=Path, metavar="DIR", help="Folder; the campaign's name by default.")


@click.group("campaign")
def command() -> None:
    """Run every cell of a matrix: start its engine, measure its ladder, go on whatever fails.

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
@click.option("--dry-run", is_flag=True, help="Show the plan and start nothing.")
@click.option("--slurm", is_flag=True, help="Submit it as jobs; --out must lie where all nodes see it.")
@options.as_json
def run(file, out, dry_run, slurm, as_json) -> None:
    """Run the campaign in FILE on this machine, or as jobs of Slurm.

    \b
    Finished points are on disk at once: after Ctrl-C, a crash or kill -9 'campaign resume' goes on
    with the first unfinished one. A cell that fails is recorded with its reason and the rest goes on.

    \b
    Examples:
      paretoken campaign run llama.toml --dry-run
      paretoken campaign run llama.toml --out llama
      paretoken campaign run llama.toml --out /shared/llama --slurm
    """
    from paretoken.campaign.run import begin, plan_of
    from paretoken.cli.measure.campaign_view import show_plan

    campaign, plan = plan_of(file)
    if dry_run:
        show_plan(campaign, plan, as_json)
        return
    folder = begin(file, out or Path(campaign.name), here=not slurm)
    _submit(folder, as_json) if slurm else _go(folder, as_json)


@command.command("resume")
@click.argument("folder", type=Path)
@click.option("--retry-failed", is_flag=True, help="Try failed cells again.")
@click.option("--slurm", is_flag=True, help="Submit what is left as jobs.")
@options.as_json
def resume(folder, retry_failed, slurm, as_json) -> None:
    """Go on with a campaign at its first unfinished point.

    \b
    Examples:
      paretoken campaign resume llama
      paretoken campaign resume llama --retry-failed
    """
    from paretoken.campaign.run import reopen

    reopened = reopen(folder, retry_failed=retry_failed)
    _submit(reopened, as_json) if slurm else _go(reopened, as_json)


@command.command("status")
@click.argument("folder", type=Path)
@options.as_json
def status(folder, as_json) -> None:
    """Show how far a campaign is, also while it runs.

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
def collect(folder) -> None:
    """Write points.parquet of a campaign anew from its cells.

    \b
    Example:
      paretoken campaign collect llama
    """
    from paretoken.campaign.collect import collect as do
    from paretoken.campaign.state import CampaignFolder

    click.echo(f"{do(CampaignFolder(folder))} points: {folder / 'points.parquet'}")


@command.command("job", hidden=True)
@click.argument("folder", type=Path)
@click.argument("number", type=int)
def job(folder, number) -> None:
    """Watch over one job: the task of an array of Slurm."""
    from paretoken.campaign.run import go_job
    from paretoken.campaign.state import CampaignFolder

    go_job(CampaignFolder(folder), number)


@command.command("work", hidden=True)
@click.argument("folder", type=Path)
@click.argument("number", type=int)
def work(folder, number) -> None:
    """Do one job: the process that 'run' and 'supervise' start."""
    from paretoken.campaign.work import work as do

    do(folder, number)


def _submit(folder, as_json) -> None:
    from paretoken.campaign.slurm import submit
    from paretoken.cli.output import print_json

    ids = submit(folder)
    if as_json:
        print_json({"folder": str(folder.folder), "submitted": ids})
        return
    for batch, job_id in ids.items():
        click.echo(f"submitted {batch} as job {job_id} of Slurm")
    click.echo(f"see how far it is: paretoken campaign status {folder.folder}" if ids else "nothing is left to submit")


def _go(folder, as_json) -> None:
    from paretoken.campaign.collect import status as rows_of
    from paretoken.campaign.run import go
    from paretoken.cli.measure.campaign_view import CampaignView, show_status

    try:
        with CampaignView(sys.stderr.isatty() and not as_json) as view:
            points = go(folder, view.look)
    except KeyboardInterrupt:
        click.echo(f"interrupted; go on with: paretoken campaign resume {folder.folder}", err=True)
        raise
    show_status(folder, as_json)
    if not as_json:
        click.echo(f"{points} points: {folder.folder / 'points.parquet'} (paretoken frontier … --points FILE)")
    if any(row["status"] == "failed" for row in rows_of(folder)):
        raise SystemExit(1)
