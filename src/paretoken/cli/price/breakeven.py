"""`paretoken breakeven`: the rent at which the tokens of two accelerators cost the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar, Unpack

import rich_click as click

from paretoken.cli import options
from paretoken.cli.names import ACCELERATOR

if TYPE_CHECKING:
    from paretoken.answers.breakeven import BreakevenAnswer, Operator
    from paretoken.points.selection import Axis

ROWS = 12
NO_RENT = "never"
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
@click.option("--market", "on_market", is_flag=True, help="Compare with the market rents of both.")
@click.option("--term", "terms", multiple=True, help="With --market: use only this rental term (repeatable).")
@click.option(
    "--tco",
    "operator",
    type=click.Choice(["hyperscaler", "neocloud", "enterprise"]),
    help="Compare with what both cost this kind of owner.",
)
@click.option("--set", "sets", multiple=True, metavar="FILE", help="With --tco: your own cost figures (repeatable).")
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
@options.market
@options.which
@options.as_json
def command(
    accelerator: str,
    against: str,
    rent_usd: float | None,
    on_market: bool,
    terms: tuple[str, ...],
    operator: Operator | None,
    sets: tuple[str, ...],
    switching_usd: float,
    hours: float,
    axis: Axis,
    as_json: bool,
    **shared: Unpack[options.PointsAndMarketOptions],
) -> None:
    """Show the rent at which two accelerators cost the same per token, by latency.

    \b
    Examples:
      paretoken breakeven --model llama-3-70b --precision fp8 --workload chat \\
                          --accelerator MI300X --against H200 --rent 2.50
      paretoken breakeven --model deepseek-r1 --precision fp8 --isl 8192 \\
                          --osl 1024 --accelerator MI355X --against B200 \\
                          --market
      paretoken breakeven --model llama-3-70b --precision fp8 --workload chat \\
                          --accelerator MI300X --against H200 --tco neocloud \\
                          --switching-cost 500 --json
    """
    from paretoken.answers.breakeven import BreakevenQuestion, breakeven
    from paretoken.answers.seam import to_json
    from paretoken.cli.output import print_json

    question = BreakevenQuestion(
        **options.points_fields(shared),
        **options.market_fields(shared),
        accelerator=accelerator,
        against=against,
        axis=axis,
        rent_usd=rent_usd,
        market=on_market,
        terms=terms,
        operator=operator,
        sets=sets,
        switching_usd=switching_usd,
        hours=hours,
    )
    answer = breakeven(question)
    if as_json:
        plain = to_json(answer)
        print_json({k: v for k, v in plain.items() if k != "points"} if on_market else plain["points"])
    elif on_market:
        _show_market(answer)
    else:
        _show_rents(answer)


def _show_rents(answer: BreakevenAnswer) -> None:
    from paretoken.answers.breakeven import OwnerBreakevenPoint
    from paretoken.cli.output import print_table

    owned = [p for p in answer.points if isinstance(p, OwnerBreakevenPoint)]
    rows: list[tuple[object, ...]] = [(p.value, _rent(p.break_even_usd_per_gpu_h, 3)) for p in _some(answer.points)]
    rent_usd = answer.points[0].rent_against_usd_per_gpu_h
    title = f"{answer.accelerator} against {answer.against} at {rent_usd:.2f} USD per GPU-hour"
    columns = [_unit(answer.axis), f"break-even rent of {answer.accelerator}, $/GPU-h"]
    if owned:
        title += f" ({owned[0].basis})"
        columns.append(f"cost to its owner {owned[0].cost_usd_per_gpu_h:.3f}")
        saved = [p.break_even_usd_per_gpu_h - p.cost_usd_per_gpu_h for p in _some(owned)]
        rows = [
            (*row, f"{'cheaper' if usd > 0 else 'more expensive'} by {abs(usd):.3f}")
            for row, usd in zip(rows, saved, strict=True)
        ]
    print_table(title, columns, rows, _below(answer) + "; --json gives the whole curve")


def _show_market(answer: BreakevenAnswer) -> None:
    from paretoken.cli.output import print_table

    a, b = answer.against, answer.accelerator
    print_table(
        f"{b} against {a}, rental market, USD per GPU-hour",
        ("term", f"{a} costs", f"break-even rent of {b}", f"{b} costs", "spread", "verdict", f"data of {b}"),
        [
            (
                t.term,
                t.against_usd_per_gpu_h,
                NO_RENT if t.high <= 0 else f"{_rent(t.low, 2)} – {_rent(t.high, 2)}",
                t.market_usd_per_gpu_h,
                None if t.spread_usd_per_gpu_h is None else "{:+.2f} … {:+.2f}".format(*t.spread_usd_per_gpu_h),
                t.verdict,
                t.data,
            )
            for t in answer.terms
        ],
        "break-even: the range over the latencies at which both have data; spread = price − break-even, "
        f"below 0 {b} is cheaper",
    )
    curve = list(zip(answer.values, *(t.break_even_usd_per_gpu_h for t in answer.terms), strict=True))
    print_table(
        f"\nBreak-even rent of {b} by latency",
        (_unit(answer.axis), *(t.term for t in answer.terms)),
        [(value, *(_rent(usd, 3) for usd in rents)) for value, *rents in _some(curve)],
    )


def _rent(usd: float, digits: int) -> str:
    return f"{usd:.{digits}f}" if usd > 0 else NO_RENT


def _below(answer: BreakevenAnswer) -> str:
    rents = [p.break_even_usd_per_gpu_h for p in answer.points]
    cheaper = "below this rent its tokens are cheaper" if max(rents) > 0 else ""
    never = f"{NO_RENT}: switching costs more than its tokens save" if min(rents) <= 0 else ""
    return "; ".join(filter(None, (cheaper, never)))


def _unit(axis: str) -> str:
    return "E2E s" if axis == "e2e" else "tok/s/user"


def _some(rows: Sequence[T]) -> list[T]:
    """About a dozen rows, the last one among them."""
    step = max(1, len(rows) // ROWS)
    return [*rows[::step], *([rows[-1]] if (len(rows) - 1) % step else [])]
