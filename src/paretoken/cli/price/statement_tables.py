"""The tables of `paretoken tco --statement`."""

from __future__ import annotations

from collections.abc import Iterator

from paretoken.cli.money import amount, currency, money_figure, number_of
from paretoken.cli.output import console, print_table
from paretoken.plural import quantity
from paretoken.prices.owner.statement import CostLine, OwnerStatement

GROUPS = {"capital": "Capital", "running": "Running costs", "tax": "Income tax"}


def print_statement(operator: str, statement: OwnerStatement) -> None:
    """One accelerator: its capital, its cost by part, and the write-off by year."""
    s, money = statement, currency()
    print_table(
        f"{s.accelerator}: {operator}, {s.life_months:g} months",
        ("part", *(f"{money.sign} per {unit}" for unit in ("GPU-hour", "GPU-year", "server-year", "MW-year"))),
        list(_rows(s)),
        f"a GPU-hour is one sold or used; a server has {quantity(s.gpus_per_server, 'GPU')}; a megawatt of utility "
        "power has "
        f"{s.gpus_per_mw:.0f} GPUs at {s.utility_kw_per_gpu:.3f} kW with the PUE",
    )
    for text, usd in (
        ("capital at the start", s.capital_usd_per_gpu),
        ("resale at the end, before tax", s.resale_usd_per_gpu),
        ("tax saved by the write-off, today's value", s.tax_shield_usd_per_gpu),
    ):
        server, mw = usd * s.gpus_per_server, usd * s.gpus_per_mw / 1e6
        console().print(
            f"{text}: {amount(usd, ',.0f')} per GPU, {amount(server, ',.0f')} per server, "
            f"{number_of(mw, ',.2f')} M {money.code} per MW",
            style="dim",
        )
    print_table(
        f"\nWrite-off, {s.depreciation}, {money.code} per GPU",
        ("year", "months", "written off", f"tax saved at {s.tax_rate:.1%}", "book value at the end"),
        [
            (
                y.year,
                y.months,
                *(money_figure(usd, ",.0f") for usd in (y.written_off_usd, y.tax_saved_usd, y.book_value_usd)),
            )
            for y in s.write_off
        ],
        "the last year also writes off what is left at the end of the life",
    )


def _rows(s: OwnerStatement) -> Iterator[tuple[object, ...]]:
    """The parts, a subtotal for each group of more than one, and the total."""
    for group, title in GROUPS.items():
        lines = [line for line in s.lines if line.group == group]
        yield from (_row(line.title, [line]) for line in lines)
        if len(lines) > 1:
            yield _row(f"= {title}", lines)
    yield _row("Total", s.lines)


def _row(title: str, lines: list[CostLine] | tuple[CostLine, ...]) -> tuple[object, ...]:
    return (
        title,
        money_figure(sum(x.usd_per_gpu_h for x in lines), ".4f"),
        money_figure(sum(x.usd_per_gpu_year for x in lines), ",.0f"),
        money_figure(sum(x.usd_per_server_year for x in lines), ",.0f"),
        money_figure(sum(x.usd_per_mw_year for x in lines), ",.0f"),
    )
