"""Rental terms: the buckets by commitment, and the ways in which sources write them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from paretoken.errors import UnknownName


@dataclass(frozen=True, slots=True)
class Term:
    """`months` is the commitment; 0 for none. `rented` is False for a price that is not of one GPU at one term.

    `interruptible` is True where the seller may take the GPU back: spot, and a host of the provider's community.
    """

    name: str
    months: float
    rented: bool = True
    interruptible: bool = False


TERMS = {
    t.name: t
    for t in (
        Term("spot", 0, interruptible=True),
        Term("community", 0, interruptible=True),
        Term("on-demand", 0),
        Term("1-month", 1),
        Term("3-6-month", 6),
        Term("1-year", 12),
        Term("2-year", 24),
        Term("3-year", 36),
        Term("5-year", 60),
        Term("on-demand or spot", 0, rented=False),
        Term("serverless", 0, rented=False),
    )
}
"""Every bucket, by rising commitment; the last two take part in no term structure."""
RENTED = tuple(t.name for t in TERMS.values() if t.rented)
COMMITTED = tuple(t.name for t in TERMS.values() if t.months)

_BY_MONTHS = ((1.5, "1-month"), (7, "3-6-month"), (14, "1-year"), (26, "2-year"), (40, "3-year"), (62, "5-year"))
_LENGTH = re.compile(r"(\d+)\s*[- ]?\s*(y|yr|year|m|mo|month)s?\b", re.IGNORECASE)


def term_of(text: str) -> str:
    """The bucket of a term as a source writes it: `reserved-1y`, `36 months`, `On-Demand`, `interruptible`."""
    plain = text.strip().casefold().replace("_", "-")
    if plain in TERMS:
        return plain
    length = _LENGTH.search(plain)
    if length:
        months = int(length[1]) * (12 if length[2][0] == "y" else 1)
        return next((name for most, name in _BY_MONTHS if months <= most), "5-year")
    if "serverless" in plain:
        return "serverless"
    if "community" in plain:
        return "community"
    demand, spot = "demand" in plain, any(w in plain for w in ("spot", "interrupt", "preempt"))
    if demand and spot:
        return "on-demand or spot"
    if demand or spot:
        return "on-demand" if demand else "spot"
    raise UnknownName("rental term", text, list(TERMS))
