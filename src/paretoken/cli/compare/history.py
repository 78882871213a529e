"""`paretoken history`: throughput of configurations over their dates."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import rich_click as click

from paretoken.cli import options
from paretoken.cli.names import ACCELERATOR, ENGINE, MODEL, PRECISION, WORKLOAD


@click.command("history", no_args_is_help=True)
@click.option("--model", type=MODEL, help="Include only this model, by any name in the catalog.")
@click.option("--accelerator", type=ACCELERATOR, help="Include only this accelerator.")
@click.option("--engine", type=ENGINE, help="Include only this engine.")
@click.option("--precision", type=PRECISION, metavar="TEXT", help="Include only this precision.")
@click.option("--workload", type=WORKLOAD, help="Include only this workload, by name or as ISL/OSL.")
@click.option(
    "--e2e",
    type=options.Finite(0, min_open=True),
    help="Compare at this E2E latency, in seconds, instead of at each load.",
)
@click.option(
    "--interactivity",
    type=options.Finite(0, min_open=True),
    help="Compare at this interactivity, in tokens per second per user.",
)
@click.option("--alpha", type=options.Finite(0, 1), default=0.01, show_default=True, help="Chance of a false step.")
@click.option("--smallest", default="2%", show_default=True, help="Leave out steps smaller than this.")
@click.option("--steps-only", is_flag=True, help="Show only series with a step.")
@click.option(
    "--origin",
    "origins",
    multiple=True,
    help="Include only points of this origin (repeatable).  [default: all but emulated]",
)
@click.option(
    "--points",
    "files",
    multiple=True,
    type=Path,
    metavar="FILE",
    help="Add your own results (repeatable).",
)
@click.option("--no-published", is_flag=True, help="Ignore the shipped and the installed bundles of points.")
@options.bundles
@options.as_json
def command(
    model: str | None,
    accelerator: str | None,
    engine: str | None,
    precision: str | None,
    workload: str | None,
    e2e: float | None,
    interactivity: float | None,
    alpha: float,
    smallest: str,
    steps_only: bool,
    origins: tuple[str, ...],
    files: tuple[Path, ...],
    no_published: bool,
    bundles: tuple[str, ...],
    as_of: date | None,
    as_json: bool,
) -> None:
    """Show how throughput changed over time, and where it changed abruptly.

    A series is one configuration at one load with at least four dates. A step is a lasting
    change of its level beyond its own noise. Noise alone causes one in 1 % of series (--alpha).
    A single failed night is no step, and neither is a slow drift. The newest date alone can
    show a step, which is marked as not confirmed.

    \b
    Examples:
      paretoken history --engine atom --steps-only
      paretoken history --model deepseek-r1 --accelerator MI355X --precision fp8 \\
                        --workload chat
      paretoken history --model deepseek-r1 --accelerator B200 \\
                        --interactivity 40 --steps-only
      paretoken history --model llama-3-70b --no-published --points runs.parquet \\
                        --json
    """
    from paretoken.answers.history import HistoryQuestion, history
    from paretoken.bench.workload.ladder import parse_fraction
    from paretoken.cli.compare.history_view import show_history

    question = HistoryQuestion(
        model=model,
        accelerator=accelerator,
        engine=engine,
        precision=precision,
        workload=workload,
        e2e_s=e2e,
        interactivity=interactivity,
        alpha=alpha,
        smallest=parse_fraction(smallest),
        steps_only=steps_only,
        origins=origins,
        points=files,
        published=not no_published,
        bundles=bundles,
        as_of=as_of,
    )
    show_history(history(question), as_json)
