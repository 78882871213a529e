"""The tables of `paretoken rent`."""

from __future__ import annotations

from collections.abc import Sequence

from paretoken.answers.rent import FlaggedPricesAnswer, MarketAnswer, RentAnswer, RentHistoryAnswer
from paretoken.answers.rent_book import RentBookAnswer
from paretoken.cli.cells import TableCell, interval, share
from paretoken.cli.money import currency, money_figure
from paretoken.cli.output import console, echo, print_json, print_table
from paretoken.plural import counted
from paretoken.prices.market.cells import MarketCell
from paretoken.prices.market.history import Period
from paretoken.prices.market.quality_flags import EXCLUDING, QUALITY_FLAGS
from paretoken.prices.market.structure import TermRatio

MOST_FLAGGED = 10
NO_PRICE = "no price"


def market(answer: MarketAnswer, as_json: bool) -> None:
    """Every accelerator with a price in the window: median at the terms, and providers by term."""
    if as_json:
        print_json(answer)
        return
    print_table(
        f"Rent on {answer.at}, {currency().code} per GPU-hour: median of provider medians",
        ("accelerator", "term", "median", "quartiles", "evidence"),
        [(c.accelerator, c.term, _median(c), _quartiles(c), c.evidence) for c in answer.cells],
        spare=("quartiles",),
        units=_units(),
        empty=f"No rental price on {answer.at}: the price book is empty. Add a folder of your own with --prices.",
    )
    if not answer.cells:
        return
    terms = [k for k in (answer.availability[0] if answer.availability else {}) if k not in ("accelerator", "any")]
    print_table(
        "\nProviders by term",
        ("accelerator", "at any", *terms),
        [(row["accelerator"], row["any"], *(row[t] or NO_PRICE for t in terms)) for row in answer.availability],
    )
    vendors = ", ".join(f"{vendor} {n}" for vendor, n in answer.providers_by_vendor.items())
    console().print(
        f"\nProviders by vendor: {vendors}. A provider may offer several vendors; not every provider was searched.",
        style="dim",
    )


def accelerator(answer: RentAnswer, as_json: bool) -> None:
    """One accelerator at every term that has a price, its rows where they are too few, and its term structure."""
    if as_json:
        print_json(answer)
        return
    print_table(
        f"{answer.accelerator} on {answer.at}, {currency().code} per GPU-hour: median of provider medians",
        ("term", "median", "quartiles", "evidence"),
        [(c.term, _median(c), _quartiles(c), c.evidence) for c in answer.cells],
        spare=("quartiles",),
        units=_units(),
    )
    for cell in answer.cells:
        if cell.too_few and cell.offers:
            print_table(
                f"\n{cell.term}: too few providers for a median; all rows",
                ("provider", "$/GPU-h", "rows", "date", "licence", "source"),
                [(o.provider, o.usd_per_gpu_h, o.rows, o.date, o.licence, o.source) for o in cell.offers],
            )
    if answer.ratios_to_on_demand:
        _ratios(answer.ratios_to_on_demand)
    if len(answer.forward_rents) > 1:
        print_table(
            f"\nTerm structure of {answer.accelerator}, {currency().code} per GPU-hour",
            ("term", "rent", "forward rent from the previous term", "basis"),
            [
                (f.term, currency().of(f.rent_usd), money_figure(f.forward_usd, ".2f"), f.basis)
                for f in answer.forward_rents
            ],
            units=_units(),
        )


def _ratios(ratios: Sequence[TermRatio]) -> None:
    """What estimated terms rest on."""
    print_table(
        "\nRent of each term relative to on-demand, same provider and day, last two years",
        ("term", "ratio", "pairs", "by provider", "accelerators"),
        [
            (
                r.term,
                r.ratio,
                r.pairs,
                ", ".join(f"{p} {x:.2f}" for p, x in r.by_provider.items()),
                ", ".join(r.accelerators),
            )
            for r in ratios
        ],
        "ratios of the accelerators named, used as an estimate for the others",
    )


def history(answer: RentHistoryAnswer, as_json: bool) -> None:
    """The index by quarter."""
    if as_json:
        print_json(answer)
        return
    basket, usd = ("basket",) if answer.basket else (), currency().of
    print_table(
        f"{answer.accelerator}, {answer.term}, {currency().code} per GPU-hour by quarter",
        ("quarter", "median", "quartiles", "providers", "rows", "chained", "linked", "change from mix", *basket),
        [
            (
                p.period,
                usd(p.median),
                _quartiles(p),
                p.providers,
                p.rows,
                usd(p.index),
                p.linked,
                share(p.from_mix, "+.0%"),
                *([usd(answer.basket.get(p.period))] if answer.basket else []),
            )
            for p in answer.periods
        ],
        "no median under 3 providers; chained: only providers in both quarters move it, back from the newest median, "
        "and from the median again where fewer than 3 link two quarters; "
        "change from mix: the part of the median's change that other providers make",
        spare=("linked", "rows", "change from mix", "quartiles"),
        units=_units(),
    )
    if answer.decline:
        console().print(answer.decline.text, style="dim")


def flags(answer: FlaggedPricesAnswer, as_json: bool) -> None:
    """How many rows each flag marks, and the rows that are left out of statistics."""
    if as_json:
        print_json(answer.rows)
        return
    texts = {f.name: f.text for f in QUALITY_FLAGS}
    print_table(
        "Flagged rows; misleading ones are excluded from statistics",
        ("flag", "rows", "left out", "meaning"),
        [(name, n, "yes" if name in EXCLUDING else "no", texts[name]) for name, n in answer.counts.items()],
        empty="No row of the price book has a quality flag.",
    )
    left_out = [row for row in answer.rows if set(row["flags"]) & set(EXCLUDING)]
    if not left_out:
        return
    print_table(
        "\nLeft out",
        ("provider", "accelerator", "form", "term", "$/GPU-h", "date", "flags"),
        [
            (
                *(row[k] for k in ("provider", "accelerator", "form", "term", "usd_per_gpu_h", "date")),
                ", ".join(row["flags"]),
            )
            for row in left_out
        ],
        spare=("form", "date"),
    )


def added(answer: RentBookAnswer, as_json: bool) -> None:
    """What was written, and what was flagged."""
    if as_json:
        print_json(answer)
        return
    ignored = f"; columns not used: {', '.join(answer.ignored_columns)}" if answer.ignored_columns else ""
    written = f" -> {answer.file}" if answer.file else "; nothing new to write"
    form = f" ({answer.format})" if answer.format else ""
    echo(
        f"{counted(answer.rows, 'price')}{form}, {answer.repeats} already in the book, "
        f"{len(answer.flagged)} flagged{ignored}{written}"
    )
    for note in answer.notes:
        echo(note, err=True)
    for row in answer.flagged[:MOST_FLAGGED]:
        name = f"{row['provider']} {row['accelerator']} {row['term']} {row['usd_per_gpu_h']}"
        echo(f"flagged: {name}: {', '.join(row['flags'])}", err=True)


def _median(cell: MarketCell) -> float | None:
    return currency().of(cell.median_usd_per_gpu_h)


def _quartiles(row: MarketCell | Period) -> TableCell | None:
    return interval(currency().of(row.q1), currency().of(row.q3), ".2f")


def _units() -> dict[str, str]:
    """The unit of columns of money, which the title of the table states for people."""
    names = ("median", "quartiles", "rent", "forward rent from the previous term", "chained")
    return dict.fromkeys(names, f"{currency().sign}/GPU-h")
