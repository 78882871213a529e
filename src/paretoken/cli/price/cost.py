"""`paretoken cost`: the frontiers in money."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import rich_click as click

from paretoken.cli import options
from paretoken.cli.names import TCO_SET

if TYPE_CHECKING:
    from paretoken.points.selection import Axis

COLUMNS = {
    "tier": "tier",
    "accelerator": "accelerator",
    "engine": "engine",
    "tp": "TP",
    "concurrency": "concurrency",
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


@click.command("cost", no_args_is_help=True)
@options.what
@options.axis
@options.accelerators
@click.option("--tco", type=TCO_SET, help="TCO set (default: the newest).")
@click.option("--tier", "tiers", multiple=True, help="Tier of the TCO set (repeatable; default: all).")
@options.price
@options.serving_load
@options.which
@options.as_json
def command(
    axis: Axis,
    accelerators: tuple[str, ...],
    tco: str | None,
    tiers: tuple[str, ...],
    price_usd_per_gpu_h: dict[str, float],
    serving_load: float,
    as_json: bool,
    **shared: Unpack[options.PointsOptions],
) -> None:
    """Price every Pareto point: USD per million tokens, tokens/s/MW, J/token.

    The total, output and input columns each charge the whole hour to one class of tokens.

    \b
    Examples:
      paretoken cost --model llama-3-70b --precision fp8 --workload chat
      paretoken cost --model deepseek-r1 --precision fp8 --workload 8k/1k \\
                     --tco 2026-07 --tier neocloud --json
    """
    from paretoken.answers.cost import CostQuestion, cost
    from paretoken.answers.seam import to_json
    from paretoken.cli.output import print_json, print_table

    fields = options.points_fields(shared, accelerators)
    question = CostQuestion(
        **fields,
        axis=axis,
        tco=tco,
        tiers=tiers,
        price_usd_per_gpu_h=price_usd_per_gpu_h,
        serving_load=serving_load,
    )
    answer = cost(question)
    if as_json:
        print_json(to_json(answer)["points"])
        return
    tariff = answer.tariffs[0]
    rows = [[getattr(point, name) for name in COLUMNS] for point in answer.points]
    print_table(f"Cost at TCO set {tariff.price_set}", tuple(COLUMNS.values()), rows, f"power: {tariff.kw_basis}")
