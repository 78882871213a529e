"""`paretoken advise`: who should get which accelerator in which way."""

from __future__ import annotations

import click

from paretoken.cli import options

SHOWN = 6


@click.command("advise", no_args_is_help=True)
@options.what
@options.latency
@options.accelerators
@options.serving_load
@click.option("--set", "sets", multiple=True, metavar="FILE", help="TOML of your own cost figures (repeatable).")
@options.market
@options.which
@options.as_json
def command(e2e_s, interactivity, serving_load, sets, as_json, **shared) -> None:
    """Rank accelerator, engine and way to get it for each layer of the market, with what would change the answer.

    \b
    The layers: a hyperscaler that owns, a neocloud that owns and rents out, an enterprise on 1 to 3
    years, a team that rents by the hour or month.

    \b
    Examples:
      paretoken advise --model deepseek-r1 --precision fp8 --workload chat --interactivity 40
      paretoken advise --model llama-3-70b --precision fp8 --workload 8k/1k --e2e 20 --set mine.toml --json
    """
    from paretoken import planning
    from paretoken.cli.output import print_json
    from paretoken.economics.advise import advice_json

    market = options.of_market(shared)
    asked = options.asked(**shared)
    market = options.price_book(asked["catalog"], **market)
    axis, value, found = planning.advise(
        **asked, **market, sets=sets, e2e_s=e2e_s, interactivity=interactivity, serving_load=serving_load
    )
    if as_json:
        print_json({"axis": axis, "value": value, "layers": [advice_json(a) for a in found]})
        return
    for advice in found:
        _show(advice)


def _show(advice) -> None:
    from paretoken.cli.output import NONE, console, percent, print_table

    rows = [
        (
            x.candidate.accelerator,
            x.candidate.engine,
            x.way.name,
            x.usd_per_mtok,
            x.usd_per_gpu_h,
            x.candidate.tp,
            *((percent(x.rent_margin),) if advice.layer.key == "neocloud" else ()),
            x.thin,
        )
        for x in advice.choices[:SHOWN]
    ]
    more = len(advice.choices) - len(rows)
    if not rows:
        console().print(f"\n[bold]{advice.layer.title}[/bold]\nno accelerator with data has a price here")
    else:
        margin = ("margin at market rent",) if advice.layer.key == "neocloud" else ()
        print_table(
            f"\n{advice.layer.title}",
            ("accelerator", "engine", "way", "$/M tokens", "$/GPU-h", "TP", *margin, "rests on"),
            rows,
            f"and {more} more; --json gives all" if more > 0 else "",
        )
        second = advice.runner_up
        beat = (
            f"{percent(advice.margin)} over {second.candidate.accelerator} ({second.way.name}), {advice.sure}"
            if second
            else "uncontested"
        )
        console().print(f"{advice.best.candidate.accelerator}, {advice.best.way.name}: {beat}", highlight=False)
    for c in advice.changes[:3]:
        now = NONE if c.usd_now is None else f"{c.usd_now:.2f}"
        by = "no price here" if c.by is None else f"{-c.by:+.0%} from {now}"
        console().print(
            f"  {c.accelerator} would draw level at {c.usd_needed:.2f} USD per GPU-hour ({by})",
            style="dim",
            highlight=False,
        )
