"""`paretoken check`: is a new result a regression?"""

from __future__ import annotations

from pathlib import Path

import click

from paretoken.cli import options


@click.command("check", no_args_is_help=True)
@click.argument("runs", nargs=-1, required=True, type=Path, metavar="RUN…")
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    required=True,
    type=Path,
    metavar="RUN",
    help="Run or campaign to hold against (repeatable: several tell the noise between runs).",
)
@click.option("--e2e", "e2e_s", multiple=True, type=options.Finite(0, min_open=True), help="E2E latency, s.")
@click.option("--interactivity", multiple=True, type=options.Finite(0, min_open=True), help="tok/s/user.")
@click.option("--allow", default="2%", show_default=True, help="A drop of this much is no regression.")
@options.as_json
def command(runs, baselines, e2e_s, interactivity, allow, as_json) -> None:
    """Compare throughput at equal latency with a baseline; exit code 1 if it dropped beyond noise.

    \b
    RUN and the baseline are folders of 'paretoken bench' or of 'paretoken campaign'. Without a latency
    some are taken inside what both reach. See docs/regression.md for an example with GitHub Actions.

    \b
    Examples:
      paretoken check runs/today --baseline runs/monday --baseline runs/tuesday
      paretoken check runs/today --baseline runs/release --e2e 10 --allow 3%
    """
    from paretoken.bench.workload.ladder import parse_fraction
    from paretoken.cli.output import print_json
    from paretoken.errors import BadConfig
    from paretoken.history.regression import changes
    from paretoken.history.runs import read_curves

    if e2e_s and interactivity:
        raise BadConfig("give --e2e or --interactivity, not both")
    axis = "interactivity" if interactivity else "e2e"
    before, after = (read_curves(places, axis) for places in (baselines, runs))
    found = changes(before, after, axis, e2e_s or interactivity, parse_fraction(allow))
    bad = [change for change in found if change.regression]
    if as_json:
        from dataclasses import asdict

        print_json([{**asdict(c), "change": c.change, "regression": c.regression} for c in found])
    else:
        for change in found:
            click.echo(str(change))
        if any(min(change.runs) == 1 for change in found):
            click.echo("note: a side with one run does not tell the noise between runs; give several", err=True)
        click.echo(f"{len(bad)} of {len(found)} points regressed")
    if bad:
        raise SystemExit(1)
