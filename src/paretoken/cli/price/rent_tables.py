"""The tables of `paretoken rent`."""

from __future__ import annotations

import click

from paretoken.cli.output import console, print_json, print_table
from paretoken.prices.market.book import append_prices
from paretoken.prices.market.cells import availability, cells_at, vendors_offered
from paretoken.prices.market.history import basket, index_of
from paretoken.prices.market.prices import cell_json
from paretoken.prices.market.structure import forwards, ratios, recent, term_rents
from paretoken.prices.market.terms import RENTED
from paretoken.prices.market.quality_flags import EXCLUDING, TRAPS, flagged


def everything(book, catalog, terms, day, as_json) -> None:
    """Every accelerator with a price in the window: median at the terms, and how many rent it out at which."""
    offered = availability(book, day)
    vendors = vendors_offered(book, {k: a.vendor for k, a in catalog.accelerators.items()}, day)
    cells = cells_at(book, offered["accelerator"], terms, day)
    if as_json:
        print_json(
            {
                "at": str(day),
                "cells": [cell_json(c) for c in cells],
                "availability": offered.to_dicts(),
                "providers_by_vendor": vendors,
            }
        )
        return
    print_table(
        f"Rent on {day}, USD per GPU-hour: median of provider medians",
        ("accelerator", "term", "median", "quartiles", "what stands behind it"),
        [(c.accelerator, c.term, c.median, _quartiles(c), c.thin) for c in cells],
    )
    columns = [c for c in offered.columns if c not in ("accelerator", "any")]
    print_table(
        "\nProviders that rent it out, by term",
        ("accelerator", "at any", *columns),
        [(r[0], r[1], *r[2:]) for r in offered.rows()],
    )
    said = ", ".join(f"{v} {n}" for v, n in vendors.items())
    console().print(
        f"\nProviders by vendor: {said}. A provider may rent out both; the price lists searched are not all there are.",
        style="dim",
    )


def one(book, name, terms, forms, day, as_json) -> None:
    """One accelerator at every term that has a price, its rows where they are too few, and its term structure."""
    choice = {"forms": tuple(forms)} if forms else {}
    cells = cells_at(book, [name], terms or RENTED, day, **choice)
    kept = [c for c in cells if c.offers or terms]
    relative = ratios(book, None, recent(day), day)
    ahead = forwards(term_rents(book, name, day))
    if as_json:
        print_json({"cells": [cell_json(c) for c in kept], "ratios_to_on_demand": relative, "forward_rents": ahead})
        return
    print_table(
        f"{name} on {day}, USD per GPU-hour: median of provider medians",
        ("term", "median", "quartiles", "what stands behind it"),
        [(c.term, c.median, _quartiles(c), c.thin) for c in kept] or [("any", None, None, "no price")],
    )
    for c in kept:
        if c.too_few and c.offers:
            rows = [(o.provider, o.usd_per_gpu_h, o.rows, o.date, o.licence, o.source) for o in c.offers]
            print_table(
                f"\n{c.term}: too few providers for a median, so here are the rows",
                ("provider", "$/GPU-h", "rows", "date", "licence", "source"),
                rows,
            )
    rows = [
        (r.term, r.ratio, len(r.by_provider), r.pairs, ", ".join(f"{p} {x:.2f}" for p, x in r.by_provider.items()))
        for r in relative
    ]
    print_table(
        "\nA term over on-demand at the same seller on the same day, all accelerators, last two years",
        ("term", "ratio", "providers", "pairs", "by provider"),
        rows,
    )
    if len(ahead) > 1:
        print_table(
            f"\nTerm structure of {name}, USD per GPU-hour",
            ("term", "rent", "forward rent up to there", "rests on"),
            [(f.term, f.rent_usd, f"{f.forward_usd:.2f}", f.basis) for f in ahead],
        )


def history(book, name, term, providers, as_json) -> None:
    from paretoken.errors import BadConfig, NoData

    if not name:
        raise BadConfig("a history is of one accelerator; give its name, as in 'paretoken rent H100 --history'")
    periods = index_of(book, name, term)
    if not periods:
        raise NoData(f"no {term} price of {name} in the book; 'paretoken rent {name}' shows what there is")
    fixed = dict(basket(book, name, providers, term)) if providers else {}
    if as_json:
        print_json({"accelerator": name, "term": term, "periods": periods, "basket": fixed})
        return
    extra = ("basket",) if providers else ()
    print_table(
        f"{name}, {term}, USD per GPU-hour by quarter",
        ("quarter", "median", "quartiles", "providers", "rows", "chained", "linked", "of it from mix", *extra),
        [
            (
                p.period,
                p.median,
                _quartiles(p),
                p.providers,
                p.rows,
                p.index,
                p.linked,
                None if p.from_mix is None else f"{p.from_mix:+.0%}",
                *([fixed.get(p.period)] if providers else []),
            )
            for p in periods
        ],
        "no median under 3 providers; chained: only providers in both quarters move it, back from the newest median, "
        "and from the median again where fewer than 3 link two quarters; "
        "from mix: how much of the median's change the other providers make",
    )


def flags(book, name, as_json) -> None:
    import polars as pl

    rows = book.filter(pl.col("flags").list.len() > 0)
    rows = rows.filter(pl.col("accelerator") == name) if name else rows
    texts = {t.name: t.text for t in TRAPS}
    if as_json:
        print_json(rows.to_dicts())
        return
    counts = dict(rows["flags"].explode(empty_as_null=True).drop_nulls().value_counts(sort=True).iter_rows())
    print_table(
        "Rows in a trap: kept, and left out of statistics where the trap says so",
        ("trap", "rows", "left out", "what it is"),
        [(k, n, "yes" if k in EXCLUDING else "no", texts[k]) for k, n in counts.items()],
    )
    listed = rows.filter(pl.col("flags").list.set_intersection(list(EXCLUDING)).list.len() > 0)
    print_table(
        "\nLeft out",
        ("provider", "accelerator", "form", "term", "$/GPU-h", "date", "why"),
        [
            (
                r["provider"],
                r["accelerator"],
                r["form"],
                r["term"],
                r["usd_per_gpu_h"],
                r["date"],
                ", ".join(r["flags"]),
            )
            for r in listed.to_dicts()
        ],
    )


def imported(found, into, stem: str, catalog, as_json) -> None:
    """Write what is new, and tell what was flagged."""
    import polars as pl

    rows = flagged(found.rows, catalog)
    file = append_prices(found.rows, into, stem)
    caught = rows.filter(pl.col("flags").list.len() > 0)
    if as_json:
        print_json(
            {
                "file": str(file) if file else None,
                "rows": rows.height,
                "repeats": found.repeats,
                "ignored_columns": found.ignored,
                "flagged": caught.to_dicts(),
            }
        )
        return
    ignored = f"; columns not used: {', '.join(found.ignored)}" if found.ignored else ""
    where = f" -> {file}" if file else "; nothing new to write"
    click.echo(f"{rows.height} prices, {found.repeats} known already, {caught.height} flagged{ignored}{where}")
    for r in caught.head(10).to_dicts():
        click.echo(
            f"flagged: {r['provider']} {r['accelerator']} {r['term']} {r['usd_per_gpu_h']}: {', '.join(r['flags'])}",
            err=True,
        )


def _quartiles(cell) -> str | None:
    return None if cell.q1 is None else f"{cell.q1:.2f} – {cell.q3:.2f}"
