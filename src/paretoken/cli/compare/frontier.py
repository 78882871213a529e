"""`paretoken frontier`: the Pareto points."""

from __future__ import annotations

import rich_click as click

from paretoken.cli import options
from paretoken.cli.asking import question

COLUMNS = {
    "accelerator": "accelerator",
    "engine": "engine",
    "software": "release",
    "tp": "TP",
    "n_gpus": "GPUs",
    "concurrency": "concurrency",
    "e2e_s": "E2E s",
    "interactivity_tok_s": "tok/s/user",
    "tput_per_gpu": "tok/s/GPU",
    "origin": "origin",
    "source": "source",
    "e2e_basis": "E2E from",
}
RECEIPT = {"receipt": "verified receipt"}
"""Shown where a point has one."""
SPARE = ("verified receipt", "E2E from", "source", "GPUs", "release", "origin")


@click.command("frontier", no_args_is_help=True)
@options.what
@options.axis
@options.accelerators
@options.which
@options.as_json
def command(*, as_json: bool, **values: object) -> None:
    """Show the Pareto points of each accelerator and engine, over all TP sizes and loads.

    \b
    Examples:
      paretoken frontier --model llama-3-70b --precision fp8 --workload chat
      paretoken frontier --model deepseek-r1 --precision fp4 --isl 8192 \\
                         --osl 1024 --axis interactivity --serving any --json
    """
    from paretoken.answers.frontier import FrontierQuestion, frontiers
    from paretoken.answers.seam import to_json
    from paretoken.cli.output import console, print_json, print_table

    answer = frontiers(question(FrontierQuestion, values))
    if as_json:
        print_json(to_json(answer)["points"])
        return
    columns = COLUMNS | (RECEIPT if any(point.receipt for point in answer.points) else {})
    for title, ranked in (
        ("Pareto points", True),
        ("\nNewer releases, not ranked: too few loads, or throughput only derived", False),
    ):
        rows = [[getattr(point, name) for name in columns] for point in answer.points if point.ranked is ranked]
        if rows:
            print_table(title, tuple(columns.values()), rows, spare=SPARE)
    for p in answer.points:
        if p.origin == "measured" and p.notes:
            line = f"{p.accelerator} {p.engine}, concurrency {p.concurrency or 0:g}: {p.notes}"
            console().print(line, style="yellow")
    for name, reason in answer.left_out.items():
        console().print(f"left out: {name}: {reason}; add --include-suspicious", style="dim")
