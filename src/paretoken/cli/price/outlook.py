"""`paretoken outlook`: a scenario projected, and the trends of dated runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from paretoken.answers.doubts import doubts
from paretoken.cli import options
from paretoken.cli.asking import question
from paretoken.cli.cells import TableCell, figure, number, share
from paretoken.cli.names import ACCELERATOR

if TYPE_CHECKING:
    from paretoken.answers.outlook import OutlookAnswer, TrendsAnswer
    from paretoken.frontier.trend import TrendStep
    from paretoken.prices.outlook.scenario import Scenario


@click.command("outlook", no_args_is_help=True)
@click.argument("scenario", required=False, metavar="SCENARIO.toml")
@click.option(
    "--trend", "trend", is_flag=True, help="Show the throughput trends of dated runs, with steps and regressions."
)
@click.option("--accelerator", type=ACCELERATOR, help="With --trend: include only this accelerator.")
@options.price
@options.market
@click.option(
    "--points",
    "files",
    multiple=True,
    type=Path,
    metavar="FILE",
    help="Add your own results (repeatable).",
)
@click.option("--no-published", is_flag=True, help="Ignore the shipped and the installed bundles of points.")
@options.bundles
@options.catalog_folders
@options.currency
@options.as_json
def command(*, scenario: str | None, trend: bool, as_json: bool, **values: object) -> None:
    """Project a scenario: new accelerators, changing prices, faster software.

    A scenario states a question and what changes; every figure is marked as a scenario.
    Built-in scenarios: mi355x-vs-b200, mi455x-vs-vr200, mi455x-vs-vr200-racks, rent-cut.

    \b
    Examples:
      paretoken outlook rent-cut
      paretoken outlook mi455x-vs-vr200-racks --json
      paretoken outlook mine.toml --prices rental-prices
      paretoken outlook --trend --accelerator MI355X
    """
    from paretoken.answers.outlook import OutlookQuestion, TrendsQuestion, outlook, trends
    from paretoken.cli.output import print_json
    from paretoken.errors import BadConfig
    from paretoken.prices.outlook.scenario import find_scenario

    if bool(scenario) == trend:
        raise BadConfig("give a scenario, or use --trend for past runs")
    if scenario is None:
        past = trends(question(TrendsQuestion, values))
        if as_json:
            print_json(past.trends)
        else:
            _print_trends(past)
        return
    read = find_scenario(scenario)
    answer = outlook(question(OutlookQuestion, {**values, "scenario": read}))
    if as_json:
        print_json(answer)
    else:
        print_outlook(read, answer)


def print_outlook(scenario: Scenario, answer: OutlookAnswer) -> None:
    """The states, who is cheapest, and what the scenario starts from."""
    from paretoken.cli.output import console, print_table
    from paretoken.prices.outlook.project import changed

    print_table(
        f"SCENARIO {scenario.name}: {scenario.model}, {scenario.workload}, {answer.limits}; "
        f"today {answer.price} ({answer.price_set})",
        (
            "from",
            "accelerator",
            "tok/s/GPU",
            "$/GPU-h",
            "$/M tokens",
            f"equals {scenario.reference} at, $/GPU-h",
            "basis",
        ),
        [
            (
                x.day,
                x.accelerator,
                _with_interval(x.tput_per_gpu, x.interval),
                x.usd_per_gpu_h,
                _with_interval(x.usd_per_mtok, x.usd_per_mtok_interval),
                figure(x.break_even_usd_per_gpu_h, ".2f"),
                x.basis,
            )
            for x in changed(answer.states)
        ],
        "every figure is a scenario's, not a measurement; quarters without a change are left out",
    )
    rows = [(day, first, second, share(margin)) for day, first, second, margin in answer.winners]
    print_table("\nCheapest tokens, scenario", ("from", "cheapest", "next", "margin"), rows)
    for line in answer.unlike:
        console().print(f"not like for like: {line}")
    for line in answer.undecided:
        console().print(line)
    for line in _start(answer):
        console().print(line, style="dim")
    for a, growth in answer.fitted_per_quarter.items():
        console().print(
            f"{a}: {growth:+.0%} a quarter, median of the trends of dated runs ({answer.fitted_trends[a]}; "
            "'paretoken outlook --trend')",
            style="dim",
        )
    for c in scenario.coming:
        basis = f"{c.like} × {c.throughput_factor:g}" if c.like else "predicted"
        console().print(f"{c.name}: {basis} from {c.available}: {c.source}", style="dim")


def _with_interval(value: float | None, interval: tuple[float, float] | None) -> float | TableCell | None:
    """A figure, with its 90 % interval if it has one."""
    if value is None or interval is None:
        return value
    low, high = interval
    return TableCell(f"{number(value)} ({number(low)} … {number(high)})", (value, low, high), ("", "low", "high"))


def _start(answer: OutlookAnswer) -> Iterator[str]:
    """Where each accelerator starts from, and what makes their order of today doubtful."""
    for accelerator, start in answer.starts_from.items():
        release = "predicted" if start.origin == "predicted" else start.software
        if start.layout:
            release = f"{start.layout}, predicted"
        dated = "" if start.date in (None, release) else f", {start.date}"
        yield f"{accelerator} starts from {number(start.tput_per_gpu)} tok/s/GPU with {start.engine} {release}{dated}"
    today = answer.verdict_today
    if today and today.withheld:
        yield f"no verdict today, so none for the scenario: {today.withheld}"
    if today:
        yield from doubts(today, " today")


def _print_trends(answer: TrendsAnswer) -> None:
    from paretoken.cli.output import print_table

    print_table(
        "Throughput at equal interactivity over the dated runs of one configuration",
        (
            "configuration",
            "tok/s/user",
            "days",
            "from",
            "to",
            "first",
            "last",
            "per quarter",
            "90 % interval",
            "steps",
        ),
        [
            (
                row.title,
                t.interactivity,
                len(t.dates),
                t.dates[0],
                t.dates[-1],
                t.tput_per_gpu[0],
                t.tput_per_gpu[-1],
                share(t.per_quarter),
                None if t.per_quarter is None else _percent_interval(t.interval),
                "; ".join(map(_step, t.steps)) or None,
            )
            for row in answer.trends
            for t in (row.trend,)
        ],
        "per quarter: the median slope over two months or more, left out where the ends of its interval lie more than "
        "a factor of 1.5 apart; steps are lasting changes of level",
        spare=("days", "90 % interval", "from", "to", "steps", "first", "last"),
    )


def _percent_interval(ends: tuple[float, float] | None) -> TableCell | None:
    if ends is None:
        return None
    return TableCell("{:+.0%} … {:+.0%}".format(*ends), (ends[0] * 100, ends[1] * 100), ("low %", "high %"))


def _step(step: TrendStep) -> str:
    return f"{step.on} {step.change:+.0%}" + (f" REGRESSION ({step.run[:40]})" if step.regression else "")
