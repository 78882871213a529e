"""`paretoken selfhost`: the load from which self-hosting is cheaper than an API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from paretoken.cli import options
from paretoken.cli.doubts import doubts
from paretoken.cli.names import TCO_SET
from paretoken.cli.price.asking import question
from paretoken.plural import counted

if TYPE_CHECKING:
    from paretoken.answers.selfhost import SelfhostAnswer
    from paretoken.prices.api_price import SelfHost


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
    "--cached-share",
    type=options.Finite(),
    default=0.0,
    show_default=True,
    help="Share of the input that the API reads from cache.",
)
@options.market
@options.which
@options.currency
@options.as_json
def command(*, as_json: bool, **values: object) -> None:
    """Compute the break-even load of self-hosting a model against an API.

    The API price is blended for the workload's input and output tokens. Your GPU-hour costs the same
    at any load; its throughput was measured without a prefix cache.

    Two answers stand side by side, unless --serving or --speculative asks for one of them: plain serving (one
    node, no speculative decoding), and the best known serving of any kind, which is what API providers use.

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
    from paretoken.answers.bounds import BEST_KNOWN_TITLE, PLAIN_TITLE
    from paretoken.cli.output import console, print_table

    other = answer.best_known
    bounds = [(PLAIN_TITLE, "plain", answer), (BEST_KNOWN_TITLE, "best known", other)] if other else [("", "", answer)]
    out = console()
    for title, _, bound in bounds:
        if title:
            out.print(title, style="bold")
        for line in _candidate(bound):
            out.print(line)
        for line in _doubts(bound):
            out.print(line, style="yellow")
    answered = [(name, bound) for _, name, bound in bounds if bound.against]
    if len(answered) > 1 and answer.candidate == answered[1][1].candidate:
        answered = [("", answer)]
    loads = [list(zip(bound.against, bound.against_as_run, strict=True)) for _, bound in answered]
    print_table(
        "\nThe break-even load of self-hosting against each API",
        (
            "API",
            "model name",
            "$/M input",
            "$/M output",
            "$/M blended",
            *(title for name, _ in answered for title in _load_titles(name)),
            "date",
        ),
        [
            (
                s.api.provider,
                s.api.name,
                s.api.input,
                s.api.output,
                s.api_usd_per_mtok,
                *(cell for own in row for cell in _load_cells(*own)),
                s.api.date,
            )
            for row in zip(*loads, strict=True)
            for s in (row[0][0],)
        ],
        "load: at the throughput interpolated at the limit; as run: at that of the run above; "
        "never: the API is cheaper even at full load",
        ("date", "$/M input", "$/M output"),
    )
    sources = ", ".join(dict.fromkeys(s.api.source.split(" <- ")[0] for s in answered[0][1].against))
    out.print(f"API prices: {sources}; GPU price: {answer.price_source}", style="dim")


def _candidate(answer: SelfhostAnswer) -> Iterator[str]:
    """What was chosen, why, and what its tokens cost at full load."""
    from paretoken.frontier.compare import size_title

    c = answer.candidate
    if c is None or c.usd_per_mtok_total is None:
        yield answer.unmet or "no candidate"
        return
    users = c.recommended["concurrency"]
    release = "" if c.origin == "predicted" else f" {c.software}"
    yield (
        f"{c.accelerator} with {c.engine}{release}, {size_title(c.recommended)}"
        + ("" if users is None else f", {users:g} users")
        + f", on {counted(answer.against[0].gpus, 'GPU')} at {c.usd_per_gpu_h:.2f} USD per GPU-hour ({answer.price}): "
        f"{c.usd_per_mtok_recommended:.4g} USD per million tokens at full load as run"
        + (f", {c.usd_per_mtok_total:.4g} interpolated at the limit" if c.interpolated else "")
    )
    costs = ", ".join(
        f"{x.accelerator} {x.usd_per_mtok_total:.4g} ({x.usd_per_mtok_recommended:.4g} as run)"
        for x in answer.cheapest_of
    )
    yield f"the cheapest with {answer.limits}, USD per million tokens: {costs}; {answer.confidence}"


def _doubts(answer: SelfhostAnswer) -> Iterator[str]:
    """What makes the choice of the candidate doubtful."""
    if answer.withheld:
        yield f"the choice of the accelerator is not to be relied on, {answer.withheld}"
    yield from doubts(answer)


def _load_titles(name: str) -> tuple[str, ...]:
    suffix = f", {name}" if name else ""
    return f"load{suffix}", f"as run{suffix}", f"M tokens/day{suffix}"


def _load_cells(at_limit: SelfHost, as_run: SelfHost) -> tuple[str | float | None, ...]:
    tokens = at_limit.tokens_per_day / 1e6 if at_limit.pays else None
    return _load(at_limit), _load(as_run), tokens


def _load(s: SelfHost) -> str:
    return f"{s.load:.0%}" if s.pays else "never"
