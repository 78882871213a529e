"""`paretoken selfhost`: the load from which self-hosting is cheaper than an API."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from paretoken.cli import options
from paretoken.cli.names import TCO_SET
from paretoken.cli.price.asking import question
from paretoken.plural import counted

if TYPE_CHECKING:
    from paretoken.answers.selfhost import SelfhostAnswer


@click.command("selfhost", no_args_is_help=True)
@options.what
@options.latency
@options.accelerators
@click.option("--tco", type=TCO_SET, help="TCO set to use instead of market rent (default with --tier: newest).")
@click.option("--tier", help="Tier of the TCO set (default: its first).")
@click.option("--term", help="Rental term of the market (default: on-demand).")
@click.option("--rent", "rent_usd", type=options.Finite(), metavar="USD", help="Your rent, USD per GPU-hour.")
@click.option(
    "--api-prices", type=Path, metavar="FILE", help="CSV of your API prices: model, provider, input_usd_per_mtok, …"
)
@click.option(
    "--input-price",
    type=options.Finite(),
    metavar="USD",
    help="API price per million input tokens; needs --output-price.",
)
@click.option("--output-price", type=options.Finite(), metavar="USD", help="API price per million output tokens.")
@click.option("--cached-price", type=options.Finite(), metavar="USD", help="API price per million cached input tokens.")
@click.option(
    "--cached-share",
    type=options.Finite(),
    default=0.0,
    show_default=True,
    help="Share of the input that the API reads from cache.",
)
@options.market
@options.which
@options.as_json
def command(*, as_json: bool, **values: object) -> None:
    """Compute the break-even load of self-hosting a model against an API.

    The API price is blended for the workload's input and output tokens. Your GPU-hour costs the same
    at any load; its throughput was measured without a prefix cache.

    \b
    Examples:
      paretoken selfhost --model gpt-oss-120b --precision fp4 --workload chat \\
                         --interactivity 50
      paretoken selfhost --model llama-3-70b --precision fp8 --workload 8k/1k \\
                         --e2e 20 --term on-demand
      paretoken selfhost --model deepseek-r1 --precision fp8 --workload chat \\
                         --interactivity 40 --input-price 0.55 \\
                         --output-price 2.19 --cached-price 0.14 \\
                         --cached-share 0.5
    """
    from paretoken.answers.selfhost import SelfhostQuestion, selfhost
    from paretoken.cli.output import print_json

    answer = selfhost(question(SelfhostQuestion, values))
    if as_json:
        print_json(answer)
    else:
        _print(answer)


def _print(answer: SelfhostAnswer) -> None:
    from paretoken.cli.output import console, print_table

    first = answer.against[0]
    print_table(
        f"{answer.candidate.accelerator} with {answer.candidate.engine} at {answer.usd_per_gpu_h:.2f} USD per GPU-hour "
        f"({answer.price}): {first.own_usd_per_mtok:.4g} USD per million tokens at full load",
        (
            "API",
            "model name",
            "$/M input",
            "$/M output",
            "$/M blended",
            "break-even load",
            "M tokens/day at break-even",
            "date",
        ),
        [
            (
                s.api.provider,
                s.api.name,
                s.api.input,
                s.api.output,
                s.api_usd_per_mtok,
                f"{s.load:.0%}" if s.pays else "never",
                s.tokens_per_day / 1e6 if s.pays else None,
                s.api.date,
            )
            for s in answer.against
        ],
        f"smallest deployment: {counted(first.gpus, 'GPU')}; never: the API is cheaper even at full load",
    )
    sources = ", ".join(dict.fromkeys(s.api.source.split(" <- ")[0] for s in answer.against))
    console().print(
        f"API prices: {sources}; GPU price: {answer.price_source}", style="dim", markup=False, highlight=False
    )
