"""Dated facts of the market that a report shows with their sources: supply, rents, investment."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FACTS = Path(__file__).parent.parent / "data" / "market_facts.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """`value` is as the source writes it: a quarter, a range, a number in `unit`."""

    topic: str
    subject: str
    fact: str
    value: str
    unit: str
    date: str
    source: str


@cache
def market_facts(topics: tuple[str, ...] = ()) -> tuple[Fact, ...]:
    """The shipped facts, or those of some topics, in file order."""
    with FACTS.open(encoding="utf-8", newline="") as file:
        facts = tuple(Fact(**row) for row in csv.DictReader(file))
    return tuple(f for f in facts if not topics or f.topic in topics)
