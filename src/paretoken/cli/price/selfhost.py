"""`paretoken selfhost`: the load from which self-hosting is cheaper than an API."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from paretoken.cli import options
from paretoken.cli.asking import question
from paretoken.cli.names import TCO_SET

if TYPE_CHECKING:
    from paretoken.day_curve import DayCurve


class DayCurveOption(click.ParamType[tuple[float, ...]]):
    """The load of 24 hours."""

    name = "day curve"

    def convert(self, value: str | DayCurve, param: click.Parameter | None, ctx: click.Context | None) -> DayCurve:
        from paretoken.traffic.day_curves import parse_day_curve

        return parse_day_curve(value) if isinstance(value, str) else value


def _share(name: str, what: str) -> options.Decorator:
    """An option for a share of tokens, 0 by default."""
    return click.option(name, type=options.Finite(), default=0.0, show_default=True, help=what)


@click.command("selfhost", no_args_is_help=True)
@options.what
@options.latency
@options.accelerators
@options.price
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
    "--tiers", is_flag=True, help="Show every name and tier of each provider (default: its cheapest for the task)."
)
@_share("--cached-share", "Share of the task's input in a prefix cache, on both sides.")
@click.option(
    "--own-cached-share",
    type=options.Finite(),
    metavar="SHARE",
    help="Share in your own cache (default: --cached-share; 0: no hits).",
)
@_share("--cache-write-share", "Share of the input that the API bills as cache writes.")
@_share(
    "--batch-share",
    "Share of the tokens that can wait: batch tier or off-peak hours of the API, quiet hours on your own side.",
)
@click.option(
    "--day-curve",
    "load_curve",
    type=DayCurveOption(),
    default="flat",
    show_default=True,
    metavar="CURVE",
    help="Load over the day: flat, office, consumer, campus, 24 relative rates with commas, or a CSV file hour,share.",
)
@click.option(
    "--utc-offset",
    type=click.IntRange(-12, 14),
    default=0,
    show_default=True,
    metavar="H",
    help="UTC offset of the day curve, in hours. Peak hours of APIs are in UTC.",
)
@click.option("--tokens-per-day", type=options.Finite(), metavar="N", help="Your volume, input and output tokens.")
@click.option("--requests-per-day", type=options.Finite(), metavar="N", help="Your volume, in requests.")
@options.market
@options.which
@options.currency
@options.as_json
def command(*, as_json: bool, **values: object) -> None:
    """Compare self-hosting a model with API prices: break-even load, and the cost of your volume.

    The API's price is blended for your task: input and output tokens, cache hits, batches, and peak hours.
    Your GPUs cost the same at any load, and there are enough for the busiest hour. Cache hits raise your
    throughput by the factor predicted for the same deployment and latency.

    Two answers are printed, unless --serving or --speculative asks for one of them: plain serving (one node, no
    speculative decoding), and the best known serving of any kind, which is what API providers use.

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
      paretoken selfhost --model deepseek-v4-pro --precision fp4 \\
                         --workload 8k/1k --interactivity 40 \\
                         --requests-per-day 2000000 --tiers
    """
    from paretoken.answers.selfhost import selfhost
    from paretoken.answers.selfhost_question import SelfhostQuestion
    from paretoken.cli.output import print_json
    from paretoken.cli.price.selfhost_tables import print_selfhost

    answer = selfhost(question(SelfhostQuestion, values))
    if as_json:
        print_json(answer)
    else:
        print_selfhost(answer)
