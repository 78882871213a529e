"""`paretoken frontier`: the Pareto points."""

from __future__ import annotations

import click

from paretoken.cli import options


@click.command("frontier", no_args_is_help=True)
@options.what
@options.axis
@options.accelerators
@options.which
@options.as_json
def command(axis, as_json, **shared) -> None:
    """Show the Pareto points of each accelerator and engine, over all TP sizes and loads.

    \b
    Examples:
      paretoken frontier --model llama-3-70b --precision fp8 --workload chat
      paretoken frontier --model deepseek-r1 --precision fp4 --isl 8192 --osl 1024 \\
                         --axis interactivity --serving any --json
    """
    from paretoken.answers import api
    from paretoken.answers.study.rows import frontier_rows
    from paretoken.cli.output import console, print_json, print_table

    rows = list(frontier_rows(api.frontiers(**options.asked(**shared), axis=axis)))
    if as_json:
        print_json(rows)
        return
    columns = {
        "accelerator": "accelerator",
        "engine": "engine",
        "tp": "TP",
        "n_gpus": "GPUs",
        "concurrency": "users",
        "e2e_s": "E2E s",
        "interactivity_tok_s": "tok/s/user",
        "tput_per_gpu": "tok/s/GPU",
        "origin": "origin",
        "source": "source",
        "e2e_basis": "E2E from",
    }
    print_table("Pareto points", tuple(columns.values()), [[r[k] for k in columns] for r in rows])
    for r in rows:
        if r["origin"] == "measured" and r["notes"]:
            said = f"{r['accelerator']} {r['engine']}, {r['concurrency'] or 0:g} users: {r['notes']}"
            console().print(said, style="yellow", markup=False)
