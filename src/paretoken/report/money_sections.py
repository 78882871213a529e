"""The static sections on money: owners' costs, the rental market, the outlook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretoken.answers.study.result import StudyResult
from paretoken.prices.market.quality_flags import EXCLUDING, TRAPS
from paretoken.prices.outlook.project import changed, winners
from paretoken.prices.owner.layers import operators
from paretoken.prices.owner.levelised import COMPONENTS, capital_usd, stack, straight_line, total
from paretoken.prices.owner.parameters import PARAMETERS
from paretoken.prices.owner.rows import capital_from
from paretoken.report.payload import shown_accelerators, styles

Context = Mapping[str, Any]
FACT_TOPICS = {
    "supply": "Supply",
    "rental": "Rental market",
    "break-even": "Break-even as published",
    "investment": "Investment",
    "revenue": "Revenue",
}


def owners(result: StudyResult) -> Context:
    """For each operator the components of every accelerator, and the figures they rest on."""
    e = result.economy
    return {
        "tables": [
            (name, _used(e.owners[key]), [_owner_row(i, e.bands[key]) for i in e.owners[key]])
            for key, name in operators().items()
            if e.owners[key]
        ],
        "titles": COMPONENTS,
        "figures": [(operators()[key], _figures(sets)) for key, sets in e.owners.items() if sets],
        "checks": e.checks,
        "draws": result.study.draws,
        "seed": result.study.seed,
        "styles": styles(result),
    }


def _used(sets) -> list[str]:
    return [k for k in COMPONENTS if any(stack(i.values)[k] for i in sets)]


def _owner_row(i, bands) -> dict:
    v, band = i.values, bands[i.accelerator]["hour"]
    whole = float(total(v))
    return {
        "name": i.accelerator,
        "parts": {k: float(x) for k, x in stack(v).items()},
        "total": whole,
        "straight": float(straight_line(v)),
        "capital": float(capital_usd(v)),
        "from": capital_from(i),
        "p5": band.p5 * whole,
        "p95": band.p95 * whole,
    }


def _figures(sets) -> list[dict]:
    """Every input that is the same for all accelerators of an operator, with range and source."""
    first = sets[0].figures
    shared = [
        n
        for n in PARAMETERS
        if all(i.figures[n].value == first[n].value for i in sets) and first[n].layer != "not used"
    ]
    return [{"text": PARAMETERS[n].text, "unit": PARAMETERS[n].unit, "figure": first[n]} for n in shared]


def market(result: StudyResult) -> Context:
    """Cells by accelerator and term, availability, the index, ratios between terms, traps, dated facts."""
    e = result.economy
    shown = shown_accelerators(result)
    texts = {t.name: t.text for t in TRAPS}
    return {
        "at": e.at,
        "cells": [c for c in e.cells if c.accelerator in shown and c.offers],
        "without": [a for a in shown if not any(c.offers for c in e.cells if c.accelerator == a)],
        "offered": e.offered,
        "terms": [t for t in dict.fromkeys(k for row in e.offered for k in row) if t not in ("accelerator", "any")],
        "vendors": e.vendors,
        "index": {a: p for a, p in e.index.items() if a in shown},
        "ratios": e.ratios,
        "book_rows": e.book_rows,
        "traps": [(name, n, texts[name], name in EXCLUDING) for name, n in e.trapped.items()],
        "facts": [(title, [f for f in e.facts if f.topic == topic]) for topic, title in FACT_TOPICS.items()],
        "styles": styles(result),
    }


def outlook(result: StudyResult) -> Context:
    """Every scenario's states and winners, and the trend of every configuration with dated runs."""
    e = result.economy
    models = {p.question.model for p in result.panels}
    return {
        "played": [(p, changed(p.states), winners(p.states)) for p in e.played],
        "trends": [t for t in e.trends if t.configuration["model"] in models and (t.interval is not None or t.steps)],
        "styles": styles(result),
    }
