"""`paretoken report`: measured runs as a page."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report", no_args_is_help=True)
@click.argument("runs", nargs=-1, required=True, type=Path, metavar="RUN…")
@click.option("--out", type=Path, metavar="FILE", help="The page; RUN/report.html, or of several ./report.html.")
def command(runs, out) -> None:
    """Make an HTML page of one or several runs of 'paretoken bench', or of a campaign.

    \b
    It shows the curve of throughput against latency, the latency distributions, the timeline of each
    level with its steady window, the server's counters and the client's proof. The page is one file
    that loads nothing; several runs are laid over each other.

    \b
    Examples:
      paretoken report runs/2026-11-24-101500
      paretoken report runs/before runs/after --out change.html
      paretoken report my-campaign
    """
    from paretoken.bench.run_folder import run_folders
    from paretoken.report.run import read_runs, render_runs, write_page

    place = out or (runs[0] / "report.html" if len(runs) == 1 else Path("report.html"))
    folders = [folder for run in runs for folder in run_folders(run)]
    if len(folders) > len(runs):  # of a campaign: cells that have nothing yet are no mistake
        folders = [f for f in folders if any(f.glob("levels/*/summary.json"))]
    write_page(render_runs(read_runs(folders)), place)
    click.echo(f"Report: {place}")
