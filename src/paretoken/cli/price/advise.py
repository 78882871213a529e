"""`paretoken advise`: who should get which accelerator in which way."""

from __future__ import annotations

import click

from paretoken.cli import options

SHOWN, SHOWN_CHANGES = 6, 3


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
    from paretoken.answers import planning
    from paretoken.cli.output import print_json
    from paretoken.prices.advise import advice_json

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
    from paretoken.cli.output import console, percent, print_table

    shown = [x for x in advice.choices if not x.scarce][:SHOWN] + [x for x in advice.choices if x.scarce]
    if not shown:
        console().print(f"\n[bold]{advice.layer.title}[/bold]\nno accelerator with data has a price here")
    else:
        out = advice.layer.key == "neocloud"
        more = len(advice.choices) - len(shown)
        print_table(
            f"\n{advice.layer.title}",
            (
                "accelerator",
                "engine",
                "way",
                "$/M tokens",
                "$/GPU-h",
                "TP",
                *(("margin at market rent",) if out else ()),
                "rests on",
            ),
            [
                (
                    x.candidate.accelerator,
                    x.candidate.engine,
                    x.way.name,
                    x.usd_per_mtok,
                    x.usd_per_gpu_h,
                    x.candidate.tp,
                    *((percent(x.rent_margin),) if out else ()),
                    x.thin,
                )
                for x in shown
            ],
            f"and {more} more; --json gives all" if more else "",
        )
        best = advice.best
        console().print(f"{best.candidate.accelerator}, {best.way.name}: {_beaten(advice)}", highlight=False)
    for c in advice.changes[:SHOWN_CHANGES]:
        console().print(f"  {c.accelerator} {_level(c)}", style="dim", highlight=False)


def _beaten(advice) -> str:
    from paretoken.cli.output import percent

    second = advice.runner_up
    if second is None:
        return "uncontested"
    name = f"{second.candidate.accelerator} ({second.way.name})"
    if advice.margin < 0:
        return f"{name} is already cheaper where it can be had at {second.usd_per_gpu_h:.2f}"
    return f"{percent(advice.margin)} over {name}, {advice.sure}"


def _level(change) -> str:
    if change.already_cheaper:
        return f"is already cheaper where it can be had at {change.usd_now:.2f} USD per GPU-hour"
    by = "no price here" if change.by is None else f"{-change.by:+.0%} from {change.usd_now:.2f}"
    return f"would draw level at {change.usd_needed:.2f} USD per GPU-hour ({by})"
