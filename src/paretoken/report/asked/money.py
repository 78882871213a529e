"""`rent`, `rent-market`, `rent-history` and `tco` for a reader."""

from __future__ import annotations

from collections.abc import Sequence

from paretoken.answers.rent import MarketAnswer, RentAnswer, RentHistoryAnswer, RentHistoryQuestion, RentQuestion
from paretoken.answers.tco import TcoAnswer, TcoQuestion
from paretoken.catalog.loader import load_catalog
from paretoken.plural import counted
from paretoken.prices.market.cells import MarketCell
from paretoken.report.asked.curve_plots import accelerator_style, tints
from paretoken.report.asked.labels import label_and_unit
from paretoken.report.asked.marks import ValueRow, value_bars
from paretoken.report.asked.view import AnswerTable, AnswerView, Shown
from paretoken.report.numbers import money, rounded
from paretoken.report.plot_page import Plot, table, tone

GPU_HOUR = "USD per GPU-hour"
LEAST_USD = 5e-4
"""Of a component that a table and a chart show."""


def market_view(answer: MarketAnswer, question: RentQuestion) -> AnswerView:
    """What every accelerator rents at on a day."""
    priced = sorted((c for c in answer.cells if c.median_usd_per_gpu_h is not None), key=_median)
    vendors = ", ".join(f"{vendor} {n}" for vendor, n in answer.providers_by_vendor.items())
    lead = f"No accelerator has a median rent on {answer.at}."
    if priced:
        first, last = priced[0], priced[-1]
        lead = (
            f"On {answer.at} a GPU-hour rents from ${_median(first):.2f} ({first.accelerator}, {first.term}) to "
            f"${_median(last):.2f} ({last.accelerator}, {last.term}), median of provider medians."
        )
    return AnswerView(
        lead=(lead,),
        notes=(f"Providers by vendor: {vendors}. A provider may offer several vendors.",),
        plots=(_rents(priced, f"Rent on {answer.at}", [c.accelerator for c in priced]),) if priced else (),
        tables=(
            _cells(answer.cells),
            AnswerTable.of(
                "Providers by term", {k: k for row in answer.availability for k in row}, answer.availability
            ),
        ),
    )


def rent_view(answer: RentAnswer, question: RentQuestion) -> AnswerView:
    """What one accelerator rents at, term by term."""
    priced = [c for c in answer.cells if c.median_usd_per_gpu_h is not None]
    medians = "; ".join(f"{c.term} {_median(c):.2f}" for c in priced) or "too few providers for a median"
    return AnswerView(
        lead=(f"{answer.accelerator} on {answer.at}, {GPU_HOUR}, median of provider medians: {medians}.",),
        plots=(_rents(priced, f"Rent of {answer.accelerator}", [c.term for c in priced]),) if priced else (),
        tables=(
            _cells(answer.cells),
            AnswerTable(
                title="Offers",
                heads=("Term", "Provider", "$/GPU-h", "Date", "Source", "Licence"),
                rows=tuple(
                    (c.term, o.provider, o.usd_per_gpu_h, str(o.date), o.source, o.licence)
                    for c in answer.cells
                    for o in c.offers
                ),
            ),
        ),
    )


def _median(cell: MarketCell) -> float:
    return cell.median_usd_per_gpu_h or 0.0


def _cells(cells: Sequence[MarketCell]) -> AnswerTable:
    rows = tuple((c.accelerator, c.term, c.median_usd_per_gpu_h, _quartiles(c), c.evidence) for c in cells)
    return AnswerTable(title="Medians", heads=("Accelerator", "Term", "$/GPU-h", "Quartiles", "Evidence"), rows=rows)


def _quartiles(cell: MarketCell) -> str | None:
    return None if cell.q1 is None or cell.q3 is None else f"{cell.q1:.2f} – {cell.q3:.2f}"


def _rents(cells: Sequence[MarketCell], title: str, names: Sequence[str]) -> Plot:
    catalog = load_catalog()
    rows = [
        ValueRow(
            name=name,
            value=_median(c),
            low=c.q1,
            high=c.q3,
            says=(f"{money(c.median_usd_per_gpu_h)} per GPU-hour, {c.term}", c.evidence),
            style=accelerator_style(c.accelerator, catalog),
        )
        for name, c in zip(names, cells, strict=True)
    ]
    subtitle = "Median of provider medians; lines: quartiles"
    return value_bars(rows, GPU_HOUR, prefix="$", title=title, subtitle=subtitle)


def rent_history_view(answer: RentHistoryAnswer, question: RentHistoryQuestion) -> AnswerView:
    """The index and the median by quarter."""
    periods = [p for p in answer.periods if p.median is not None]
    name = f"{answer.accelerator}, {answer.term}"
    lead = f"{name}: {counted(len(answer.periods), 'quarter')}"
    if periods:
        first, last = periods[0], periods[-1]
        lead += f"; median {first.median:.2f} USD per GPU-hour in {first.period}, {last.median:.2f} in {last.period}"
    rows = tuple((p.period, p.median, p.q1, p.q3, p.index, p.providers, p.rows) for p in answer.periods)
    heads = ("Quarter", "Median", "Q1", "Q3", "Index", "Providers", "Rows")
    plot = _by_quarter(answer, name)
    return AnswerView(
        lead=(f"{lead}.",),
        plots=(plot,) if plot else (),
        tables=(AnswerTable(title=f"Rent by quarter, {GPU_HOUR}", heads=heads, rows=rows),),
    )


def _by_quarter(answer: RentHistoryAnswer, name: str) -> Plot | None:
    drawn = [(i, p.median, p.q1, p.q3) for i, p in enumerate(answer.periods) if p.median is not None]
    if not drawn:
        return None
    names = [p.period for p in answer.periods]
    style = {"group": name, **tints(accelerator_style(answer.accelerator, load_catalog()))}
    return {
        "title": f"Rent of {name}",
        "subtitle": "Median of provider medians by quarter; band: quartiles",
        "x": {"title": f"Quarters since {names[0]}", "min": -0.3, "max": len(names) - 0.7},
        "y": {"title": GPU_HOUR, "prefix": "$", "min": 0, "max": 1.08 * max(q3 or m for _, m, _, q3 in drawn)},
        "lines": [{**style, "name": name, "label": False, "points": [[i, m] for i, m, _, _ in drawn]}],
        "bands": [{**style, "points": [[i, q1, q3] for i, _, q1, q3 in drawn if q1 and q3]}],
        "marks": [
            {**style, "x": i, "y": m, "about": {"title": names[i], "rows": [f"${m:.2f} per GPU-hour"]}}
            for i, m, _, _ in drawn
        ],
        "table": table(("Quarter", "Median"), [(names[i], rounded(m)) for i, m, _, _ in drawn]),
    }


def tco_view(answer: TcoAnswer, question: TcoQuestion) -> AnswerView:
    """What a GPU-hour costs its owner, in its components."""
    costs = sorted(answer.costs, key=lambda c: c.usd_per_gpu_h)
    first, last = costs[0], costs[-1]
    parts = list(dict.fromkeys(name for c in costs for name, usd in c.components.items() if abs(usd) >= LEAST_USD))
    rows: tuple[tuple[Shown, ...], ...] = tuple(
        (c.accelerator, c.usd_per_gpu_h, *(c.components.get(p) for p in parts), c.capital_usd, c.it_kw_per_gpu)
        for c in costs
    )
    return AnswerView(
        lead=(
            f"To {answer.operator}, a GPU-hour costs from ${first.usd_per_gpu_h:.2f} ({first.accelerator}) "
            f"to ${last.usd_per_gpu_h:.2f} ({last.accelerator}).",
        ),
        notes=tuple(f"{c.accelerator}: capital from {c.capital_from}" for c in costs),
        plots=(_stacked(answer, parts),),
        tables=(
            AnswerTable(
                title=f"Cost of a GPU-hour, {answer.operator}, USD",
                heads=("Accelerator", "Total", *(label_and_unit(p)[0] for p in parts), "Capital, USD per GPU", "kW"),
                rows=rows,
            ),
        ),
    )


def _stacked(answer: TcoAnswer, parts: Sequence[str]) -> Plot:
    """The components of every accelerator as one bar."""
    costs = sorted(answer.costs, key=lambda c: c.usd_per_gpu_h)
    bars = []
    for row, c in enumerate(costs):
        start = 0.0
        for place, part in enumerate(parts):
            usd = c.components.get(part, 0.0)
            about = {"title": c.accelerator, "rows": [f"{label_and_unit(part)[0]}: {money(usd)} per GPU-hour"]}
            shape = {"row": row, "from": start, "to": start + usd, "height": 18}
            bars.append({**shape, "group": part, "color": tone(place), "about": about})
            start += usd
    return {
        "title": "Cost of a GPU-hour to its owner",
        "subtitle": answer.operator,
        "x": {"title": GPU_HOUR, "prefix": "$", "min": 0, "max": 1.06 * costs[-1].usd_per_gpu_h},
        "y": {"categories": [c.accelerator for c in costs]},
        "bars": bars,
        "key": [[label_and_unit(part)[0], tone(place)] for place, part in enumerate(parts)],
        "height": 70 + 30 * len(costs),
        "table": table(
            ("Accelerator", *parts), [(c.accelerator, *(rounded(c.components.get(p)) for p in parts)) for c in costs]
        ),
    }
