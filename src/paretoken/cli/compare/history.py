"""`paretoken history`: one configuration over its dates."""

from __future__ import annotations

from pathlib import Path

import click

from paretoken.cli import options


@click.command("history", no_args_is_help=True)
@click.option("--model", required=True, help="Model, by any name the catalog knows.")
@click.option("--accelerator", help="Only this accelerator.")
@click.option("--engine", help="Only this engine.")
@click.option("--precision", help="Only this precision.")
@click.option("--workload", help="Only this workload, by name or as ISL/OSL.")
@click.option("--e2e", type=options.Finite(0, min_open=True), help="At this E2E latency, s, instead of at each load.")
@click.option("--interactivity", type=options.Finite(0, min_open=True), help="At this interactivity, tok/s/user.")
@click.option("--alpha", type=options.Finite(0, 1), default=0.01, show_default=True, help="Chance of a false step.")
@click.option("--smallest", default="2%", show_default=True, help="Steps below this are not shown.")
@click.option("--steps-only", is_flag=True, help="Leave out series without a step.")
@click.option("--points", "files", multiple=True, type=Path, metavar="FILE", help="Own results (repeatable).")
@click.option("--no-published", is_flag=True, help="Leave the shipped published points out.")
@options.as_json
def command(model, e2e, interactivity, alpha, smallest, steps_only, files, no_published, as_json, **names) -> None:
    """Show how throughput changed over time, and where it stepped up or down.

    \b
    A series is one configuration with at least four single dates. A step is a change of level that
    noise would give in one of a hundred series (--alpha), told also for one new value at the end.

    \b
    Examples:
      paretoken history --model deepseek-r1 --accelerator MI355X --precision fp8 --workload chat
      paretoken history --model deepseek-r1 --accelerator B200 --interactivity 40 --steps-only
      paretoken history --model llama-3-70b --no-published --points runs.parquet --json
    """
    from paretoken.bench.workload.ladder import parse_fraction
    from paretoken.cli.compare.history_view import show_series
    from paretoken.history.ask import ask

    found = ask(
        model,
        files=files,
        published=not no_published,
        e2e_s=e2e,
        interactivity=interactivity,
        alpha=alpha,
        smallest=parse_fraction(smallest),
        **names,
    )
    show_series([s for s in found if s.steps or not steps_only], as_json)
