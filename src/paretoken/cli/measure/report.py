"""`paretoken report`: measured runs as a page."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from paretoken.cli import options
from paretoken.cli.output import echo, print_json


@click.command("report", no_args_is_help=True)
@click.argument("runs", nargs=-1, required=True, type=Path, metavar="RUN…")
@click.option(
    "--out",
    type=Path,
    metavar="FILE",
    help="Page to write.  [default: RUN/report.html; ./report.html for several runs]",
)
@options.json_only
def command(runs: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Write an HTML report of one or several runs of 'paretoken bench', or of a campaign.

    It shows throughput against latency with published points behind it, the latency
    distributions, the timeline of each level with its steady window, sessions, the server's
    metrics, telemetry and the client's own measurements. Of several runs it says first what
    differs; runs of one model, precision and workload share a chart, and two are compared at
    equal load. The page is one self-contained file.

    \b
    Examples:
      paretoken report runs/2026-11-24-101500
      paretoken report runs/before runs/after --out change.html
      paretoken report my-campaign
    """
    from paretoken.bench.run_folder import run_folders
    from paretoken.report.page import write_page
    from paretoken.report.run.page import render_runs
    from paretoken.report.run.reading import read_runs

    place = out or (runs[0] / "report.html" if len(runs) == 1 else Path("report.html"))
    folders = [folder for run in runs for folder in run_folders(run)]
    if len(folders) > len(runs):  # of a campaign: cells without results yet are fine
        folders = [f for f in folders if any(f.glob("levels/*/summary.json"))]
    measured = read_runs(folders)
    write_page(render_runs(measured), place)
    if as_json:
        levels = {run.name: len(run.levels) for run in measured}
        print_json({"report": str(place), "levels": levels})
        return
    echo(f"Report: {place}")
