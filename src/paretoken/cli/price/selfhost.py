"""`paretoken selfhost`: API list prices against serving oneself."""

from __future__ import annotations

from pathlib import Path

import click

from paretoken.cli import options


@click.command("selfhost", no_args_is_help=True)
@options.what
@options.latency
@options.accelerators
@click.option("--tco", help="TCO set, instead of the market's rent; the newest if only --tier is given.")
@click.option("--tier", help="Tier of the TCO set; its first by default.")
@click.option("--term", help="Rental term of the market; on-demand by default.")
@click.option(
    "--rent",
    "rent_usd",
    type=options.Finite(),
    metavar="USD",
    help="What a GPU-hour costs you, whatever the accelerator.",
)
@click.option(
    "--api-prices", type=Path, metavar="FILE", help="Own list prices: CSV with model, provider, input_usd_per_mtok, …"
)
@click.option(
    "--input-price",
    type=options.Finite(),
    metavar="USD",
    help="Of a million input tokens; with --output-price one API's price.",
)
@click.option("--output-price", type=options.Finite(), metavar="USD", help="Of a million output tokens.")
@click.option("--cached-price", type=options.Finite(), metavar="USD", help="Of a million cached input tokens.")
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
def command(
    e2e_s,
    interactivity,
    tco,
    tier,
    term,
    rent_usd,
    api_prices,
    input_price,
    output_price,
    cached_price,
    cached_share,
    as_json,
    **shared,
) -> None:
    """Say from which load serving a model oneself is cheaper than an API.

    \b
    The API's price is that of the workload's mix of input and output tokens. Serving oneself costs
    the GPU-hour whether it serves or not; its throughput was measured without a prefix cache.

    \b
    Examples:
      paretoken selfhost --model gpt-oss-120b --precision fp4 --workload chat --interactivity 50
      paretoken selfhost --model llama-3-70b --precision fp8 --workload 8k/1k --e2e 20 --term on-demand
      paretoken selfhost --model deepseek-r1 --precision fp8 --workload chat --interactivity 40 \\
                         --input-price 0.55 --output-price 2.19 --cached-price 0.14 --cached-share 0.5
    """
    from paretoken.answers import money, planning
    from paretoken.cli.output import console, print_json, print_table
    from paretoken.errors import BadConfig
    from paretoken.prices.api_price import api_prices as read
    from paretoken.prices.api_price import own_price

    if (input_price is None) != (output_price is None):
        raise BadConfig("an API price has two sides; give both --input-price and --output-price")
    market = options.of_market(shared)
    asked = options.asked(**shared)
    prices = read(api_prices) if api_prices else None
    if input_price is not None:
        prices = [own_price(asked["model"], input_price, output_price, cached_price)]
    market = options.price_book(asked["catalog"], **market)
    price = money.gpu_price(asked["catalog"], tco=tco, tier=tier, term=term, rent_usd=rent_usd, **market)
    best, price, found = planning.selfhost(
        **asked, prices=prices, price=price, cached_share=cached_share, e2e_s=e2e_s, interactivity=interactivity
    )
    if as_json:
        print_json(
            {
                "candidate": best,
                "usd_per_gpu_h": price.usd_per_gpu_h[best.accelerator],
                "price": price.name,
                "against": found,
            }
        )
        return
    usd = price.usd_per_gpu_h[best.accelerator]
    print_table(
        f"{best.accelerator} with {best.engine} at {usd:.2f} USD per GPU-hour ({price.name}): "
        f"{found[0].own_usd_per_mtok:.4g} USD per million tokens at full load",
        (
            "API",
            "its model",
            "$/M input",
            "$/M output",
            "$/M of this mix",
            "pays from a load of",
            "that is, million tokens a day",
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
            for s in found
        ],
        f"smallest deployment: {found[0].gpus} GPUs; 'never': the API is the cheaper even at full load",
    )
    sources = ", ".join(dict.fromkeys(s.api.source.split(" <- ")[0] for s in found))
    console().print(f"API prices: {sources}; GPU price: {price.source}", style="dim", markup=False, highlight=False)
