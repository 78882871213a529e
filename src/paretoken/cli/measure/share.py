"""`paretoken share`: a measured run as a table to paste, or in an MLflow server."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from paretoken.cli import options
from paretoken.cli.output import print_json
from paretoken.errors import BadConfig

if TYPE_CHECKING:
    from paretoken.report.run.reading import MeasuredRun


@click.command("share", no_args_is_help=True)
@click.argument("run", type=Path, metavar="RUN")
@click.option(
    "--mlflow", metavar="URI", help="Log the run to the MLflow server at this address instead of printing it."
)
@click.option("--experiment", metavar="NAME", help="Experiment of --mlflow.  [default: paretoken]")
@options.json_only
def command(run: Path, mlflow: str | None, experiment: str | None, as_json: bool) -> None:
    """Print a run of 'paretoken bench' as Markdown, to paste into an issue.

    Shows what was measured, a row for each load level, every warning, and whether the client kept
    up; fewer than 60 lines, without host, address or command.

    \b
    Examples:
      paretoken share runs/2026-11-24-101500
      paretoken share runs/2026-11-24-101500 > result.md
      paretoken share runs/2026-11-24-101500 --mlflow http://127.0.0.1:5000
      paretoken share runs/2026-11-24-101500 --json
    """
    from paretoken.report.run.reading import read_run
    from paretoken.report.run.share import share, share_json

    if experiment is not None and mlflow is None:
        raise BadConfig("--experiment needs --mlflow URI")
    measured = read_run(run)
    if mlflow is not None:
        _log(run, measured, mlflow, experiment, as_json)
    elif as_json:
        print_json(share_json(measured))
    else:
        click.echo(share(measured), nl=False)


def _log(run: Path, measured: MeasuredRun, uri: str, experiment: str | None, as_json: bool) -> None:
    from paretoken.bench.run_folder import RunFolder
    from paretoken.bench.telemetry.mlflow_run import EXPERIMENT, log_run
    from paretoken.report.run.share import share, share_json

    files = {"share.md": share(measured), "share.json": json.dumps(share_json(measured), indent=2)}
    logged = log_run(RunFolder(run), uri, files, experiment or EXPERIMENT)
    if as_json:
        print_json(asdict(logged))
    else:
        click.echo(f"MLflow run {logged.run_id} in experiment {logged.experiment} ({logged.experiment_id})")
