"""The money part of the page's data: inputs of every owner in full precision, the market, scenarios."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from math import inf
from typing import TypeAlias

from paretoken.answers.outlook import OutlookAnswer
from paretoken.answers.study.economy import Economy
from paretoken.answers.study.result import StudyResult
from paretoken.plural import counted
from paretoken.prices.market.cells import MarketCell
from paretoken.prices.market.history import Period
from paretoken.prices.outlook.scenario import Scenario
from paretoken.prices.owner.layers import Inputs, operators
from paretoken.prices.owner.levelised import COMPONENTS
from paretoken.prices.owner.parameters import PARAMETERS, Parameter
from paretoken.report.numbers import rounded

ADJUSTABLE = (
    "electricity_usd_per_kwh",
    "cost_of_capital_per_year",
    "life_months",
    "pue",
    "colo_usd_per_kw_month",
    "sold_share",
)
"""The inputs that a reader can change in the page."""
Json: TypeAlias = dict[str, object]


def money_data(result: StudyResult, accelerators: list[str]) -> Json:
    """What the page computes owner's costs, break-evens and outlooks from."""
    e = result.economy
    return {
        "operator": result.study.operator,
        "operators": [_operator(e, key, name) for key, name in operators().items()],
        "components": [[key, title] for key, title in COMPONENTS.items()],
        "parameters": {n: _parameter(p) for n, p in PARAMETERS.items()},
        "adjustable": list(ADJUSTABLE),
        "terms": list(dict.fromkeys(c.term for c in e.cells if c.offers)),
        "cells": {a: {c.term: _cell(c) for c in e.cells if c.accelerator == a and c.offers} for a in accelerators},
        "newest": str(newest_price(e.cells) or ""),
        "index": {a: _index(p) for a, p in e.index.items() if a in accelerators},
        "ratios": [[r.term, rounded(r.ratio), {p: rounded(x) for p, x in r.by_provider.items()}] for r in e.ratios],
        "outlooks": [_outlook(p.scenario, p.answer) for p in e.scenarios if p.answer and p.answer.states],
    }


def newest_price(cells: Sequence[MarketCell]) -> date | None:
    """The day of the newest price in any of the cells."""
    return max((offer.date for cell in cells for offer in cell.offers), default=None)


def _parameter(p: Parameter) -> Json:
    most = None if p.most == inf else p.most
    return {"title": p.title, "unit": p.unit, "least": p.least, "most": most, "open": p.open_below}


def _operator(e: Economy, key: str, name: str) -> Json:
    return {"id": key, "name": name, "inputs": {i.accelerator: _inputs(i, e, key) for i in e.owners[key]}}


def _inputs(inputs: Inputs, e: Economy, operator: str) -> Json:
    """Values in full precision: the page's arithmetic starts from the same numbers as the library's."""
    bands = e.bands[operator][inputs.accelerator]
    return {
        "values": inputs.values,
        "ranges": {n: list(f.bounds) for n, f in inputs.figures.items() if not f.certain},
        "bands": {origin: [q.p5, q.p95] for origin, q in bands.items() if origin != "hour"},
    }


def _cell(c: MarketCell) -> Json:
    return {
        "median": c.median_usd_per_gpu_h,
        "listed": c.indication if c.too_few else None,
        "quartiles": [c.q1, c.q3],
        "evidence": evidence(c),
    }


def evidence(c: MarketCell) -> str:
    """`11 providers, 47 prices, newest of 2026-08-22 (100 days old)`: the data behind a price of the market."""
    if not c.offers:
        return "no price"
    newest = max(offer.date for offer in c.offers)
    parts = [
        counted(c.providers, "provider"),
        counted(c.rows, "price"),
        f"newest of {newest} ({counted(c.age_days or 0, 'day')} old)",
    ]
    return ", ".join([*parts, *(["too few for a median"] if c.too_few else [])])


def _index(periods: Sequence[Period]) -> Json:
    with_median = [p for p in periods if p.median is not None]
    return {
        "period": [p.period for p in with_median],
        "day": [_middle(p.period) for p in with_median],
        "median": [rounded(p.median) for p in with_median],
        "index": [rounded(p.index) for p in with_median],
        "n": [p.providers for p in with_median],
        "linked": [p.linked for p in with_median],
    }


def _middle(period: str) -> str:
    """The day in the middle of a quarter, `2026 Q3` → `2026-08-15`."""
    year, quarter = period.split(" Q")
    return f"{year}-{3 * int(quarter) - 1:02d}-15"


def _outlook(scenario: Scenario, answer: OutlookAnswer) -> Json:
    names = list(dict.fromkeys(s.accelerator for s in answer.states))
    return {
        "name": scenario.name,
        "reference": scenario.reference,
        "lines": [
            {
                "accelerator": name,
                "day": [str(s.day) for s in answer.states if s.accelerator == name],
                "cost": [rounded(s.usd_per_mtok) for s in answer.states if s.accelerator == name],
                "rent": [rounded(s.break_even_usd_per_gpu_h) for s in answer.states if s.accelerator == name],
            }
            for name in names
        ],
    }
