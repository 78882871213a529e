"""The static sections on money: owners' costs, the rental market, the outlook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from paretoken.answers.study.result import StudyResult
from paretoken.prices.market.quality_flags import EXCLUDING, QUALITY_FLAGS
from paretoken.prices.outlook.project import changed
from paretoken.prices.owner.figures import NOT_USED
from paretoken.prices.owner.layers import Inputs, operators
from paretoken.prices.owner.levelised import COMPONENTS, stack, total
from paretoken.prices.owner.montecarlo import Quantiles
from paretoken.prices.owner.parameters import PARAMETERS
from paretoken.prices.owner.rows import owner_cost
from paretoken.report.money_data import evidence, newest_price
from paretoken.report.payload import priced_accelerators, styles
from paretoken.report.rent_sources import rent_sources

Context: TypeAlias = Mapping[str, object]
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


def _used(all_inputs: Sequence[Inputs]) -> list[str]:
    """The components that any accelerator has."""
    return [k for k in COMPONENTS if any(stack(i.values)[k] for i in all_inputs)]


def _owner_row(inputs: Inputs, bands: Mapping[str, Mapping[str, Quantiles]]) -> Context:
    cost, band = owner_cost(inputs), bands[inputs.accelerator]["hour"]
    usd = float(total(inputs.values))
    return {"cost": cost, "total": usd, "p5": band.p5 * usd, "p95": band.p95 * usd}


def _figures(all_inputs: Sequence[Inputs]) -> list[Context]:
    """Every input that is the same for all accelerators of an operator, with range and source."""
    first = all_inputs[0].figures
    shared = [
        n
        for n in PARAMETERS
        if all(i.figures[n].value == first[n].value for i in all_inputs) and first[n].layer != NOT_USED
    ]
    return [{"text": PARAMETERS[n].text, "unit": PARAMETERS[n].unit, "figure": first[n]} for n in shared]


def market(result: StudyResult) -> Context:
    """Cells by accelerator and term, availability, the index, ratios between terms, quality flags, dated facts."""
    e = result.economy
    ids = priced_accelerators(result)
    texts = {f.name: f.text for f in QUALITY_FLAGS}
    return {
        "at": e.at,
        "newest": newest_price(e.cells),
        "evidence": evidence,
        "sources": rent_sources(result),
        "cells": [c for c in e.cells if c.accelerator in ids and c.offers],
        "without": [a for a in ids if not any(c.offers for c in e.cells if c.accelerator == a)],
        "offered": e.offered,
        "terms": [t for t in dict.fromkeys(k for row in e.offered for k in row) if t not in ("accelerator", "any")],
        "vendors": e.vendors,
        "index": {a: p for a, p in e.index.items() if a in ids},
        "ratio_accelerators": sorted({a for r in e.ratios for a in r.accelerators}),
        "book_rows": e.book_rows,
        "flags": [(name, n, texts[name], name in EXCLUDING) for name, n in e.flagged.items()],
        "facts": [(title, [f for f in e.facts if f.topic == topic]) for topic, title in FACT_TOPICS.items()],
        "styles": styles(result),
    }


def outlook(result: StudyResult) -> Context:
    """Every scenario's states and winners, and the trend of every configuration with dated runs."""
    e = result.economy
    models = {p.selection.model for p in result.panels}
    return {
        "scenarios": [(p, changed(p.answer.states) if p.answer else []) for p in e.scenarios],
        "trends": [t for t in e.trends if t.configuration["model"] in models and (t.interval is not None or t.steps)],
        "styles": styles(result),
    }
