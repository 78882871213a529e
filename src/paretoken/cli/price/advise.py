"""`paretoken advise`: which accelerator, engine and procurement option each buyer segment should choose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import rich_click as click

from paretoken.cli import options
from paretoken.cli.asking import question
from paretoken.cli.cells import share
from paretoken.cli.money import amount, currency

if TYPE_CHECKING:
    from paretoken.answers.advise import AdviseAnswer
    from paretoken.answers.buyers import Advice, Choice

MOST_CHOICES, MOST_CHANGES = 4, 3
PLAIN, BEST_KNOWN, SAME = "plain", "best known", "plain and best known"
NOTE = "$/M is interpolated at the limit; 'run as' is the nearest run that meets it"
FLEET = ("GPUs under --mw", "billion tokens/day")
SPARE = ("release", "points", "$/M as run", "$/GPU-h")


@click.command("advise", no_args_is_help=True)
@options.what
@options.latency
@options.accelerators
@options.price
@options.serving_load
@options.mw
@click.option("--set", "sets", multiple=True, metavar="FILE", help="TOML file of your own cost figures (repeatable).")
@options.market
@options.which
@options.currency
@options.as_json
def command(*, as_json: bool, **values: object) -> None:
    """Recommend accelerator, engine, and own or rent, for each buyer segment.

    Also shows what would change the answer. Segments: a hyperscaler that owns, a neocloud that owns and
    rents out, an enterprise with 1 to 3-year terms, a team that rents by the hour or month.

    Anything faster also meets a limit. Two answers are printed, unless --serving or --speculative asks for one of
    them: plain serving (one node, no speculative decoding), and the best known serving of any kind.

    \b
    Examples:
      paretoken advise --model deepseek-r1 --precision fp8 --workload chat \\
                       --interactivity 40
      paretoken advise --model deepseek-r1 --precision fp8 --workload chat \\
                       --ttft p50=1s --interactivity 40 --serving any
      paretoken advise --model llama-3-70b --precision fp8 --workload 8k/1k \\
                       --e2e 20 --set mine.toml --json
    """
    from paretoken.answers.advise import AdviseQuestion, advise
    from paretoken.cli.output import print_json

    answer = advise(question(AdviseQuestion, values))
    if as_json:
        print_json(answer)
        return
    _print(answer)


def _print(answer: AdviseAnswer) -> None:
    from paretoken.cli.output import console

    other = answer.best_known
    bounds = [(PLAIN, answer), (BEST_KNOWN, other)] if other else [("", answer)]
    console().print(f"{answer.limits[:1].upper()}{answer.limits[1:]}", style="bold")
    for name, bound in bounds:
        if bound.unmet:
            console().print(f"{name}: {bound.unmet}", style="yellow")
    for segment in zip(*(bound.segments for _, bound in bounds), strict=True):
        same = len(segment) > 1 and segment[0] == segment[1]
        _print_segment([(SAME, segment[0])] if same else list(zip((name for name, _ in bounds), segment, strict=True)))


def _print_segment(bounds: list[tuple[str, Advice]]) -> None:
    from paretoken.answers.advice_words import advice_words, change_words
    from paretoken.cli.output import console

    title = bounds[0][1].title
    answered = [(name, advice) for name, advice in bounds if advice.choices]
    if not answered:
        console().print(f"\n{title}", style="bold")
        console().print("no accelerator with data has a price for this segment")
        return
    _print_choices(title, answered)
    for name, advice in answered:
        first, *more = advice_words(advice, currency())
        console().print(f"{name}: {first}" if name else first)
        for line in more:
            console().print(f"  {line}")
        for change in advice.changes[:MOST_CHANGES]:
            console().print(f"  {change.accelerator} {change_words(change, currency())}", style="dim")


def _print_choices(title: str, bounds: list[tuple[str, Advice]]) -> None:
    from paretoken.answers.advice_words import choice_run
    from paretoken.cli.output import console, print_table

    named, rents_out = len(bounds) > 1 or bool(bounds[0][0]), bounds[0][1].segment == "neocloud"
    columns = ("accelerator", "engine", "release", "procurement", "$/M tokens", "run as", "$/M as run", "$/GPU-h")
    shown = [(name, x) for name, advice in bounds for x in _most(advice)]
    unranked = [x for _, advice in bounds for x in advice.unranked]
    sized = any(x.fleet for _, x in shown)
    hidden = sum(len(advice.choices) + len(advice.unranked) for _, advice in bounds) - len(shown)
    print_table(
        f"\n{title}",
        (
            *(("serving",) if named else ()),
            *columns,
            *(FLEET if sized else ()),
            *(("margin at market rent",) if rents_out else ()),
            "points",
        ),
        [
            (
                *((name,) if named else ()),
                x.accelerator,
                x.engine,
                "–" if x.origin == "predicted" else x.software,
                x.procurement + _mark(x, unranked),
                x.usd_per_mtok_total,
                choice_run(x),
                x.usd_per_mtok_recommended,
                x.usd_per_gpu_h,
                *(_fleet(x) if sized else ()),
                *((share(x.rent_margin),) if rents_out else ()),
                f"{x.n_points} {x.origin}",
            )
            for name, x in shown
        ],
        NOTE + (f"; {hidden} more choices: --json prints all" if hidden else ""),
        SPARE,
    )
    for line in _bases([x for _, x in shown]):
        console().print(line, style="dim")


def _most(advice: Advice) -> list[Choice]:
    """The first choices, the first scarce one of each accelerator, and unranked ones of the same accelerators."""
    scarce = {x.accelerator: x for x in reversed(advice.choices) if x.scarce}
    first = [x for x in advice.choices if not x.scarce][:MOST_CHOICES]
    surveyed = {x.accelerator: x for x in reversed(advice.unranked)}
    return [
        *first,
        *(x for x in advice.choices if scarce.get(x.accelerator) is x),
        *(surveyed[name] for name in dict.fromkeys(x.accelerator for x in first) if name in surveyed),
    ]


def _mark(choice: Choice, unranked: list[Choice]) -> str:
    if choice in unranked:
        return " (not ranked)"
    return " (scarce)" if choice.scarce else ""


def _bases(choices: list[Choice]) -> Iterator[str]:
    """The basis of the prices, a line for each: `rent, on-demand (B200 6.69 USD): 11 providers, …`."""
    prices: dict[tuple[str, str], dict[str, float]] = {}
    for x in choices:
        prices.setdefault((x.procurement, x.price_basis), {})[x.accelerator] = x.usd_per_gpu_h
    for (procurement, basis), usd_of in prices.items():
        of_each = ", ".join(f"{name} {amount(usd, '.2f')}" for name, usd in usd_of.items())
        yield f"{procurement} ({of_each}): {basis}"


def _fleet(choice: Choice) -> tuple[object, ...]:
    """The cells of `FLEET`."""
    fleet = choice.fleet
    return (fleet.gpus, fleet.tokens_per_day / 1e9) if fleet else (None, None)
