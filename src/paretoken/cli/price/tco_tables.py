"""The tables of `paretoken tco`."""

from __future__ import annotations

from paretoken.cli.output import console, percent, print_json, print_table
from paretoken.prices.owner.checks import public_checks
from paretoken.prices.owner.explain import explained
from paretoken.prices.owner.layers import operators
from paretoken.prices.owner.levelised import COMPONENTS, total
from paretoken.prices.owner.rows import tco_row
from paretoken.prices.owner.sensitivity import tornado as swings_of

BAR = 28


def table(found, as_json) -> None:
    rows = [tco_row(i) for i in found]
    if as_json:
        print_json(rows)
        return
    used = [k for k in COMPONENTS if any(r["components"][k] for r in rows)]
    print_table(
        f"Owner's cost of a GPU-hour, USD: {operators()[found[0].operator]}",
        ("accelerator", *(COMPONENTS[k] for k in used), "total", "straight-line", "capital, USD", "capital from"),
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


def explain(found, catalog, as_json) -> None:
    pages = {i.accelerator: (explained(i), public_checks(catalog, i.accelerator)) for i in found}
    if as_json:
        print_json({k: {"lines": lines, "checks": checks} for k, (lines, checks) in pages.items()})
        return
    for name, (lines, checks) in pages.items():
        rows = [(x.what, x.with_numbers, f"{x.value:,.4f}", x.unit, x.source) for x in lines]
        print_table(f"{name}: {operators()[found[0].operator]}", ("what", "calculation", "=", "unit", "source"), rows)
        for c in checks:
            said = f"public {c.public_usd:,.0f} USD ({c.text}; {c.source})"
            console().print(
                f"check: TCO set {c.tco}, {c.tier}, implies {c.implied_usd:,.0f} USD of capital, {c.off:+.1%}: {said}",
                style="dim",
                markup=False,
            )


def tornado(found, as_json) -> None:
    swings = {i.accelerator: swings_of(i) for i in found}
    if as_json:
        print_json(swings)
        return
    for name, rows in swings.items():
        base = float(total(next(i for i in found if i.accelerator == name).values))
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


def or_rent(found, as_json) -> None:

    if as_json:
        print_json([{"accelerator": i.accelerator, "own_or_rent": x, "basis": said} for i, x, said in found])
        return
    rows = [
        (
            i.accelerator,
            x.owned_usd_per_gpu_h,
            x.rent_usd,
            f"{x.break_even_share:.0%}",
            x.payback_months,
            f"{x.npv_usd:+,.0f}",
            percent(x.irr_per_year),
            "own" if x.owning_pays else "rent",
        )
        for i, x, _ in found
        if x
    ]
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


def draws_of(simulation, answer) -> None:
    """Quantiles, how often one is cheaper than another, and what drives it."""
    unit = "USD per million tokens" if simulation.usd_per_mtok else "USD per GPU-hour"
    names = list(simulation.cost)
    quantiles = [
        [(k, a, q["p5"], q["p50"], q["p95"], q["mean"]) for a, q in answer[k].items()]
        for k in ("usd_per_gpu_h", "usd_per_mtok", "break_even_rent_usd")
    ]
    print_table(
        f"{simulation.n:,} draws, seed {simulation.seed}",
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
