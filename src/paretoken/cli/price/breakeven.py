"""`paretoken breakeven`: the rent at which two accelerators cost the same."""

from __future__ import annotations

import click

from paretoken.cli import options

ROWS = 12
NO_RENT = "at no rent"


@click.command("breakeven", no_args_is_help=True)
@options.what
@click.option("--accelerator", required=True, help="The accelerator whose rent is sought.")
@click.option("--against", required=True, help="The accelerator it is held against.")
@click.option("--rent", "rent_usd", type=options.Finite(), metavar="USD", help="Rent of the latter, USD per GPU-hour.")
@click.option("--market", "on_market", is_flag=True, help="Hold it against what both cost on the rental market.")
@click.option("--term", "terms", multiple=True, help="With --market: only this rental term (repeatable).")
@click.option(
    "--tco",
    "operator",
    type=click.Choice(["hyperscaler", "neocloud", "enterprise"]),
    help="Against what both cost this owner, from the bottom up.",
)
@click.option("--set", "sets", multiple=True, metavar="FILE", help="With --tco: your own figures.")
@click.option(
    "--switching-cost", "switching_usd", type=options.Finite(), default=0.0, metavar="USD", help="One-off cost per GPU."
)
@click.option(
    "--hours", type=options.Finite(), default=26280.0, show_default=True, help="Hours of use it is spread over."
)
@options.axis
@options.market
@options.which
@options.as_json
def command(
    accelerator,
    against,
    rent_usd,
    on_market,
    terms,
    operator,
    sets,
    switching_usd,
    hours,
    axis,
    as_json,
    **shared,
) -> None:
    """Show the rent at which one accelerator's tokens cost what another's do, over latency.

    \b
    Examples:
      paretoken breakeven --model llama-3-70b --precision fp8 --workload chat \\
                          --accelerator MI300X --against H200 --rent 2.50
      paretoken breakeven --model deepseek-r1 --precision fp8 --isl 8192 --osl 1024 \\
                          --accelerator MI355X --against B200 --market
      paretoken breakeven --model llama-3-70b --precision fp8 --workload chat \\
                          --accelerator MI300X --against H200 --tco neocloud --switching-cost 500 --json
    """
    from paretoken.answers import money
    from paretoken.errors import BadConfig

    if terms and not on_market:
        raise BadConfig("--term is a rental term of the market; give --market too")
    if sum(map(bool, (on_market, operator))) > 1 or (operator and rent_usd is not None):
        raise BadConfig("give one basis: --rent, --market (with or without --rent), or --tco")
    market = options.of_market(shared)
    asked = {"accelerator": accelerator, "against": against, "axis": axis} | options.asked(**shared)
    switch = {"switching_usd": switching_usd, "hours": hours}
    if on_market:
        market = options.price_book(asked["catalog"], **market)
        _market(money.against_market(**asked, **market, **switch, terms=terms, rent_usd=rent_usd), as_json)
    elif operator:
        _rent(*money.against_owner(**asked, **switch, operator=operator, sets=sets), as_json)
    elif rent_usd is None:
        raise BadConfig("the rent of the other accelerator is missing; give --rent, --market or --tco")
    else:
        _rent(money.against_rent(**asked, **switch, rent_usd=rent_usd), None, as_json)


def _rent(found, tariff, as_json) -> None:
    from paretoken.answers.study.rows import break_even_rows
    from paretoken.cli.output import print_json, print_table

    rows = list(break_even_rows(found))
    cost = tariff.usd_per_gpu_h[found.accelerator] if tariff else None
    if as_json:
        print_json([r | {"cost_usd_per_gpu_h": cost, "basis": tariff.name} for r in rows] if tariff else rows)
        return
    own = () if cost is None else (f"cost to its owner {cost:.3f}",)
    print_table(
        f"{found.accelerator} equals {found.against} at {found.rent_against_usd:.2f} USD per GPU-hour"
        + (f" ({tariff.name})" if tariff else ""),
        (_unit(found.axis), f"break-even rent of {found.accelerator}, $/GPU-h", *own),
        [
            (
                r["value"],
                _at(x, 3),
                *(() if cost is None else (f"{'cheaper' if cost < x else 'dearer'} by {abs(cost - x):.3f}",)),
            )
            for r in _shown(rows)
            for x in (r["break_even_usd_per_gpu_h"],)
        ],
        _below(rows) + "; --json gives the whole curve",
    )


def _market(found, as_json) -> None:
    from paretoken.answers.money import against_market_json
    from paretoken.cli.output import print_json, print_table

    if as_json:
        print_json(against_market_json(found))
        return
    a, b = found.against, found.accelerator
    print_table(
        f"{b} against {a}, rental market, USD per GPU-hour",
        ("term", f"{a} costs", f"{b} equals it at", f"{b} costs", "spread", "so", f"data of {b}"),
        [
            (
                h.term,
                h.against_usd,
                NO_RENT if h.high <= 0 else f"{_at(h.low, 2)} – {_at(h.high, 2)}",
                h.price,
                None if h.spread is None else "{:+.2f} … {:+.2f}".format(*h.spread),
                h.verdict(b, a),
                h.evidence,
            )
            for h in found.terms
        ],
        "the break-even runs over the latencies at which both have data; spread = price − break-even, "
        f"below 0 {b} is the cheaper",
    )
    curve = [{"value": v, "ratio": r} for v, r in zip(found.values, found.ratio, strict=True)]
    print_table(
        f"\nBreak-even rent of {b} by latency",
        (_unit(found.axis), *(h.term for h in found.terms)),
        [
            (r["value"], *(_at(h.against_usd * r["ratio"] - found.switching_usd_per_h, 3) for h in found.terms))
            for r in _shown(curve)
        ],
    )


def _at(rent_usd: float, digits: int) -> str:
    return f"{rent_usd:.{digits}f}" if rent_usd > 0 else NO_RENT


def _below(rows) -> str:
    rents = [r["break_even_usd_per_gpu_h"] for r in rows]
    cheaper = "below that rent its tokens are the cheaper ones" if max(rents) > 0 else ""
    never = f"{NO_RENT}: to switch costs more than its tokens save" if min(rents) <= 0 else ""
    return "; ".join(filter(None, (cheaper, never)))


def _unit(axis: str) -> str:
    return "E2E s" if axis == "e2e" else "tok/s/user"


def _shown(rows: list) -> list:
    step = max(1, len(rows) // ROWS)
    return [*rows[::step], *([rows[-1]] if (len(rows) - 1) % step else [])]
