"""`paretoken cost`: the frontiers in money."""

from __future__ import annotations

import click

from paretoken.cli import options


@click.command("cost", no_args_is_help=True)
@options.what
@options.axis
@options.accelerators
@click.option("--tco", help="TCO set; the newest by default.")
@click.option("--tier", "tiers", multiple=True, help="Tier of the TCO set (repeatable); all by default.")
@options.serving_load
@options.which
@options.as_json
def command(axis, tco, tiers, serving_load, as_json, **shared) -> None:
    """Price the frontiers: USD per million tokens, tokens/s/MW and J/token at every Pareto point.

    \b
    Total, output and input cost each attribute the whole hour to one class of tokens.

    \b
    Examples:
      paretoken cost --model llama-3-70b --precision fp8 --workload chat
      paretoken cost --model deepseek-r1 --precision fp8 --workload 8k/1k --tco 2026-07 --tier neocloud --json
    """
    from paretoken.answers import api
    from paretoken.answers.study.rows import cost_rows
    from paretoken.cli.output import print_json, print_table

    pairs = api.cost(**options.asked(**shared), axis=axis, tco=tco, tiers=tiers)
    rows = list(cost_rows(pairs, serving_load))
    if as_json:
        print_json(rows)
        return
    columns = {
        "tier": "tier",
        "accelerator": "accelerator",
        "engine": "engine",
        "tp": "TP",
        "concurrency": "users",
        "e2e_s": "E2E s",
        "interactivity_tok_s": "tok/s/user",
        "tput_per_gpu": "tok/s/GPU",
        "usd_per_gpu_h": "$/GPU-h",
        "usd_per_mtok_total": "$/M total",
        "usd_per_mtok_output": "$/M output",
        "usd_per_mtok_input": "$/M input",
        "tok_s_per_mw": "tok/s/MW",
        "joules_per_token": "J/token",
        "origin": "origin",
    }
    price = pairs[0][0]
    print_table(
        f"Cost at TCO set {price.price_set}",
        tuple(columns.values()),
        [[r[k] for k in columns] for r in rows],
        f"power: {price.kw_basis}",
    )
