"""`paretoken tco`: what an accelerator costs its owner, from the bottom up."""

from __future__ import annotations

import click

from paretoken.cli import options

BAR = 28


@click.command("tco")
@options.accelerators
@click.option(
    "--operator",
    type=click.Choice(["hyperscaler", "neocloud", "enterprise"]),
    default="neocloud",
    show_default=True,
    help="Whose shipped figures lie under yours.",
)
@click.option(
    "--set", "sets", multiple=True, metavar="FILE", help="TOML of your own figures, or a shipped set (repeatable)."
)
@click.option("--explain", "explained", is_flag=True, help="Print the calculation line by line with its sources.")
@click.option("--tornado", is_flag=True, help="Move one input at a time from its low to its high.")
@click.option("--or-rent", is_flag=True, help="Own or rent: the share of hours from which owning pays, payback, NPV.")
@click.option(
    "--needed",
    type=float,
    default=1.0,
    show_default=True,
    metavar="SHARE",
    help="With --or-rent: share of hours it is needed.",
)
@click.option("--monte-carlo", "draws", type=int, metavar="N", help="Draw all inputs N times.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the draws.")
@click.option(
    "--throughput-spread",
    type=click.FloatRange(0, 10),
    metavar="X",
    help="±X of throughput in 90 % of draws; by origin if not given.",
)
@click.option("--against", help="With a model and latency: draws of the rent at which each equals this accelerator.")
@click.option("--rent", "rent_usd", type=float, metavar="USD", help="Of --against or --or-rent, USD per GPU-hour.")
@options.what_if
@options.latency
@options.serving_load
@options.market
@options.which
@options.as_json
def command(
    accelerators,
    operator,
    sets,
    explained,
    tornado,
    or_rent,
    needed,
    draws,
    seed,
    throughput_spread,
    against,
    rent_usd,
    e2e_s,
    interactivity,
    serving_load,
    as_json,
    **shared,
) -> None:
    """Cost of a GPU-hour to its owner: capital, site, power and people, component by component.

    \b
    Your figures go in a TOML file: `electricity_usd_per_kwh = 0.06` for all, `[H200]` for one accelerator.
    A set ships by name too: h200-2025, an owner whose capital is public.

    \b
    Examples:
      paretoken tco
      paretoken tco --accelerator H200 --set h200-2025 --explain
      paretoken tco --operator enterprise --accelerator MI300X --tornado
      paretoken tco --or-rent --needed 0.6
      paretoken tco --monte-carlo 100000 --seed 7 --json
      paretoken tco --accelerator H200 --accelerator MI355X --monte-carlo 20000 --model deepseek-r1 \\
                    --precision fp8 --workload chat --interactivity 40 --against H200
    """
    from paretoken import money
    from paretoken.catalog import load_catalog

    catalog = load_catalog(*shared["catalog_folders"])
    market = options.of_market(shared)
    found = money.tco(accelerators, operator=operator, sets=sets, catalog=catalog)
    if draws is not None:
        latency = {"e2e_s": e2e_s, "interactivity": interactivity}
        against = against and catalog.accelerators.id_of(against)
        _monte_carlo(found, draws, seed, throughput_spread, against, rent_usd, latency, serving_load, as_json, shared)
    elif explained:
        _explain(found, catalog, as_json)
    elif tornado:
        _tornado(found, as_json)
    elif or_rent:
        book = options.price_book(catalog, **market)
        _or_rent(money.own_against_rent(found, **book, rent_usd=rent_usd, needed_share=needed), as_json)
    else:
        _table(found, as_json)


def _table(found, as_json) -> None:
    from paretoken.cli.output import print_json, print_table
    from paretoken.economics import tco

    rows = [tco.tco_row(i) for i in found]
    if as_json:
        print_json(rows)
        return
    used = [k for k in tco.COMPONENTS if any(r["components"][k] for r in rows)]
    print_table(
        f"Owner's cost of a GPU-hour, USD: {tco.operators()[found[0].operator]}",
        ("accelerator", *(tco.COMPONENTS[k] for k in used), "total", "straight-line", "capital, USD", "capital from"),
        [
            (
                r["accelerator"],
                *(f"{r['components'][k]:.4f}" for k in used),
                f"{r['usd_per_gpu_h']:.4f}",
                f"{r['straight_line_usd_per_gpu_h']:.4f}",
                f"{r['capital_usd']:,.0f}",
                r["capital_from"],
            )
            for r in rows
        ],
        "the components add up to the total; straight-line writes capital off without interest; "
        "--explain shows every figure's source",
    )


def _explain(found, catalog, as_json) -> None:
    from paretoken.cli.output import console, print_json, print_table
    from paretoken.economics import tco

    pages = {i.accelerator: (tco.explained(i), tco.public_checks(catalog, i.accelerator)) for i in found}
    if as_json:
        print_json({k: {"lines": lines, "checks": checks} for k, (lines, checks) in pages.items()})
        return
    for name, (lines, checks) in pages.items():
        rows = [(x.what, x.with_numbers, f"{x.value:,.4f}", x.unit, x.source) for x in lines]
        print_table(
            f"{name}: {tco.operators()[found[0].operator]}", ("what", "calculation", "=", "unit", "source"), rows
        )
        for c in checks:
            said = f"public {c.public_usd:,.0f} USD ({c.text}; {c.source})"
            console().print(
                f"check: TCO set {c.tco}, {c.tier}, implies {c.implied_usd:,.0f} USD of capital, {c.off:+.1%}: {said}",
                style="dim",
                markup=False,
            )


def _tornado(found, as_json) -> None:
    from paretoken.cli.output import print_json, print_table
    from paretoken.economics import tco

    swings = {i.accelerator: tco.tornado(i) for i in found}
    if as_json:
        print_json(swings)
        return
    for name, rows in swings.items():
        base = float(tco.total(next(i for i in found if i.accelerator == name).values))
        low, high = (
            min((min(s.at_low, s.at_high) for s in rows), default=base),
            max((max(s.at_low, s.at_high) for s in rows), default=base),
        )
        print_table(
            f"{name}: {base:.3f} USD per GPU-hour, one input at a time",
            ("input", "low", "high", "at low", "at high", "swing", f"{low:.2f} to {high:.2f}", "range from"),
            [
                (
                    s.name,
                    s.low,
                    s.high,
                    f"{s.at_low:.3f}",
                    f"{s.at_high:.3f}",
                    f"{s.swing:.3f}",
                    _bar(s, low, high, base),
                    s.source,
                )
                for s in rows
            ],
        )


def _or_rent(found, as_json) -> None:
    from paretoken.cli.output import console, percent, print_json, print_table

    if as_json:
        print_json([{"accelerator": i.accelerator, "own_or_rent": x, "basis": said} for i, x, said in found])
        return
    rows = [
        (i.accelerator, x.owned_usd_per_gpu_h, x.rent_usd, f"{x.break_even_share:.0%}", x.payback_months,
         f"{x.npv_usd:+,.0f}", percent(x.irr_per_year), "own" if x.owning_pays else "rent")
        for i, x, _ in found
        if x
    ]  # fmt: skip
    needed = next((f"{x.needed_share:.0%}" for _, x, _ in found if x), "–")
    print_table(
        f"Own or rent by the hour, needed in {needed} of the hours",
        (
            "accelerator",
            "owned, $/GPU-h",
            "rent, level",
            "owning pays from",
            "payback, months",
            "NPV, $/GPU",
            "IRR",
            "so",
        ),
        rows,
        "owning costs every hour, renting only those needed; NPV over the life at the owner's cost of capital",
    )
    for i, _, said in found:
        console().print(f"{i.accelerator}: {said}", style="dim", markup=False, highlight=False)


def _bar(swing, low: float, high: float, base: float) -> str:
    """From the lower to the higher cost, with a mark at the base."""
    place = lambda x: round((x - low) / ((high - low) or 1) * (BAR - 1))  # noqa: E731
    a, b = sorted((place(swing.at_low), place(swing.at_high)))
    return "".join("│" if k == place(base) else "█" if a <= k <= b else " " for k in range(BAR))


def _monte_carlo(found, draws, seed, spread, against, rent_usd, latency, serving_load, as_json, shared) -> None:
    from paretoken import money
    from paretoken.cli.output import print_json, print_table
    from paretoken.economics import tco
    from paretoken.errors import BadConfig

    candidates, spreads = (), None
    if shared["model"]:
        asked = options.asked(**shared)
        _, _, candidates = money.at_latency(**asked, **latency)
        spreads = money.spreads_of(candidates, asked["of"]) if spread is None else None
    elif any(v is not None for v in latency.values()) or against:
        raise BadConfig("a latency or --against needs a question; give --model, --workload and one latency")
    simulation = money.uncertain(
        found, draws, seed, candidates, spread=spread, spreads=spreads, serving_load=serving_load
    )
    answer = tco.simulation_json(simulation, against, rent_usd)
    if as_json:
        print_json(answer)
        return
    unit = "USD per million tokens" if simulation.usd_per_mtok else "USD per GPU-hour"
    names = list(simulation.cost)
    quantiles = [
        [(k, a, q["p5"], q["p50"], q["p95"], q["mean"]) for a, q in answer[k].items()]
        for k in ("usd_per_gpu_h", "usd_per_mtok", "break_even_rent_usd")
    ]
    print_table(
        f"{draws:,} draws, seed {seed}",
        ("figure", "accelerator", "P5", "P50", "P95", "mean"),
        [r for rows in quantiles for r in rows],
    )
    if len(names) > 1:
        rows = [(a, *("–" if a == b else f"{answer['p_cheaper'][a][b]:.0%}" for b in names)) for a in names]
        print_table(f"\nHow often the row is cheaper than the column ({unit})", ("", *names), rows)
    print_table(
        f"\nRank correlation of each input with {unit}",
        ("accelerator", "strongest inputs"),
        [
            (a, ", ".join(f"{k} {r:+.2f}" for k, r in list(each.items())[:6]))
            for a, each in answer["rank_correlation"].items()
        ],
        "inputs of the operator are drawn once for all accelerators; capital and throughput for each",
    )
