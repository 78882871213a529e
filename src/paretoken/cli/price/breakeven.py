"""`paretoken breakeven`: the rent at which the tokens of two accelerators cost the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import rich_click as click

from paretoken.answers.currency import USD
from paretoken.cli import options
from paretoken.cli.asking import question
from paretoken.cli.cells import TableCell
from paretoken.cli.money import currency, money_figure, number_of
from paretoken.cli.names import ACCELERATOR

if TYPE_CHECKING:
    from paretoken.answers.breakeven import BreakevenAnswer, PricedBreakevenPoint

ROWS = 12
SAME_TITLE = "Plain serving, which is also the best known of the two"
T = TypeVar("T")


@click.command("breakeven", no_args_is_help=True)
@options.what
@click.option("--accelerator", required=True, type=ACCELERATOR, help="Accelerator whose break-even rent to compute.")
@click.option("--against", required=True, type=ACCELERATOR, help="Accelerator to compare with.")
@click.option(
    "--rent",
    "rent_usd",
    type=options.Finite(),
    metavar="USD",
    help="Rent of the --against accelerator, USD per GPU-hour.",
)
@click.option("--market", is_flag=True, help="Compare with the market rents of both.")
@click.option("--term", "terms", multiple=True, help="With --market: use only this rental term (repeatable).")
@click.option(
    "--operator",
    "--tco",
    "operator",
    type=click.Choice(["hyperscaler", "neocloud", "enterprise"]),
    help="Compare with this operator's cost of owning both (--tco is the older name).",
)
@click.option(
    "--set", "sets", multiple=True, metavar="FILE", help="With --operator: your own cost figures (repeatable)."
)
@click.option(
    "--switching-cost",
    "switching_usd",
    type=options.Finite(),
    default=0.0,
    metavar="USD",
    help="One-off cost of switching, USD per GPU.",
)
@click.option(
    "--hours",
    type=options.Finite(),
    default=26280.0,
    show_default=True,
    help="Spread the switching cost over this many hours of use.",
)
@options.axis
@options.price
@options.market
@options.which
@options.currency
@options.as_json
def command(*, as_json: bool, **values: object) -> None:
    """Show the rent at which two accelerators cost the same per token, by latency limit.

    Two answers are printed, unless --serving or --speculative asks for one of them: plain serving (one node, no
    speculative decoding), and the best known serving of any kind.

    \b
    Examples:
      paretoken breakeven --model llama-3-70b --precision fp8 --workload chat \\
                          --accelerator MI300X --against H200 --rent 2.50
      paretoken breakeven --model deepseek-r1 --precision fp8 --isl 8192 \\
                          --osl 1024 --accelerator MI355X --against B200 \\
                          --market
      paretoken breakeven --model llama-3-70b --precision fp8 --workload chat \\
                          --accelerator MI300X --against H200 \\
                          --operator neocloud --switching-cost 500 --json
    """
    from paretoken.answers.bounds import BEST_KNOWN_TITLE, PLAIN_TITLE
    from paretoken.answers.breakeven import BreakevenQuestion, breakeven
    from paretoken.answers.seam import to_json
    from paretoken.cli.output import echo, print_json

    answer = breakeven(question(BreakevenQuestion, values))
    if as_json:
        print_json(to_json(answer))
        return
    other = answer.best_known
    if other is None:
        _show(answer, "")
    elif replace(other, serving=answer.serving, speculative=answer.speculative) == replace(answer, best_known=None):
        _show(answer, SAME_TITLE)
    else:
        _show(answer, PLAIN_TITLE)
        echo()
        _show(other, BEST_KNOWN_TITLE)


def _show(answer: BreakevenAnswer, bound: str) -> None:
    """One answer; `bound` names its serving."""
    from paretoken.answers.breakeven_words import breakeven_doubts
    from paretoken.cli.output import console

    out = console()
    if bound:
        out.print(bound, style="bold")
    if answer.unmet:
        out.print(f"no break-even rent: {answer.unmet}")
        return
    if answer.terms:
        _show_market(answer)
    else:
        _show_rents(answer)
    for line in breakeven_doubts(answer):
        out.print(line, style="yellow")


def _show_rents(answer: BreakevenAnswer) -> None:
    from paretoken.answers.breakeven import PricedBreakevenPoint
    from paretoken.answers.breakeven_words import breakeven_words
    from paretoken.cli.output import print_table

    owned = [p for p in answer.points if isinstance(p, PricedBreakevenPoint)]
    rows: list[tuple[object, ...]] = [
        (p.value, "withheld" if p.withheld else _rent_cell(p.break_even_usd_per_gpu_h)) for p in _some(answer.points)
    ]
    columns = [_unit(answer.axis), f"break-even rent of {answer.accelerator}, {currency().sign}/GPU-h"]
    if owned:
        columns.append(f"saving at {number_of(owned[0].cost_usd_per_gpu_h, '.3f')} ({owned[0].basis})")
        rows = [(*row, _saving(p)) for row, p in zip(rows, _some(owned), strict=True)]
    print_table(
        breakeven_words(answer, currency()),
        columns,
        rows,
        "; ".join([*_below(answer), "--format csv and json give the whole curve"]),
    )


def _saving(point: PricedBreakevenPoint) -> TableCell | None:
    usd = point.break_even_usd_per_gpu_h - point.cost_usd_per_gpu_h
    return None if point.withheld else money_figure(usd, "+.3f")


def _show_market(answer: BreakevenAnswer) -> None:
    from paretoken.cli.output import print_table

    a, b, money = answer.against, answer.accelerator, currency()
    print_table(
        f"{b} against {a}, rental market",
        (
            "term",
            f"{a} costs, {money.sign}/GPU-h",
            f"break-even rent of {b}, {money.sign}/GPU-h",
            f"{b} costs, {money.sign}/GPU-h",
            f"spread, {money.sign}/GPU-h",
            "verdict" if money.code == USD else "verdict, in USD",
            f"data of {b}",
        ),
        [
            (
                t.term,
                t.against_usd_per_gpu_h * money.per_usd,
                _ends_cell(t.low, t.high),
                None if t.market_usd_per_gpu_h is None else t.market_usd_per_gpu_h * money.per_usd,
                _spread(t.spread_usd_per_gpu_h),
                t.verdict,
                t.data,
            )
            for t in answer.terms
        ],
        "break-even: the range over the latency limits up to which both were run; spread = price − break-even, "
        f"below 0 {b} is cheaper" + (f"; {money.note}" if money.note else ""),
        spare=(f"data of {b}", f"spread, {money.sign}/GPU-h"),
    )
    curve = list(zip(answer.values, answer.withheld, *(t.break_even_usd_per_gpu_h for t in answer.terms), strict=True))
    print_table(
        f"\nBreak-even rent of {b} by latency limit",
        (_unit(answer.axis), *(t.term for t in answer.terms)),
        [
            (value, *("withheld" if withheld else _rent_cell(usd) for usd in rents))
            for value, withheld, *rents in _some(curve)
        ],
    )


def _rent_cell(usd: float) -> TableCell | str:
    from paretoken.answers.breakeven_words import NO_RENT, rent_words

    return TableCell(rent_words(usd, 3, currency()), (currency().of(usd),)) if usd > 0 else NO_RENT


def _ends_cell(low: float | None, high: float | None) -> TableCell | str:
    from paretoken.answers.breakeven_words import ends_words

    if low is None or high is None or high <= 0:
        return ends_words(low, high, currency())
    return TableCell(ends_words(low, high, currency()), (currency().of(low), currency().of(high)), ("low", "high"))


def _spread(ends: tuple[float, ...] | None) -> TableCell | None:
    if not ends:
        return None
    values = tuple(map(currency().of, ends))
    return TableCell(" … ".join(number_of(usd, "+.2f") for usd in ends), values, ("low", "high")[: len(values)])


def _below(answer: BreakevenAnswer) -> Iterator[str]:
    from paretoken.answers.breakeven_words import NO_RENT
    from paretoken.answers.rent_curve import NEVER

    rents = answer.range_usd_per_gpu_h or (1.0, 1.0)
    if max(rents) > 0:
        yield "below this rent its tokens are cheaper"
    if min(rents) <= 0:
        yield f"{NO_RENT}: {NEVER}"


def _unit(axis: str) -> str:
    return "E2E s" if axis == "e2e" else "tok/s/user"


def _some(rows: Sequence[T]) -> list[T]:
    """About a dozen rows, the last one among them; for a CSV all rows."""
    from paretoken.cli.formats import form

    step = 1 if form().name == "csv" else max(1, len(rows) // ROWS)
    return [*rows[::step], *([rows[-1]] if (len(rows) - 1) % step else [])]
