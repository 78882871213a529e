"""`paretoken advise`: which accelerator, engine and procurement option each buyer segment should choose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from paretoken.cli import options
from paretoken.cli.price.asking import question

if TYPE_CHECKING:
    from paretoken.answers.buyers import Advice, BreakEvenPrice

MOST_CHOICES, MOST_CHANGES = 6, 3


@click.command("advise", no_args_is_help=True)
@options.what
@options.latency
@options.accelerators
@options.serving_load
@click.option("--set", "sets", multiple=True, metavar="FILE", help="TOML file of your own cost figures (repeatable).")
@options.market
@options.which
@options.as_json
def command(*, as_json: bool, **values: object) -> None:
    """Recommend accelerator, engine, and own or rent, for each buyer segment.

    Also shows what would change the answer. Segments: a hyperscaler that owns, a neocloud that owns and
    rents out, an enterprise with 1 to 3-year terms, a team that rents by the hour or month.

    \b
    Examples:
      paretoken advise --model deepseek-r1 --precision fp8 --workload chat \\
                       --interactivity 40
      paretoken advise --model llama-3-70b --precision fp8 --workload 8k/1k \\
                       --e2e 20 --set mine.toml --json
    """
    from paretoken.answers.advise import AdviseQuestion, advise
    from paretoken.cli.output import print_json

    answer = advise(question(AdviseQuestion, values))
    if as_json:
        print_json(answer)
        return
    for segment in answer.segments:
        _print_segment(segment)


def _print_segment(advice: Advice) -> None:
    from paretoken.cli.output import console

    if not advice.choices:
        console().print(f"\n[bold]{advice.title}[/bold]\nno accelerator with data has a price for this segment")
    else:
        _print_choices(advice)
        best = advice.choices[0]
        console().print(f"{best.accelerator}, {best.procurement}: {_margin(advice)}", highlight=False)
    for change in advice.changes[:MOST_CHANGES]:
        console().print(f"  {change.accelerator} {_change(change)}", style="dim", highlight=False)


def _print_choices(advice: Advice) -> None:
    from paretoken.cli.output import percent, print_table

    rows = [x for x in advice.choices if not x.scarce][:MOST_CHOICES] + [x for x in advice.choices if x.scarce]
    rents_out = advice.segment == "neocloud"
    columns = ("accelerator", "engine", "procurement", "$/M tokens", "$/GPU-h", "TP")
    hidden = len(advice.choices) - len(rows)
    print_table(
        f"\n{advice.title}",
        (*columns, *(("margin at market rent",) if rents_out else ()), "basis"),
        [
            (
                x.accelerator,
                x.engine,
                x.procurement,
                x.usd_per_mtok_total,
                x.usd_per_gpu_h,
                x.tp,
                *((percent(x.rent_margin),) if rents_out else ()),
                x.data,
            )
            for x in rows
        ],
        f"and {hidden} more; --json prints all" if hidden else "",
    )


def _margin(advice: Advice) -> str:
    from paretoken.cli.output import percent

    second = advice.runner_up
    if second is None or advice.margin is None:
        return "no other candidate"
    name = f"{second.accelerator} ({second.procurement})"
    if advice.margin < 0:
        return f"{name} is cheaper where it is available at {second.usd_per_gpu_h:.2f} USD per GPU-hour"
    return f"{percent(advice.margin)} over {name}, {advice.confidence}"


def _change(change: BreakEvenPrice) -> str:
    if change.already_cheaper:
        return f"is cheaper where it is available at {change.usd_now:.2f} USD per GPU-hour"
    by = "no price" if change.by is None else f"{-change.by:+.0%} from {change.usd_now:.2f}"
    return f"breaks even at {change.usd_needed:.2f} USD per GPU-hour ({by})"
