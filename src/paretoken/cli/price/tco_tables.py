"""The tables of `paretoken tco`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from paretoken.answers.tco import CostExplanation, TcoAnswer
from paretoken.cli.cells import alone, figure, share
from paretoken.cli.money import amount, currency, money_figure, number_of
from paretoken.cli.output import console, print_json, print_table
from paretoken.cli.price.contract_tables import own_or_rent
from paretoken.cli.price.statement_tables import print_statement
from paretoken.prices.owner.levelised import COMPONENTS
from paretoken.prices.owner.rows import CostUncertainty
from paretoken.prices.owner.sensitivity import Swing
from paretoken.significant import NONE

BAR = 28
STRONGEST = 6
SHIFTS = 4


def print_tco(answer: TcoAnswer, as_json: bool) -> None:
    """The part of the answer that the question wants; the costs if it wants none."""
    if as_json:
        parts = (answer.explanations, answer.statements, answer.tornado, answer.own_or_rent, answer.uncertainty)
        print_json(next((part for part in parts if part is not None), answer.costs))
    elif answer.explanations is not None:
        _explanations(answer.operator, answer.explanations)
    elif answer.statements is not None:
        for statement in answer.statements:
            print_statement(answer.operator, statement)
    elif answer.tornado is not None:
        _tornado(answer.tornado, {c.accelerator: c.usd_per_gpu_h for c in answer.costs})
    elif answer.own_or_rent is not None:
        own_or_rent(answer.own_or_rent)
    elif answer.uncertainty is not None:
        _uncertainty(answer.uncertainty)
    else:
        _costs(answer)


def _costs(answer: TcoAnswer) -> None:
    used = [k for k in COMPONENTS if any(c.components[k] for c in answer.costs)]
    per_hour = dict.fromkeys([*(COMPONENTS[k] for k in used), "total", "straight-line"], f"{currency().sign}/GPU-h")
    print_table(
        f"Owner's cost of a GPU-hour, {currency().code}: {answer.operator}",
        ("accelerator", *(COMPONENTS[k] for k in used), "total", "straight-line", "capital", "capital from"),
        [
            (
                c.accelerator,
                *(money_figure(c.components[k], ".4f") for k in used),
                money_figure(c.usd_per_gpu_h, ".4f"),
                money_figure(c.straight_line_usd_per_gpu_h, ".4f"),
                money_figure(c.capital_usd, ",.0f"),
                c.capital_from,
            )
            for c in answer.costs
        ],
        "components add up to the total; straight-line depreciates capital without interest; "
        "--explain shows every figure's source",
        spare=("capital from", "straight-line", "capital"),
        units={**per_hour, "capital": f"{currency().sign}/GPU"},
    )


def _explanations(operator: str, explanations: Mapping[str, CostExplanation]) -> None:
    for accelerator, explanation in explanations.items():
        rows = [(x.what, x.with_numbers, figure(x.value, ",.4f"), x.unit, x.source) for x in explanation.lines]
        print_table(f"{accelerator}: {operator}", ("step", "calculation", "value", "unit", "source"), rows)
        for c in explanation.checks:
            console().print(
                f"check: TCO set {c.tco}, {c.tier}, implies {c.implied_usd:,.0f} USD of capital, {c.off:+.1%} from the "
                f"public {c.public_usd:,.0f} USD ({c.text}; {c.source})",
                style="dim",
            )


def _tornado(swings_of: Mapping[str, Sequence[Swing]], costs: Mapping[str, float]) -> None:
    for accelerator, swings in swings_of.items():
        base = costs[accelerator]
        ends = [usd for s in swings for usd in (s.at_low, s.at_high)] or [base]
        low, high = min(ends), max(ends)
        print_table(
            f"{accelerator}: {amount(base, '.3f')} per GPU-hour, one input at a time",
            (
                "input",
                "low",
                "high",
                "at low",
                "at high",
                "swing",
                f"{number_of(low)} to {number_of(high)}",
                "range from",
            ),
            [
                (
                    s.name,
                    alone(s.low),
                    alone(s.high),
                    money_figure(s.at_low, ".3f"),
                    money_figure(s.at_high, ".3f"),
                    money_figure(s.swing, ".3f"),
                    _bar(s, low, high, base),
                    s.source,
                )
                for s in swings
            ],
            units=dict.fromkeys(("at low", "at high", "swing"), f"{currency().sign}/GPU-h"),
        )


def _bar(swing: Swing, low: float, high: float, base: float) -> str:
    """From the lower to the higher cost, with a mark at the base."""

    def position(usd: float) -> int:
        return round((usd - low) / ((high - low) or 1) * (BAR - 1))

    first, last = sorted((position(swing.at_low), position(swing.at_high)))
    return "".join("│" if k == position(base) else "█" if first <= k <= last else " " for k in range(BAR))


def _uncertainty(answer: CostUncertainty) -> None:
    """Quantiles, how often one is cheaper than another, and the inputs that matter most."""
    unit = "cost per million tokens" if answer.usd_per_mtok else "cost per GPU-hour"
    figures = {
        "GPU-hour": answer.usd_per_gpu_h,
        "million tokens": answer.usd_per_mtok,
        "break-even rent of a GPU-hour": answer.break_even_rent_usd,
    }
    print_table(
        f"{answer.n:,} draws, seed {answer.seed}",
        ("cost", "accelerator", *(f"{quantile}, USD" for quantile in ("P5", "P50", "P95", "mean"))),
        [(name, a, q.p5, q.p50, q.p95, q.mean) for name, by_name in figures.items() for a, q in by_name.items()],
    )
    _point(answer)
    names = list(answer.p_cheaper)
    if len(names) > 1:
        print_table(
            f"\nHow often the row is cheaper than the column ({unit})",
            ("cheaper", *names),
            [(a, *(NONE if a == b else share(answer.p_cheaper[a][b], ".0%") for b in names)) for a in names],
        )
    print_table(
        f"\nRank correlation of each input with {unit}",
        ("accelerator", "strongest inputs"),
        [
            (a, ", ".join(f"{name} {r:+.2f}" for name, r in list(correlations.items())[:STRONGEST]))
            for a, correlations in answer.rank_correlation.items()
        ],
        "inputs of the operator are drawn once for all accelerators; capital and throughput for each",
    )


def _point(answer: CostUncertainty) -> None:
    """Where the cost at the inputs' values lies among the draws, and which ranges put it there."""
    print_table(
        f"\nThe cost at the inputs' values among the draws, {currency().code} per GPU-hour",
        (
            "accelerator",
            "at the values",
            "draws below it",
            "median less it",
            "ranges that lie on one side of their value",
        ),
        [
            (
                accelerator,
                money_figure(place.usd_per_gpu_h, ".4f"),
                share(place.below, ".0%"),
                money_figure(place.median_less_point_usd, "+.4f"),
                ", ".join(
                    f"{s.name} {number_of(s.median_shift_usd, '+.3f')} ({s.above_value:.0%} above)"
                    for s in place.one_sided[:SHIFTS]
                )
                or None,
            )
            for accelerator, place in answer.point.items()
        ],
        "the figure of a range is what it moves the median by; above: share of its draws above the input's value",
    )
