"""An owner's cost on one page: capital, running costs and tax by GPU, server and megawatt; the write-off by year."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from paretoken.prices.finance import HOURS_PER_MONTH
from paretoken.prices.owner.depreciation import Depreciation, book_share, deductions_today
from paretoken.prices.owner.layers import Inputs
from paretoken.prices.owner.levelised import CAPITAL_COMPONENTS, COMPONENTS, capital_usd, it_kw, monthly_usd

TAX = "tax"
MONTHS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLine:
    """One part of the cost. `group` is capital, running or tax; a GPU-hour is one sold or used; a year has all."""

    name: str
    title: str
    group: str
    usd_per_gpu_h: float
    usd_per_gpu_year: float
    usd_per_server_year: float
    usd_per_mw_year: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOffYear:
    """One year of a GPU, USD: what is written off, the tax that it saves, and the book value at the end of the year.

    `months` is 12, or less where the life ends within the year. What is left at the end of the life is written off in
    the last year.
    """

    year: int
    months: float
    written_off_usd: float
    tax_saved_usd: float
    book_value_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerStatement:
    """The cost of one accelerator over its life, on one page.

    A megawatt is utility power: what the grid delivers, `utility_kw_per_gpu` with the PUE. `tax_shield_usd_per_gpu` is
    what the deductions of the capital save in tax, today's value; `resale_usd_per_gpu` is before tax, at the end of
    the life.
    """

    accelerator: str
    operator: str
    life_months: float
    depreciation: Depreciation
    tax_rate: float
    gpus_per_server: float
    utility_kw_per_gpu: float
    gpus_per_mw: float
    capital_usd_per_gpu: float
    capital_usd_per_server: float
    capital_usd_per_mw: float
    resale_usd_per_gpu: float
    tax_shield_usd_per_gpu: float
    usd_per_gpu_h: float
    lines: tuple[CostLine, ...]
    write_off: tuple[WriteOffYear, ...]


def owner_statement(inputs: Inputs) -> OwnerStatement:
    """The statement of one accelerator at its inputs' values."""
    values = inputs.values
    capital, kw = float(capital_usd(values)), float(it_kw(values)) * values["pue"]
    lines = tuple(_line(name, float(usd), kw, values) for name, usd in monthly_usd(values).items() if usd)
    return OwnerStatement(
        accelerator=inputs.accelerator,
        operator=inputs.operator,
        life_months=values["life_months"],
        depreciation=inputs.depreciation,
        tax_rate=values["tax_rate"],
        gpus_per_server=values["gpus_per_server"],
        utility_kw_per_gpu=kw,
        gpus_per_mw=1000 / kw,
        capital_usd_per_gpu=capital,
        capital_usd_per_server=capital * values["gpus_per_server"],
        capital_usd_per_mw=capital * 1000 / kw,
        resale_usd_per_gpu=capital * values["residual_share"],
        tax_shield_usd_per_gpu=values["tax_rate"] * capital * float(deductions_today(values)),
        usd_per_gpu_h=sum(line.usd_per_gpu_h for line in lines),
        lines=lines,
        write_off=_write_off(values, capital),
    )


def _line(name: str, usd_per_month: float, utility_kw: float, values: Mapping[str, float]) -> CostLine:
    year = usd_per_month * MONTHS
    group = "capital" if name in CAPITAL_COMPONENTS else "tax" if name == TAX else "running"
    return CostLine(
        name=name,
        title=COMPONENTS[name],
        group=group,
        usd_per_gpu_h=usd_per_month / HOURS_PER_MONTH / values["sold_share"],
        usd_per_gpu_year=year,
        usd_per_server_year=year * values["gpus_per_server"],
        usd_per_mw_year=year * 1000 / utility_kw,
    )


def _write_off(values: Mapping[str, float], capital: float) -> tuple[WriteOffYear, ...]:
    """Year by year over the life; the last year also writes off what is left."""
    life, years = values["life_months"], list[WriteOffYear]()
    before = 1.0
    for k in range(ceil(life / MONTHS)):
        end = min(life, MONTHS * (k + 1.0))
        book = 0.0 if end == life else float(book_share(values, end))
        written = capital * (before - book)
        years.append(
            WriteOffYear(
                year=k + 1,
                months=end - MONTHS * k,
                written_off_usd=written,
                tax_saved_usd=written * values["tax_rate"],
                book_value_usd=capital * book,
            )
        )
        before = book
    return tuple(years)
