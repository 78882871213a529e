"""What `compare` prints of a site: tokens and carbon per MW, earnings, and the fleet under a power limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paretoken.answers.compare import CompareAnswer, CompareQuestion
    from paretoken.prices.earnings import Earnings

SPARE = ("capital, M$/MW", "revenue, M$/MW-y", "capital, $/GPU")


def print_site(answer: CompareAnswer, question: CompareQuestion) -> None:
    """The tables that the question asks for."""
    if question.grid_gco2_per_kwh is not None or question.rank_by == "tok_s_per_mw":
        _print_power(answer, question.grid_gco2_per_kwh)
    if answer.token_price:
        _print_earnings(answer, question.serving_load)
    if question.mw is not None and answer.fleet:
        _print_fleet(answer, question.mw)


def _print_power(answer: CompareAnswer, grid: float | None) -> None:
    from paretoken.cli.output import print_table

    carbon = ("g CO2/M tokens",) if grid is not None else ()
    print_table(
        "\nPower and carbon",
        ("accelerator", "tok/s per utility MW", *carbon),
        [(c.accelerator, c.tok_s_per_utility_mw, *((c.gco2_per_mtok,) if carbon else ())) for c in answer.candidates],
        f"{answer.utility_basis}, all of it while tokens are served"
        + (f"; grid: {grid:g} g CO2 per kWh" if grid is not None else ""),
    )


def _print_earnings(answer: CompareAnswer, serving_load: float) -> None:
    from paretoken.cli.cells import share
    from paretoken.cli.money import amount
    from paretoken.cli.output import print_table

    sold = answer.token_price
    rows = [(c.accelerator, c.earnings) for c in answer.candidates if c.earnings]
    if not sold or not rows:
        return
    bases = dict.fromkeys(e.payback_basis for _, e in rows if e.payback_basis)
    print_table(
        f"\nEarnings at {amount(sold.usd_per_mtok, '.4g')} per million tokens ({sold.source}), load {serving_load:.0%}",
        (
            "accelerator",
            "revenue, $/h",
            "margin, $/h",
            "margin",
            "revenue, M$/MW-y",
            "profit, M$/MW-y",
            "capital, $/GPU",
            "capital, M$/MW",
            "payback, months",
        ),
        [
            (
                name,
                e.revenue_usd_per_gpu_h,
                e.margin_usd_per_gpu_h,
                share(e.margin_share),
                _millions(e.revenue_usd_per_mw_year),
                _millions(e.profit_usd_per_mw_year),
                e.capital_usd_per_gpu,
                _millions(e.capital_usd_per_mw),
                _payback(e),
            )
            for name, e in rows
        ],
        f"margin: revenue less the GPU-hour price of '{answer.tariff.name}'; "
        f"payback: {', '.join(bases) or 'no figures of an owner'}; "
        f"{answer.utility_basis}; M: million, h: GPU-hour, y: year",
        SPARE,
    )


def _print_fleet(answer: CompareAnswer, mw: float) -> None:
    from paretoken.cli.output import print_table

    sold = answer.token_price is not None
    print_table(
        f"\nUnder {mw:g} MW",
        (
            "accelerator",
            "GPUs",
            "billion tokens a day",
            "cost, M$ a year",
            *(("profit, M$/GW-y",) if sold else ()),
        ),
        [
            (
                name,
                f.gpus,
                f.tokens_per_day / 1e9,
                f.cost_usd_per_year / 1e6,
                *((_millions(f.profit_usd_per_gw_year),) if sold else ()),
            )
            for name, f in answer.fleet.items()
        ],
        answer.utility_basis or "",
    )


def _payback(e: Earnings) -> float | str | None:
    """Months, or "never within" the life; None without figures of an owner."""
    if e.payback_months is not None or e.life_months is None:
        return e.payback_months
    return f"never within {e.life_months:g}"


def _millions(usd: float | None) -> float | None:
    return None if usd is None else usd / 1e6
