"""`paretoken share`: a measured run as a table to paste."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from paretoken.cli import options
from paretoken.cli.output import print_json


@click.command("share", no_args_is_help=True)
@click.argument("run", type=Path, metavar="RUN")
@options.json_only
def command(run: Path, as_json: bool) -> None:
    """Print a run of 'paretoken bench' as Markdown, to paste into an issue.

    Shows what was measured, a row for each load level, every warning, and whether the client kept
    up; fewer than 60 lines, without host, address or command.

    \b
    Examples:
      paretoken share runs/2026-11-24-101500
      paretoken share runs/2026-11-24-101500 > result.md
      paretoken share runs/2026-11-24-101500 --json
    """
    from paretoken.report.run.reading import read_run
    from paretoken.report.run.share import share, share_json

    if as_json:
        print_json(share_json(read_run(run)))
        return
    click.echo(share(read_run(run)), nl=False)
